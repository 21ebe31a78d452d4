"""A breaker on a clock of the test's own, which notes what the breaker tells."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from actors.breaker import Breaker, BreakerOpen, BreakerSettings, BreakerState, Outage, Transition
from actors.breaker_events import BreakerEvent

E = TypeVar("E")

CLOSED, HALF_OPEN, OPEN = BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN
FORCED_OPEN, DISABLED, METRICS_ONLY = BreakerState.FORCED_OPEN, BreakerState.DISABLED, BreakerState.METRICS_ONLY
NAME = "indexer:open"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Call:
    """A call under way, which the test ends when it likes; refused at once by a breaker that does not permit it."""

    def __init__(self, breaker: Breaker) -> None:
        self.permit = breaker.call()
        self.permit.__enter__()

    def end(self, error: BaseException | None = None) -> None:
        self.permit.__exit__(None if error is None else type(error), error, None)

    def fail(self, *, retry_after_s: float | None = None) -> None:
        self.end(Outage("connection refused", retry_after_s=retry_after_s))


class Bench:
    """Three failures in a row open it, for 10, 20, 40, 60, 60 ... seconds without jitter; or as `settings` say."""

    def __init__(
        self, *, chance: float = 0.0, while_opening: Callable[[], None] = lambda: None, **settings: Any
    ) -> None:
        self.clock = Clock()
        self.events: list[BreakerEvent] = []
        self.settings = BreakerSettings(**{"max_wait_s": 60.0, **settings})

        def draw() -> float:
            while_opening()
            return chance

        self.breaker = Breaker(NAME, self.settings, on_event=self.events.append, clock=self.clock, chance=draw)

    def told(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def states(self) -> list[BreakerState]:
        return [transition.state for transition in self.told(Transition)]

    def begin(self) -> Call:
        return Call(self.breaker)

    def answer(self, times: int = 1, *, lasting_s: float = 0.0) -> None:
        for _ in range(times):
            call = self.begin()
            self.clock.now_s += lasting_s
            call.end()

    def fail(self, times: int = 1, *, lasting_s: float = 0.0, retry_after_s: float | None = None) -> None:
        for _ in range(times):
            call = self.begin()
            self.clock.now_s += lasting_s
            call.fail(retry_after_s=retry_after_s)

    def open(self) -> None:
        """By failures."""
        while self.breaker.state is not OPEN:
            self.fail()

    def half_open(self) -> None:
        """By failures, waiting, and a call that is released unused."""
        self.open()
        self.wait()
        call = self.begin()
        call.permit.release()
        call.end()
        assert self.breaker.state is HALF_OPEN

    def wait(self) -> None:
        """Until the next call may go through."""
        self.clock.now_s += self.breaker.retry_in_s()

    def refusal(self) -> BreakerOpen:
        with pytest.raises(BreakerOpen) as caught:
            self.begin()
        return caught.value
