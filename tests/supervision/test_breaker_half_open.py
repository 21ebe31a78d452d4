"""Half open: how many calls go through, and what they decide."""

import threading

import pytest

from actors.breaker import BreakerOpen, BreakerState, Transition
from actors.breaker_events import Exceeded
from tests.supervision.breaker_bench import CLOSED, HALF_OPEN, OPEN, Bench


@pytest.mark.parametrize("permitted", [1, 3, 10])
def test_half_open_lets_exactly_its_number_of_calls_through_p51(permitted: int) -> None:
    bench = Bench(half_open_calls=permitted)
    bench.half_open()
    for _ in range(permitted):
        assert bench.breaker.would_permit()
        bench.begin()
    assert not bench.breaker.would_permit()
    refusal = bench.refusal()
    assert str(refusal) == (
        "indexer:open is not called: its breaker is half open and waits for the calls that it let through"
    )
    assert refusal.retry_in_s == 10.0, "no longer than the shortest wait"
    assert bench.breaker.metrics().not_permitted == 1


def test_of_many_threads_only_that_number_gets_through_p51() -> None:
    bench = Bench(half_open_calls=3)
    bench.open()
    bench.wait()
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
    assert sorted(outcomes) == ["called"] * 3 + ["refused"] * 13
    assert bench.states == [OPEN, HALF_OPEN, CLOSED]


def test_a_permission_that_is_released_unused_goes_back_p51() -> None:
    bench = Bench(half_open_calls=2)
    bench.half_open()
    with bench.breaker.call() as permit:
        bench.begin()
        assert not bench.breaker.would_permit()
        permit.release()
    assert (bench.breaker.would_permit(), bench.breaker.metrics().calls) == (True, 0)
    bench.begin()
    assert not bench.breaker.would_permit()


def test_a_permission_of_an_earlier_state_does_not_come_back_in_this_one_p51() -> None:
    bench = Bench()
    early = bench.begin()
    bench.half_open()
    bench.begin()
    early.permit.release()
    early.end()
    assert not bench.breaker.would_permit()


def test_nothing_is_decided_before_all_its_results_are_there_p52() -> None:
    bench = Bench(half_open_calls=3, failure_rate=0.5)
    bench.half_open()
    bench.fail(2)
    assert bench.breaker.state is HALF_OPEN
    bench.fail()
    assert bench.breaker.state is OPEN


@pytest.mark.parametrize(("failures", "state"), [(0, CLOSED), (1, CLOSED), (2, OPEN), (4, OPEN)])
def test_the_rate_of_its_results_decides_p52(failures: int, state: BreakerState) -> None:
    bench = Bench(half_open_calls=4, failure_rate=0.5)
    bench.half_open()
    bench.fail(failures)
    bench.answer(4 - failures)
    assert (bench.breaker.state, bench.states[-1]) == (state, state)


def test_slow_results_decide_as_well_p52() -> None:
    bench = Bench(half_open_calls=2, slow_call_s=1.0, slow_rate=0.5)
    bench.half_open()
    bench.answer()
    bench.answer(lasting_s=2.0)
    assert bench.breaker.state is OPEN
    assert [exceeded.what for exceeded in bench.told(Exceeded)] == ["failure_rate", "slow_rate"]


def test_after_closing_the_metrics_are_fresh_p52() -> None:
    bench = Bench()
    bench.open()
    bench.refusal()
    bench.wait()
    bench.answer()
    metrics = bench.breaker.metrics()
    assert (metrics.calls, metrics.failed, metrics.not_permitted, metrics.failure_rate) == (0, 0, 0, -1.0)
    assert bench.breaker.reason == ""
    bench.fail(2)
    assert bench.breaker.state is CLOSED


def test_half_open_has_metrics_of_its_own_p52() -> None:
    bench = Bench(half_open_calls=2)
    bench.half_open()
    assert (bench.breaker.metrics().calls, bench.breaker.metrics().not_permitted) == (0, 0)
    bench.answer()
    assert (bench.breaker.metrics().calls, bench.breaker.metrics().failure_rate) == (1, -1.0)


def test_half_open_for_too_long_opens_it_again_p54() -> None:
    bench = Bench(half_open_wait_s=30.0)
    bench.half_open()
    bench.begin()
    bench.clock.now_s += 29.5
    assert (bench.breaker.state, bench.refusal().retry_in_s) == (HALF_OPEN, 0.5)
    bench.clock.now_s += 0.5
    bench.breaker.tick()
    assert bench.states == [OPEN, HALF_OPEN, OPEN]
    assert bench.told(Transition)[-1].opened_count == 2
    assert bench.breaker.retry_in_s() == 20.0
    assert bench.breaker.reason == "half open for 30 s without enough results"


def test_half_open_for_too_long_closes_it_where_so_set_p54() -> None:
    bench = Bench(half_open_wait_s=30.0, half_open_expired=CLOSED)
    bench.half_open()
    stuck = bench.begin()
    bench.clock.now_s += 30.0
    assert (bench.breaker.state, bench.breaker.metrics().calls) == (CLOSED, 0)
    stuck.fail()
    assert bench.breaker.metrics().calls == 0
    bench.clock.now_s += 1e6
    assert bench.breaker.state is CLOSED


def test_half_open_lasts_for_ever_where_so_set_p54() -> None:
    bench = Bench(half_open_wait_s=None)
    bench.half_open()
    bench.begin()
    bench.clock.now_s += 1e9
    assert (bench.breaker.state, bench.refusal().retry_in_s) == (HALF_OPEN, 10.0)


def test_leaving_half_open_cancels_its_end_p54() -> None:
    bench = Bench(half_open_wait_s=30.0)
    bench.half_open()
    bench.answer()
    bench.clock.now_s += 30.0
    assert bench.breaker.state is CLOSED
