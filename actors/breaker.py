"""A circuit breaker as a pure state machine: CLOSED -> OPEN -> HALF_OPEN -> CLOSED or OPEN again.

Consecutive outages open it; it stays open for a wait that doubles with every failed probe; then one call is let
through. The supervisor makes one per dependency and hands it to the actor that calls it. Thread-safe; time and chance
come in.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class BreakerOpen(Exception):
    """The dependency is not called now. `retry_in_s`: when a probe will be let through."""

    def __init__(self, dependency: str, *, retry_in_s: float) -> None:
        super().__init__(f"{dependency} is not called: its breaker is open for {retry_in_s:.1f} s more")
        self.retry_in_s = retry_in_s


class Outage(Exception):
    """What a call reports when its dependency is down. `retry_after_s`: as the dependency asked, None if it did not."""

    def __init__(self, text: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, kw_only=True)
class Transition:
    dependency: str
    state: BreakerState
    opened_count: int
    retry_in_s: float | None
    reason: str


class Breaker:
    """`failures` outages in a row open it for wait_s * 2^n, at most max_wait_s, with up to 20 % jitter on top."""

    def __init__(
        self,
        dependency: str,
        *,
        failures: int = 3,
        wait_s: float = 10.0,
        max_wait_s: float = 600.0,
        on_transition: Callable[[Transition], None] = lambda transition: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if failures < 1 or wait_s <= 0 or max_wait_s < wait_s:
            raise ValueError("a breaker needs failures >= 1 and 0 < wait_s <= max_wait_s")
        self.dependency = dependency
        self._limit, self._wait_s, self._max_wait_s = failures, wait_s, max_wait_s
        self._on_transition, self._clock, self._chance = on_transition, clock, chance
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._failed = 0
        self._opened_count = 0
        self._retry_at = 0.0
        self._probe_until: float | None = None
        self.reason = ""

    @property
    def state(self) -> BreakerState:
        return self._state

    def retry_in_s(self) -> float:
        """Until the next probe; 0 unless open."""
        with self._lock:
            return max(0.0, self._retry_at - self._clock()) if self._state is BreakerState.OPEN else 0.0

    def describe(self) -> dict[str, object]:
        """Its state as plain facts, for people."""
        return {
            "dependency": self.dependency,
            "state": self.state.value,
            "retry_in_s": round(self.retry_in_s(), 1),
            "reason": self.reason,
        }

    def would_permit(self) -> bool:
        """Whether `call()` would go through now; takes no permit."""
        with self._lock:
            now = self._clock()
            if self._state is BreakerState.OPEN:
                return now >= self._retry_at
            return self._state is BreakerState.CLOSED or self._probe_until is None or now >= self._probe_until

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Around a call to the dependency: raises BreakerOpen instead of calling; Outage counts, all else does not."""
        self._acquire()
        try:
            yield
        except Outage as outage:
            self.failure(str(outage), retry_after_s=outage.retry_after_s)
            raise
        except BaseException:
            self.success()
            raise
        self.success()

    def success(self) -> None:
        """The dependency answered."""
        with self._lock:
            self._failed, self._probe_until = 0, None
            was_open = self._state is not BreakerState.CLOSED
            if was_open:
                self._state, self._opened_count, self.reason = BreakerState.CLOSED, 0, ""
        if was_open:
            self._announce()

    def failure(self, reason: str, *, retry_after_s: float | None = None) -> None:
        """The dependency is down, or asked to be left alone for `retry_after_s`."""
        with self._lock:
            self._failed += 1
            is_late = self._state is BreakerState.OPEN
            opens = not is_late and (
                self._state is BreakerState.HALF_OPEN or self._failed >= self._limit or retry_after_s is not None
            )
            if opens:
                wait_s = min(self._max_wait_s, self._wait_s * 2 ** min(self._opened_count, 60))
                wait_s *= 1 + 0.2 * self._chance()
                self._retry_at = self._clock() + (wait_s if retry_after_s is None else retry_after_s)
                self._state, self._probe_until, self.reason = BreakerState.OPEN, None, reason
                self._opened_count += 1
        if opens:
            self._announce()

    def reset(self) -> None:
        """Close it by hand."""
        self.success()

    def _acquire(self) -> None:
        with self._lock:
            now = self._clock()
            if self._state is BreakerState.CLOSED:
                return
            if self._state is BreakerState.OPEN and now < self._retry_at:
                raise BreakerOpen(self.dependency, retry_in_s=self._retry_at - now)
            if self._probe_until is not None and now < self._probe_until:
                raise BreakerOpen(self.dependency, retry_in_s=self._probe_until - now)
            is_new = self._state is BreakerState.OPEN
            self._state, self._probe_until = BreakerState.HALF_OPEN, now + self._max_wait_s
        if is_new:
            self._announce()

    def _announce(self) -> None:
        self._on_transition(
            Transition(
                dependency=self.dependency,
                state=self._state,
                opened_count=self._opened_count,
                retry_in_s=self.retry_in_s() if self._state is BreakerState.OPEN else None,
                reason=self.reason,
            )
        )
