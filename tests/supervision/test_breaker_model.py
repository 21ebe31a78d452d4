"""Any sequence of calls, outcomes, waiting and what people do, against the naive breaker."""

from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.breaker import Breaker, BreakerState, Outage
from tests.supervision.breaker_bench import CLOSED, HALF_OPEN, OPEN, Bench, Call
from tests.supervision.naive_breaker import NaiveBreaker, NaiveCall

CHANCE = 0.5
HALVES = st.integers(1, 40).map(lambda halves: halves / 2)

SETTINGS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "window": st.sampled_from(["count", "time"]),
        "window_size": st.integers(1, 6),
        "minimum_calls": st.integers(1, 7),
        "failure_rate": st.sampled_from([0.25, 1 / 3, 0.5, 2 / 3, 1.0]),
        "slow_call_s": st.none() | st.sampled_from([0.5, 2.0]),
        "slow_rate": st.sampled_from([0.5, 1.0]),
        "half_open_calls": st.integers(1, 4),
        "half_open_wait_s": st.none() | HALVES,
        "half_open_expired": st.sampled_from([OPEN, CLOSED]),
        "wait_s": st.sampled_from([0.5, 4.0]),
        "max_wait_s": st.sampled_from([4.0, 32.0]),
        "growth": st.sampled_from([1.0, 2.0, 4.0]),
        "jitter": st.sampled_from([0.0, 0.5]),
        "is_automatic": st.booleans(),
        "call_timeout_s": st.none() | HALVES,
    }
)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Call, NaiveCall]] = []

    @initialize(settings=SETTINGS)
    def begin_with(self, settings: dict[str, Any]) -> None:
        self.bench = Bench(chance=CHANCE, ignored=(LookupError,), is_failure=lambda result: result == 503, **settings)
        self.naive = NaiveBreaker(self.bench.settings, chance=CHANCE)

    @property
    def now_s(self) -> float:
        """After what the naive one had to do until then."""
        self.naive.catch_up(self.bench.clock.now_s)
        return self.bench.clock.now_s

    @rule(wait_s=st.sampled_from([0.5, 1.0, 1.5]) | HALVES, is_whole_wait=st.booleans())
    def wait(self, wait_s: float, is_whole_wait: bool) -> None:
        self.bench.clock.now_s += (is_whole_wait and self.naive.retry_in(self.now_s)) or wait_s

    @rule(times=st.integers(1, 4))
    def begin(self, times: int) -> None:
        for _ in range(times):
            naive = self.naive.begin(self.now_s)
            if isinstance(naive, float):
                assert self.bench.refusal().retry_in_s == naive
            else:
                self.calls.append((self.bench.begin(), naive))

    def ended(self, index: int) -> tuple[Call, NaiveCall]:
        return self.calls.pop(index % len(self.calls))

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 20), result=st.sampled_from([None, 200, 503]), is_crash=st.booleans())
    def answer(self, index: int, result: int | None, is_crash: bool) -> None:
        call, naive = self.ended(index)
        call.permit.report(result)
        call.end(ValueError("a bug of ours") if is_crash else None)
        self.naive.end(naive, self.now_s, "its answer counts as a failure" if result == 503 else None, None)

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 20), retry_after_s=st.none() | st.none() | st.integers(0, 40))
    def fail(self, index: int, retry_after_s: float | None) -> None:
        call, naive = self.ended(index)
        text = f"down {index}"
        call.end(Outage(text, retry_after_s=retry_after_s))
        self.naive.end(naive, self.now_s, text, retry_after_s)

    @rule(times=st.integers(1, 4), lasting_s=st.sampled_from([0.0, 0.5, 1.0, 3.0]), is_failure=st.booleans())
    def call(self, times: int, lasting_s: float, is_failure: bool) -> None:
        """One call after the other, in no other's company."""
        for _ in range(times):
            before = len(self.calls)
            self.begin(1)
            if len(self.calls) > before:
                self.bench.clock.now_s += lasting_s
                self.fail(before, None) if is_failure else self.answer(before, None, False)

    @precondition(lambda self: self.calls)
    @rule(index=st.integers(0, 20), error=st.sampled_from([None, IndexError("x"), KeyboardInterrupt("y")]))
    def tell_nothing(self, index: int, error: BaseException | None) -> None:
        call, naive = self.ended(index)
        if error is None:
            call.permit.release()
        call.end(error)
        self.now_s  # noqa: B018  # catches up
        self.naive.tell_nothing(naive, None if error is None else str(error))

    @rule()
    def tick(self) -> None:
        self.bench.breaker.tick()

    @rule(what=st.sampled_from([*BreakerState, "reset", "restart"]))
    def intervene(self, what: BreakerState | str) -> None:
        """One rule for all that people do, so that most of a run is calls."""
        now_s = self.now_s
        if what == "restart":
            self.restart()
        elif what == "reset":
            self.bench.breaker.reset()
            self.naive.reset(now_s)
        elif isinstance(what, BreakerState) and (self.naive.era.state, what) != (CLOSED, HALF_OPEN):
            self.bench.breaker.transition_to(what)
            self.naive.by_hand(what, now_s)

    def restart(self) -> None:
        bench = self.bench
        saved = bench.breaker.saved()
        bench.breaker = Breaker(
            bench.breaker.dependency,
            bench.settings,
            on_event=bench.events.append,
            clock=bench.clock,
            chance=lambda: CHANCE,
        )
        bench.breaker.restore(saved)
        self.naive.restart(self.now_s)
        self.calls.clear()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "bench"):
            return
        now_s, breaker, naive = self.now_s, self.bench.breaker, self.naive
        assert breaker.state is naive.era.state
        assert breaker.would_permit() is (naive.refused_for(now_s) is None)
        assert breaker.retry_in_s() == naive.retry_in(now_s)
        assert (breaker.reason, breaker.describe()["opened_count"]) == (naive.reason, naive.opened)
        results, metrics = naive.looked_at(now_s), breaker.metrics()
        assert (metrics.failure_rate, metrics.slow_rate) == naive.rates(now_s)
        assert metrics.calls == len(results)
        assert (metrics.failed, metrics.slow) == (sum(r[1] for r in results), sum(r[2] for r in results))
        assert metrics.not_permitted == naive.era.view.refusals
        assert self.bench.events == naive.events


TestModel = Machine.TestCase
TestModel.settings = hypothesis_settings(
    max_examples=max(300, hypothesis_settings().max_examples), stateful_step_count=40
)
