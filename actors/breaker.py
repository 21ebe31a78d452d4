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
        self._period = 0  # counts changes of state
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
        """Around a call to the dependency: raises BreakerOpen instead of calling; Outage counts, all else is an answer.

        A result that comes after other calls have opened or closed the breaker counts nothing.
        """
        period = self._acquire()
        try:
            yield
        except Outage as outage:
            self._record(period, outage)
            raise
        except BaseException:
            self._record(period, None)
            raise
        self._record(period, None)

    def reset(self) -> None:
        """Close it by hand."""
        with self._lock:
            transition = self._answered()
        self._announce(transition)

    def _acquire(self) -> int:
        """The period in which the call was permitted."""
        with self._lock:
            now, transition = self._clock(), None
            if self._state is BreakerState.OPEN:
                if now < self._retry_at:
                    raise BreakerOpen(self.dependency, retry_in_s=self._retry_at - now)
                transition = self._change(BreakerState.HALF_OPEN)
            elif self._probe_until is not None and now < self._probe_until:
                raise BreakerOpen(self.dependency, retry_in_s=self._probe_until - now)
            if self._state is BreakerState.HALF_OPEN:
                self._probe_until = now + self._max_wait_s
            period = self._period
        self._announce(transition)
        return period

    def _record(self, period: int, outage: Outage | None) -> None:
        with self._lock:
            if period != self._period:
                return
            transition = self._answered() if outage is None else self._failed_once(outage)
        self._announce(transition)

    def _answered(self) -> Transition | None:
        self._failed = 0
        if self._state is BreakerState.CLOSED:
            return None
        self._opened_count, self._probe_until, self.reason = 0, None, ""
        return self._change(BreakerState.CLOSED)

    def _failed_once(self, outage: Outage) -> Transition | None:
        self._failed += 1
        if self._state is BreakerState.CLOSED and self._failed < self._limit and outage.retry_after_s is None:
            return None
        wait_s = min(self._max_wait_s, self._wait_s * 2 ** min(self._opened_count, 60)) * (1 + 0.2 * self._chance())
        self._retry_at = self._clock() + (wait_s if outage.retry_after_s is None else outage.retry_after_s)
        self._opened_count += 1
        self._probe_until, self.reason = None, str(outage)
        return self._change(BreakerState.OPEN)

    def _change(self, state: BreakerState) -> Transition:
        self._state = state
        self._period += 1
        return Transition(
            dependency=self.dependency,
            state=state,
            opened_count=self._opened_count,
            retry_in_s=max(0.0, self._retry_at - self._clock()) if state is BreakerState.OPEN else None,
            reason=self.reason,
        )

    def _announce(self, transition: Transition | None) -> None:
        """Outside the lock, because a listener may ask this breaker something."""
        if transition is not None:
            self._on_transition(transition)
