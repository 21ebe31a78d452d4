import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.breaker import Breaker, BreakerOpen, BreakerState, Outage, Transition

CLOSED, HALF_OPEN, OPEN = BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Bench:
    """A breaker on a clock of its own that notes its transitions: 3 failures, then 10, 20, 40, 60, 60 ... seconds."""

    def __init__(self, *, failures: int = 3, chance: Callable[[], float] = lambda: 0.0) -> None:
        self.clock = Clock()
        self.transitions: list[Transition] = []
        self.breaker = Breaker(
            "indexer:open",
            failures=failures,
            wait_s=10.0,
            max_wait_s=60.0,
            on_transition=self.transitions.append,
            clock=self.clock,
            chance=chance,
        )

    @property
    def states(self) -> list[BreakerState]:
        return [transition.state for transition in self.transitions]

    def answer(self) -> None:
        with self.breaker.call():
            pass

    def fail(self, *, retry_after_s: float | None = None, meanwhile: Callable[[], object] = lambda: None) -> None:
        """A call that is permitted, and fails after `meanwhile`."""

        def call() -> None:
            with self.breaker.call():
                meanwhile()
                raise Outage("connection refused", retry_after_s=retry_after_s)

        with pytest.raises(Outage):
            call()

    def open(self) -> None:
        for _ in range(3):
            self.fail()

    def retry_in_s(self) -> float:
        """As the refusal says it."""
        with pytest.raises(BreakerOpen) as refusal, self.breaker.call():
            raise AssertionError("the call went through")
        return refusal.value.retry_in_s


def test_a_new_breaker_is_closed_and_lets_calls_through() -> None:
    bench = Bench()
    bench.answer()
    assert (bench.breaker.state, bench.transitions) == (CLOSED, [])
    assert (bench.breaker.would_permit(), bench.breaker.retry_in_s()) == (True, 0.0)


def test_it_opens_with_exactly_the_last_failure_of_its_limit() -> None:
    bench = Bench()
    bench.fail()
    bench.fail()
    assert bench.breaker.state is CLOSED
    bench.fail()
    assert bench.breaker.state is OPEN
    assert bench.transitions == [
        Transition(dependency="indexer:open", state=OPEN, opened_count=1, retry_in_s=10.0, reason="connection refused")
    ]


def test_an_answer_between_failures_starts_the_count_anew() -> None:
    bench = Bench()
    for _ in range(5):
        bench.fail()
        bench.fail()
        bench.answer()
    assert bench.breaker.state is CLOSED


def test_an_error_that_is_no_outage_is_an_answer() -> None:
    bench = Bench()
    bench.fail()
    bench.fail()
    with pytest.raises(KeyError), bench.breaker.call():
        raise KeyError("a bug of ours")
    bench.fail()
    assert bench.breaker.state is CLOSED


def test_while_open_nothing_is_called_and_the_refusal_says_how_long() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now_s += 4
    assert bench.retry_in_s() == 6.0
    assert (bench.breaker.retry_in_s(), bench.breaker.would_permit()) == (6.0, False)
    assert bench.breaker.describe() == {
        "dependency": "indexer:open",
        "state": "open",
        "retry_in_s": 6.0,
        "reason": "connection refused",
    }


def test_the_first_call_at_the_end_of_the_wait_is_the_probe() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now_s += 9.999
    assert bench.retry_in_s() == pytest.approx(0.001)
    bench.clock.now_s += 0.001
    assert (bench.breaker.state, bench.breaker.would_permit()) == (OPEN, True)
    with bench.breaker.call():
        assert bench.breaker.state is HALF_OPEN


def test_while_a_probe_is_out_no_second_call_goes_through() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now_s += 10
    with bench.breaker.call():
        assert not bench.breaker.would_permit()
        assert bench.retry_in_s() == 60.0
    bench.answer()


def test_a_probe_that_never_ends_gives_way_after_the_longest_wait() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now_s += 10

    def another_answers() -> None:
        bench.clock.now_s += 60
        assert bench.breaker.would_permit()
        bench.answer()
        assert bench.breaker.state is CLOSED

    bench.fail(meanwhile=another_answers)
    assert bench.breaker.state is CLOSED


def test_a_probe_that_answers_closes_it_and_forgets_the_past() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now_s += 10
    bench.answer()
    assert bench.states == [OPEN, HALF_OPEN, CLOSED]
    assert (bench.breaker.reason, bench.transitions[-1].opened_count) == ("", 0)
    bench.fail()
    bench.fail()
    assert bench.breaker.state is CLOSED
    bench.fail()
    assert bench.breaker.retry_in_s() == 10.0


def test_each_failed_probe_doubles_the_wait_up_to_its_limit() -> None:
    bench = Bench()
    bench.open()
    waits = [bench.breaker.retry_in_s()]
    for _ in range(4):
        bench.clock.now_s += waits[-1]
        bench.fail()
        waits.append(bench.breaker.retry_in_s())
    assert waits == [10, 20, 40, 60, 60]
    assert [transition.opened_count for transition in bench.transitions if transition.state is OPEN] == [1, 2, 3, 4, 5]


def test_thousands_of_failed_probes_overflow_nothing() -> None:
    bench = Bench()
    bench.open()
    for _ in range(3000):
        bench.clock.now_s += 60
        bench.fail()
    assert bench.breaker.retry_in_s() == 60.0


