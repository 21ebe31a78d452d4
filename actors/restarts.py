"""When a crashed child is started again, and how often that is tolerated. Pure: time and chance come in."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """The wait before a restart: min(max_s, min_s * 2^n), and up to `jitter` (a ratio) more.

    n is the number of crashes since the child was last stable, that is lived for `stable_after_s`. More than
    `max_restarts` of them in a row end its supervisor (None: only the supervisor's own limit counts).
    """

    min_s: float = 0.05
    max_s: float = 30.0
    jitter: float = 0.2
    stable_after_s: float = 60.0
    max_restarts: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_s <= self.max_s:
            raise ValueError(f"a back-off needs 0 <= min_s <= max_s, not {self.min_s} and {self.max_s}")
        if self.jitter < 0 or self.stable_after_s < 0 or (self.max_restarts or 0) < 0:
            raise ValueError("a back-off's jitter, stable_after_s and max_restarts must not be negative")

    def delay_s(self, crashes: int, *, chance: float) -> float:
        """Before the restart after `crashes` earlier ones; `chance` is random, 0 to 1."""
        return min(self.max_s, self.min_s * 2.0 ** min(crashes, 100)) * (1 + self.jitter * chance)


class Intensity:
    """At most `limit` restarts within any `period_s`."""

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit, self._period_s = limit, period_s
        self._recent: deque[float] = deque()

    def is_exceeded(self, now: float) -> bool:
        """Count one more restart; True if it is one too many. A restart exactly `period_s` old still counts."""
        self._recent.append(now)
        while self._recent[0] < now - self._period_s:
            self._recent.popleft()
        return len(self._recent) > self._limit
