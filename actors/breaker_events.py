"""What a breaker tells: its refusals, its events and how they reach a listener, what it leaves for the next start."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from actors.breaker_settings import FORCED_OPEN, HALF_OPEN, OPEN, BreakerState

BY_HAND = "by hand"
"""The reason of what a person did and gave no other for."""


class BreakerOpen(Exception):
    """The dependency is not called now. `retry_in_s`: when asking again may help."""

    def __init__(self, dependency: str, *, retry_in_s: float, state: BreakerState = OPEN, reason: str = "") -> None:
        why = {
            HALF_OPEN: "is half open and waits for the calls that it let through",
            FORCED_OPEN: "was opened by hand" + (f": {reason}" if reason not in ("", BY_HAND) else ""),
        }.get(state, f"is open for {retry_in_s:.1f} s more")
        super().__init__(f"{dependency} is not called: its breaker {why}")
        self.retry_in_s = retry_in_s


class IllegalTransition(Exception):
    """A closed breaker has nothing to find out, so it cannot be made half open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Called:
    """A call ended, or its time ran out."""

    dependency: str
    outcome: Literal["success", "error"]
    is_slow: bool
    duration_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignored:
    """A call ended with an exception that tells nothing about the dependency."""

    dependency: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NotPermitted:
    dependency: str
    retry_in_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Exceeded:
    """A rate reached its threshold; said once per state."""

    dependency: str
    what: Literal["failure_rate", "slow_rate"]
    rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """`opened_count`: openings since it was last closed. `retry_in_s`: None unless it is OPEN now."""

    dependency: str
    before: BreakerState
    state: BreakerState
    opened_count: int
    retry_in_s: float | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reset:
    dependency: str


BreakerEvent = Called | Ignored | NotPermitted | Exceeded | Transition | Reset


@dataclass(frozen=True, kw_only=True)
class SavedBreaker:
    """What survives a restart of the daemon. `retry_in_s`: of an OPEN one, otherwise 0."""

    state: BreakerState
    retry_in_s: float
    opened_count: int
    reason: str


class EventQueue:
    """Brings events to the listener in their order and never two at once, though many threads add them.

    `add` is for whoever holds the breaker's lock, `tell` for afterwards, so that the listener may ask the breaker.
    """

    def __init__(self, listener: Callable[[BreakerEvent], None] | None) -> None:
        self._listener = listener
        self._telling = threading.Lock()
        self.is_heard = listener is not None
        self.waiting: deque[BreakerEvent] = deque()

    def add(self, event: BreakerEvent) -> None:
        if self.is_heard:
            self.waiting.append(event)

    def tell(self) -> None:
        """A thread that finds another telling, or is told something itself, leaves its events to that one."""
        while self.waiting and self._listener is not None and self._telling.acquire(blocking=False):
            try:
                while self.waiting:
                    self._listener(self.waiting.popleft())
            except Exception as error:  # noqa: BLE001  # a listener's bug breaks no call, and is seen
                thread = threading.current_thread()
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
            finally:
                self._telling.release()