@given(chance=st.floats(0, 1))
def test_the_jitter_adds_at_most_a_fifth(chance: float) -> None:
    bench = Bench(chance=lambda: chance)
    bench.open()
    assert 10.0 <= bench.breaker.retry_in_s() <= 12.0


def test_a_dependency_that_names_a_delay_is_left_alone_exactly_that_long() -> None:
    bench = Bench(chance=lambda: 1.0)
    bench.fail(retry_after_s=3600.0)
    assert bench.breaker.state is OPEN
    assert bench.breaker.retry_in_s() == 3600.0


def test_a_named_delay_of_nothing_permits_the_next_call_at_once() -> None:
    bench = Bench()
    bench.fail(retry_after_s=0.0)
    bench.answer()
    assert bench.states == [OPEN, HALF_OPEN, CLOSED]


def test_a_late_answer_does_not_close_what_others_opened() -> None:
    bench = Bench()
    with bench.breaker.call():
        bench.fail(retry_after_s=3600.0)
    assert (bench.breaker.state, bench.breaker.retry_in_s()) == (OPEN, 3600.0)


def test_a_late_failure_neither_prolongs_the_wait_nor_opens_it_again() -> None:
    bench = Bench()

    def others_open_it() -> None:
        bench.open()
        bench.clock.now_s += 5

    bench.fail(meanwhile=others_open_it)
    assert (bench.breaker.retry_in_s(), bench.states) == (5.0, [OPEN])


def test_a_late_failure_does_not_count_after_it_has_closed_again() -> None:
    bench = Bench(failures=1)

    def others_open_and_close_it() -> None:
        bench.fail()
        bench.clock.now_s += 10
        bench.answer()

    bench.fail(meanwhile=others_open_and_close_it)
    assert bench.breaker.state is CLOSED


def test_a_person_can_close_it() -> None:
    bench = Bench()
    bench.breaker.reset()
    assert bench.transitions == []
    bench.open()
    bench.breaker.reset()
    assert bench.states == [OPEN, CLOSED]
    bench.answer()


def test_calls_that_fail_in_many_threads_at_once_open_it_once() -> None:
    bench = Bench(failures=1)
    gate = threading.Barrier(16)
    threads = [threading.Thread(target=bench.fail, kwargs={"meanwhile": gate.wait}) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.states == [OPEN]


def test_of_many_threads_one_gets_the_probe() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now_s += 10
    start, over = threading.Barrier(16), threading.Barrier(16)
    outcomes: list[str] = []

    def probe() -> None:
        start.wait()
        try:
            with bench.breaker.call():
                outcomes.append("called")
                over.wait()
        except BreakerOpen:
            outcomes.append("refused")
            over.wait()

    threads = [threading.Thread(target=probe) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["called"] + ["refused"] * 15


def test_a_listener_may_ask_the_breaker() -> None:
    seen: list[tuple[BreakerState, bool]] = []
    breaker = Breaker(
        "x", failures=1, on_transition=lambda transition: seen.append((breaker.state, breaker.would_permit()))
    )
    with pytest.raises(Outage), breaker.call():
        raise Outage("down")
    assert seen == [(OPEN, False)]


@pytest.mark.parametrize(
    ("failures", "wait_s", "max_wait_s"), [(0, 1.0, 1.0), (-1, 1.0, 1.0), (1, 0.0, 1.0), (1, -1.0, 1.0), (1, 2.0, 1.0)]
)
def test_senseless_settings_are_refused(failures: int, wait_s: float, max_wait_s: float) -> None:
    with pytest.raises(ValueError, match="a breaker needs"):
        Breaker("x", failures=failures, wait_s=wait_s, max_wait_s=max_wait_s)


class Model(RuleBasedStateMachine):
    """Any sequence of answers, failures and waiting, against the few lines that define a breaker."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.failed = self.opened = 0
        self.retry_at_s: float | None = None

    def may_call(self) -> bool:
        return self.retry_at_s is None or self.bench.clock.now_s >= self.retry_at_s

    @rule(seconds=st.integers(0, 90))
    def wait(self, seconds: int) -> None:
        self.bench.clock.now_s += seconds

    @precondition(may_call)
    @rule()
    def answer(self) -> None:
        self.bench.answer()
        self.failed = self.opened = 0
        self.retry_at_s = None

    @precondition(may_call)
    @rule(retry_after_s=st.none() | st.integers(0, 90))
    def fail(self, retry_after_s: float | None) -> None:
        self.bench.fail(retry_after_s=retry_after_s)
        self.failed += 1
        if self.retry_at_s is not None or self.failed >= 3 or retry_after_s is not None:
            wait_s = min(60, 10 * 2**self.opened) if retry_after_s is None else retry_after_s
            self.retry_at_s = self.bench.clock.now_s + wait_s
            self.opened += 1

    @precondition(lambda self: not self.may_call())
    @rule()
    def be_refused(self) -> None:
        assert self.retry_at_s is not None
        assert self.bench.retry_in_s() == self.retry_at_s - self.bench.clock.now_s

    @invariant()
    def agrees(self) -> None:
        assert self.bench.breaker.would_permit() == self.may_call()
        assert self.bench.breaker.state is (CLOSED if self.retry_at_s is None else OPEN)


TestModel = Model.TestCase
TestModel.settings = settings(stateful_step_count=30)
