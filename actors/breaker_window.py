"""What a breaker remembers of its calls: the last N of them, or those of the last N seconds.

Running totals, so that a record costs the same however large the window is. The caller brings the time and the lock.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass

UNKNOWN_RATE = -1.0
"""The rate of fewer calls than can be judged; it reaches no threshold."""


@dataclass(frozen=True, kw_only=True)
class BreakerMetrics:
    """The calls in view, and the refusals since the window was begun; a rate of too few calls is UNKNOWN_RATE."""

    failure_rate: float
    slow_rate: float
    calls: int
    failed: int
    slow: int
    not_permitted: int


class Window(ABC):
    """The calls in view, and how many of them failed or were slow; a call may be both."""

    def __init__(self, *, minimum_calls: int) -> None:
        self._minimum_calls = minimum_calls
        self.calls = self.failed = self.slow = self.not_permitted = 0

    @abstractmethod
    def record(self, now_s: float, *, is_failure: bool, is_slow: bool) -> None:
        """Count one call that ended now."""

    @abstractmethod
    def forget(self, now_s: float) -> None:
        """Drop what time alone has moved out of view."""

    def rates(self) -> tuple[float, float]:
        """The shares 0..1 of failed and of slow calls, both UNKNOWN_RATE below the minimum of calls."""
        if self.calls < self._minimum_calls:
            return UNKNOWN_RATE, UNKNOWN_RATE
        return self.failed / self.calls, self.slow / self.calls

    def metrics(self, now_s: float) -> BreakerMetrics:
        self.forget(now_s)
        failure_rate, slow_rate = self.rates()
        return BreakerMetrics(
            failure_rate=failure_rate,
            slow_rate=slow_rate,
            calls=self.calls,
            failed=self.failed,
            slow=self.slow,
            not_permitted=self.not_permitted,
        )


class CountWindow(Window):
    """The last `size` calls. A minimum above `size` would never be reached, so it is `size` then."""

    def __init__(self, size: int, *, minimum_calls: int) -> None:
        super().__init__(minimum_calls=min(minimum_calls, size))
        self._outcomes: deque[tuple[bool, bool]] = deque(maxlen=size)  # oldest first; a full one drops it by itself

    def record(self, now_s: float, *, is_failure: bool, is_slow: bool) -> None:
        if len(self._outcomes) == self._outcomes.maxlen:
            was_failure, was_slow = self._outcomes[0]
            self.failed -= was_failure
            self.slow -= was_slow
        else:
            self.calls += 1
        self._outcomes.append((is_failure, is_slow))
        self.failed += is_failure
        self.slow += is_slow

    def forget(self, now_s: float) -> None:
        """Time alone moves no call out of view."""


@dataclass(slots=True)
class _Second:
    """The calls that ended in one whole second of the clock."""

    number: int
    calls: int = 0
    failed: int = 0
    slow: int = 0


class TimeWindow(Window):
    """The calls of this whole second of the clock and of the `seconds - 1` before it, as resilience4j counts them.

    So a call stays in view for more than `seconds - 1` and at most `seconds`. A second without calls takes no room.
    """

    def __init__(self, seconds: int, *, minimum_calls: int) -> None:
        super().__init__(minimum_calls=minimum_calls)
        self._length = seconds
        self._seconds: deque[_Second] = deque()  # oldest first

    def record(self, now_s: float, *, is_failure: bool, is_slow: bool) -> None:
        self.forget(now_s)
        if not self._seconds or self._seconds[-1].number < math.floor(now_s):
            self._seconds.append(_Second(math.floor(now_s)))
        for totals in (self, self._seconds[-1]):
            totals.calls += 1
            totals.failed += is_failure
            totals.slow += is_slow

    def forget(self, now_s: float) -> None:
        while self._seconds and self._seconds[0].number <= math.floor(now_s) - self._length:
            gone = self._seconds.popleft()
            self.calls -= gone.calls
            self.failed -= gone.failed
            self.slow -= gone.slow
