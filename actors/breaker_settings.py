"""How a breaker is set: its states, what counts as a failure, when it opens and for how long."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from actors.breaker_window import CountWindow, TimeWindow, Window


class BreakerState(StrEnum):
    """The last three are set by people only, and left by people only."""

    CLOSED = "closed"  # calls go through and are judged
    HALF_OPEN = "half_open"  # a few calls go through to find out
    OPEN = "open"  # none goes through until the wait is over
    FORCED_OPEN = "forced_open"  # none goes through
    DISABLED = "disabled"  # all go through, nothing is recorded
    METRICS_ONLY = "metrics_only"  # all go through and are judged, without consequences


CLOSED, HALF_OPEN, OPEN = BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN
FORCED_OPEN, DISABLED, METRICS_ONLY = BreakerState.FORCED_OPEN, BreakerState.DISABLED, BreakerState.METRICS_ONLY


class Outage(Exception):
    """What a call reports when its dependency is down. `retry_after_s`: as the dependency asked, None if it did not."""

    def __init__(self, text: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, kw_only=True)
class BreakerSettings:
    """When a breaker opens, for how long, and what closes it again. Rates are shares over 0 and up to 1.

    `window_size` counts calls or whole seconds, after `window`. `slow_call_s` None: no call is slow. An opening lasts
    `wait_s` times `growth` for each opening since it was closed, at most `max_wait_s`, plus up to `jitter` of that.
    Then `half_open_calls` go through and decide; after `half_open_wait_s` (None: never) without their results it is
    `half_open_expired`. `is_automatic`: half open as soon as the wait is over, and not with the next call. A call that
    lasts `call_timeout_s` (None: any time) has failed.
    `recorded` exceptions and results with `is_failure` are failures, all others show that the dependency is there;
    `ignored` ones, though they be recorded too, and those that are no Exception (an interruption) tell nothing.
    """

    window: Literal["count", "time"] = "count"
    window_size: int = 3
    minimum_calls: int = 3
    failure_rate: float = 1.0
    slow_call_s: float | None = None
    slow_rate: float = 1.0
    half_open_calls: int = 1
    half_open_wait_s: float | None = 600.0
    half_open_expired: BreakerState = OPEN
    wait_s: float = 10.0
    max_wait_s: float = 600.0
    growth: float = 2.0
    jitter: float = 0.2
    is_automatic: bool = False
    call_timeout_s: float | None = None
    recorded: tuple[type[BaseException], ...] = (Outage,)
    ignored: tuple[type[BaseException], ...] = ()
    is_failure: Callable[[object], bool] = lambda result: False

    def __post_init__(self) -> None:
        for key in ("window_size", "minimum_calls", "half_open_calls"):
            self._expect(key, "1 or more", is_met=getattr(self, key) >= 1)
        for key in ("failure_rate", "slow_rate"):
            share = getattr(self, key)
            self._expect(key, "a share over 0 and up to 1.0, which is 100 %", is_met=0 < share <= 1)
        for key in ("slow_call_s", "half_open_wait_s", "call_timeout_s"):
            limit_s = getattr(self, key)
            self._expect(key, "over 0 seconds, or None for no limit", is_met=limit_s is None or 0 < limit_s < math.inf)
        self._expect("window", '"count" or "time"', is_met=self.window in ("count", "time"))
        self._expect("half_open_expired", "open or closed", is_met=self.half_open_expired in (OPEN, CLOSED))
        self._expect("wait_s", "over 0 seconds", is_met=0 < self.wait_s < math.inf)
        self._expect("max_wait_s", f"wait_s ({self.wait_s}) or more", is_met=self.wait_s <= self.max_wait_s < math.inf)
        self._expect("growth", "1.0 (waits of one length) or more", is_met=1 <= self.growth < math.inf)
        self._expect("jitter", "0 (none) to 1.0 (up to twice the wait)", is_met=0 <= self.jitter <= 1)
        if self.window == "count":  # more calls than it can hold would never be reached
            object.__setattr__(self, "minimum_calls", min(self.minimum_calls, self.window_size))

    def _expect(self, key: str, way_out: str, *, is_met: bool) -> None:
        if not is_met:
            raise ValueError(f"breaker: {key} is {getattr(self, key)!r}; make it {way_out}")

    def wait_after(self, opened_count: int) -> float:
        """Seconds that an opening lasts that follows `opened_count` others, before the jitter."""
        if opened_count * math.log(self.growth) >= math.log(self.max_wait_s / self.wait_s):
            return self.max_wait_s  # the power might overflow
        return min(self.max_wait_s, self.wait_s * self.growth**opened_count)

    def new_window(self) -> Window:
        kind = CountWindow if self.window == "count" else TimeWindow
        return kind(self.window_size, minimum_calls=self.minimum_calls)
