"""A breaker written as naively as its rules read, with all results in a list: what the real one must match."""

import math
from dataclasses import dataclass, field

from actors.breaker import BreakerSettings, BreakerState, Transition
from actors.breaker_events import BreakerEvent, Called, Exceeded, Ignored, NotPermitted, Reset
from tests.supervision.breaker_bench import CLOSED, DISABLED, FORCED_OPEN, HALF_OPEN, METRICS_ONLY, NAME, OPEN


@dataclass
class View:
    """Results since a state began, and which of them are looked at."""

    kind: str
    size: int
    minimum: int
    results: list[tuple[float, bool, bool]] = field(default_factory=list)
    refusals: int = 0


@dataclass(eq=False)
class Era:
    """One stay in a state."""

    state: BreakerState
    view: View
    ends_at: float = math.inf
    taken: int = 0
    said: list[str] = field(default_factory=list)


@dataclass(eq=False)
class NaiveCall:
    era: Era
    started_at: float
    is_over: bool = False


class NaiveBreaker:
    def __init__(self, settings: BreakerSettings, *, chance: float) -> None:
        self.settings, self.chance = settings, chance
        self.events: list[BreakerEvent] = []
        self.calls: list[NaiveCall] = []
        self.opened, self.reason, self.last_failure = 0, "", ""
        self.era = Era(CLOSED, self.fresh_view())

    def fresh_view(self) -> View:
        s = self.settings
        return View(s.window, s.window_size, s.minimum_calls)

    def looked_at(self, now: float) -> list[tuple[float, bool, bool]]:
        view = self.era.view
        if view.kind == "count":
            return view.results[-view.size :]
        return [result for result in view.results if math.floor(now) - math.floor(result[0]) < view.size]

    def rates(self, now: float) -> tuple[float, float]:
        results = self.looked_at(now)
        if len(results) < self.era.view.minimum:
            return -1.0, -1.0
        return sum(r[1] for r in results) / len(results), sum(r[2] for r in results) / len(results)

    def catch_up(self, now: float) -> None:
        """What was due, in its order."""
        while True:
            limit = self.settings.call_timeout_s or math.inf
            waiting = [call for call in self.calls if not call.is_over]
            first = min(waiting, key=lambda call: call.started_at, default=None)
            call_due = first.started_at + limit if first else math.inf
            state_due = self.era.ends_at if self.era.state is HALF_OPEN or self.settings.is_automatic else math.inf
            if min(call_due, state_due) > now:
                return
            if first and call_due <= state_due:
                first.is_over = True
                self.result(first, now, f"no answer within {limit:g} s", None, lasted=limit)
            elif self.era.state is OPEN:
                self.go(HALF_OPEN, now, self.reason)
            elif self.settings.half_open_expired is CLOSED:
                self.go(CLOSED, now, "")
            else:
                wait = self.settings.half_open_wait_s
                self.go(OPEN, now, f"half open for {wait:g} s without enough results", wait=self.next_wait())

    def next_wait(self) -> float:
        wait = self.settings.wait_s
        for _ in range(self.opened):
            wait = min(wait * self.settings.growth, self.settings.max_wait_s)
        return wait + wait * self.settings.jitter * self.chance

    def go(self, state: BreakerState, now: float, reason: str, *, wait: float = 0.0, is_opening: bool = True) -> None:
        before, view, ends_at = self.era.state, self.fresh_view(), math.inf
        if state is CLOSED:
            self.opened = 0
        if state is OPEN:
            self.opened += is_opening
            view, ends_at = self.era.view, now + wait
        if state is HALF_OPEN:
            permits = self.settings.half_open_calls
            view, ends_at = View("count", permits, permits), now + (self.settings.half_open_wait_s or math.inf)
        self.era, self.reason = Era(state, view, ends_at), reason
        if state is not before:
            self.events.append(
                Transition(
                    dependency=NAME,
                    before=before,
                    state=state,
                    opened_count=self.opened,
                    retry_in_s=self.retry_in(now) if state is OPEN else None,
                    reason=reason,
                )
            )

    def retry_in(self, now: float) -> float:
        return max(self.era.ends_at - now, 0.0) if self.era.state is OPEN else 0.0

    def refused_for(self, now: float) -> float | None:
        era = self.era
        if era.state is FORCED_OPEN:
            return self.settings.max_wait_s
        if era.state is OPEN and now < era.ends_at:
            return era.ends_at - now
        if era.state is HALF_OPEN and era.taken >= self.settings.half_open_calls:
            return min(era.ends_at - now, self.settings.wait_s)
        return None

    def begin(self, now: float) -> NaiveCall | float:
        """The call, or for how long it is refused."""
        refused_for = self.refused_for(now)
        if refused_for is not None:
            self.era.view.refusals += 1
            self.events.append(NotPermitted(dependency=NAME, retry_in_s=refused_for))
            return refused_for
        if self.era.state is OPEN:
            self.go(HALF_OPEN, now, self.reason)
        self.era.taken += 1
        call = NaiveCall(self.era, now)
        self.calls.append(call)
        return call

    def end(self, call: NaiveCall, now: float, failure: str | None, retry_after: float | None) -> None:
        if not call.is_over:
            call.is_over = True
            self.result(call, now, failure, retry_after, lasted=now - call.started_at)

    def tell_nothing(self, call: NaiveCall, reason: str | None) -> None:
        if not call.is_over:
            call.is_over = True
            call.era.taken -= 1
            if reason is not None and self.era.state is not DISABLED:
                self.events.append(Ignored(dependency=NAME, reason=reason))

    def result(
        self, call: NaiveCall, now: float, failure: str | None, retry_after: float | None, *, lasted: float
    ) -> None:
        if self.era.state is DISABLED:
            return
        is_slow = lasted > (self.settings.slow_call_s or math.inf)
        outcome = "error" if failure else "success"
        self.events.append(Called(dependency=NAME, outcome=outcome, is_slow=is_slow, duration_s=lasted))  # type: ignore[arg-type]  # one of two
        if call.era is not self.era:
            if self.era.state is OPEN:
                self.era.view.results.append((now, failure is not None, is_slow))
                if retry_after is not None:
                    self.era.ends_at = max(self.era.ends_at, now + retry_after)
            return
        self.era.view.results.append((now, failure is not None, is_slow))
        self.last_failure = failure or self.last_failure
        self.consequences(now, retry_after)

    def consequences(self, now: float, retry_after: float | None) -> None:
        failing, slow = self.rates(now)
        is_failing, is_slow = failing >= self.settings.failure_rate, slow >= self.settings.slow_rate
        for what, rate, is_over in (("failure_rate", failing, is_failing), ("slow_rate", slow, is_slow)):
            if is_over and what not in self.era.said:
                self.era.said.append(what)
                self.events.append(Exceeded(dependency=NAME, what=what, rate=rate))  # type: ignore[arg-type]  # one of two
        if self.era.state is METRICS_ONLY:
            return
        if retry_after is not None:
            self.go(OPEN, now, self.last_failure, wait=retry_after)
        elif is_failing:
            self.go(OPEN, now, self.last_failure, wait=self.next_wait())
        elif is_slow:
            text = f"{slow:.0%} of its calls took longer than {self.settings.slow_call_s:g} s"
            self.go(OPEN, now, text, wait=self.next_wait())
        elif self.era.state is HALF_OPEN and len(self.era.view.results) >= self.settings.half_open_calls:
            self.go(CLOSED, now, "")

    def by_hand(self, state: BreakerState, now: float) -> None:
        if state is not self.era.state:
            self.go(state, now, "by hand", wait=self.next_wait() if state is OPEN else 0.0)

    def reset(self, now: float) -> None:
        self.go(CLOSED, now, "")
        self.events.append(Reset(dependency=NAME))

    def restart(self, now: float) -> None:
        """The daemon ends, and its next run takes over what was saved; who called is gone."""
        state, wait, opened, reason = self.era.state, self.retry_in(now), self.opened, self.reason
        self.calls, self.opened = [], opened
        self.era = Era(CLOSED, self.fresh_view())
        self.go(OPEN if state is HALF_OPEN else state, now, reason, wait=wait, is_opening=False)
