"""While a breaker is open: refusals, how long it lasts, and what a dependency may ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.breaker import BreakerOpen, BreakerSettings, Transition
from actors.breaker_events import NotPermitted
from tests.supervision.breaker_bench import CLOSED, HALF_OPEN, NAME, OPEN, Bench


def test_while_open_nothing_is_called_and_the_refusal_says_how_long_p49() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now_s += 4
    with pytest.raises(BreakerOpen) as refusal, bench.breaker.call():
        raise AssertionError("the call went through")
    assert str(refusal.value) == "indexer:open is not called: its breaker is open for 6.0 s more"
    assert refusal.value.retry_in_s == 6.0
    assert (bench.breaker.retry_in_s(), bench.breaker.would_permit()) == (6.0, False)


def test_each_refusal_is_counted_and_told_p49() -> None:
    bench = Bench()
    bench.open()
    assert bench.breaker.metrics().not_permitted == 0
    bench.refusal()
    bench.clock.now_s += 4
    bench.refusal()
    assert bench.breaker.metrics().not_permitted == 2
    assert bench.told(NotPermitted) == [
        NotPermitted(dependency=NAME, retry_in_s=10.0),
        NotPermitted(dependency=NAME, retry_in_s=6.0),
    ]


def test_only_refusals_are_counted_as_such_p49() -> None:
    bench = Bench()
    bench.open()
    bench.breaker.would_permit()
    assert bench.breaker.metrics().not_permitted == 0
    bench.wait()
    bench.answer()
    assert bench.breaker.metrics().not_permitted == 0


def test_an_open_breaker_says_so_in_plain_facts() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now_s += 4
    bench.refusal()
    assert bench.breaker.describe() == {
        "dependency": NAME,
        "state": "open",
        "retry_in_s": 6.0,
        "reason": "connection refused",
        "failure_rate": 1.0,
        "slow_rate": 0.0,
        "calls": 3,
        "not_permitted": 1,
        "opened_count": 1,
    }


def test_the_first_call_after_the_wait_makes_it_half_open_p50() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now_s += 9.999
    assert bench.refusal().retry_in_s == pytest.approx(0.001)
    bench.clock.now_s += 0.001
    bench.breaker.tick()
    assert (bench.breaker.state, bench.breaker.would_permit(), bench.states) == (OPEN, True, [OPEN])
    bench.begin()
    assert (bench.breaker.state, bench.states) == (HALF_OPEN, [OPEN, HALF_OPEN])


def test_an_automatic_one_is_half_open_without_a_call_p50() -> None:
    bench = Bench(is_automatic=True)
    bench.open()
    bench.clock.now_s += 9.999
    bench.breaker.tick()
    assert bench.states == [OPEN]
    bench.clock.now_s += 0.001
    bench.breaker.tick()
    assert bench.states == [OPEN, HALF_OPEN]
    assert bench.breaker.reason == "connection refused"


def test_leaving_it_early_cancels_what_was_due_p50() -> None:
    bench = Bench(is_automatic=True)
    bench.open()
    bench.breaker.reset()
    bench.clock.now_s += 1000
    bench.breaker.tick()
    assert (bench.breaker.state, bench.states) == (CLOSED, [OPEN, CLOSED])


def test_a_later_opening_lasts_its_own_time_p50() -> None:
    bench = Bench(is_automatic=True)
    bench.open()
    bench.clock.now_s += 5
    bench.breaker.reset()
    bench.open()
    bench.clock.now_s += 5
    assert bench.breaker.state is OPEN
    bench.clock.now_s += 5
    assert bench.breaker.state is HALF_OPEN


def test_each_opening_in_a_row_waits_longer_up_to_the_limit_p53() -> None:
    bench = Bench()
    bench.open()
    waits = [bench.breaker.retry_in_s()]
    for _ in range(4):
        bench.wait()
        bench.fail()
        waits.append(bench.breaker.retry_in_s())
    assert waits == [10, 20, 40, 60, 60]
    assert [t.opened_count for t in bench.told(Transition) if t.state is OPEN] == [1, 2, 3, 4, 5]
    assert [t.retry_in_s for t in bench.told(Transition) if t.state is OPEN] == waits


def test_closing_makes_the_next_opening_the_first_again_p53() -> None:
    bench = Bench()
    bench.open()
    bench.wait()
    bench.fail()
    bench.wait()
    bench.answer()
    assert bench.told(Transition)[-1].opened_count == 0
    bench.open()
    assert bench.breaker.retry_in_s() == 10.0


def test_the_growth_is_as_set_p53() -> None:
    assert [BreakerSettings(growth=3.0).wait_after(n) for n in range(5)] == [10, 30, 90, 270, 600]
    assert [BreakerSettings(growth=1.0).wait_after(n) for n in range(3)] == [10, 10, 10]
    assert BreakerSettings(wait_s=5.0, max_wait_s=5.0).wait_after(0) == 5.0


@given(opened=st.integers(0, 2**31), growth=st.floats(1, 1e300))
def test_no_number_of_openings_overflows_p53(opened: int, growth: float) -> None:
    assert 10.0 <= BreakerSettings(growth=growth).wait_after(opened) <= 600.0


@given(chance=st.floats(0, 1))
def test_the_jitter_adds_at_most_its_share_p53(chance: float) -> None:
    bench = Bench(chance=chance, jitter=0.5)
    bench.open()
    assert bench.breaker.retry_in_s() == pytest.approx(10.0 * (1 + 0.5 * chance))


@pytest.mark.parametrize("retry_after_s", [0.5, 25.0, 3600.0])
def test_a_dependency_that_names_a_delay_is_left_alone_exactly_that_long_p60(retry_after_s: float) -> None:
    bench = Bench(chance=1.0)
    bench.fail(retry_after_s=retry_after_s)
    assert (bench.breaker.state, bench.breaker.retry_in_s()) == (OPEN, retry_after_s)
    assert bench.breaker.metrics().calls == 1, "before the minimum of calls"


def test_a_named_delay_also_opens_a_half_open_one_at_once_p60() -> None:
    bench = Bench(half_open_calls=3)
    bench.half_open()
    bench.fail(retry_after_s=7.0)
    assert (bench.breaker.state, bench.breaker.retry_in_s()) == (OPEN, 7.0)


def test_a_named_delay_of_nothing_permits_the_next_call_at_once_p60() -> None:
    bench = Bench()
    bench.fail(retry_after_s=0.0)
    bench.answer()
    assert bench.states == [OPEN, HALF_OPEN, CLOSED]


@pytest.mark.parametrize(("retry_after_s", "expected_s"), [(3.0, 10.0), (30.0, 30.0)])
def test_a_delay_named_by_a_late_result_prolongs_the_wait_and_never_shortens_it_p60(
    retry_after_s: float, expected_s: float
) -> None:
    bench = Bench(is_automatic=True)
    late = bench.begin()
    bench.open()
    late.fail(retry_after_s=retry_after_s)
    assert (bench.breaker.retry_in_s(), bench.states) == (expected_s, [OPEN])
    bench.clock.now_s += expected_s - 0.5
    assert bench.breaker.state is OPEN
    bench.clock.now_s += 0.5
    assert bench.breaker.state is HALF_OPEN


def test_a_named_delay_counts_as_one_of_the_openings_p60() -> None:
    bench = Bench()
    bench.fail(retry_after_s=3.0)
    bench.wait()
    bench.fail()
    assert bench.breaker.retry_in_s() == 20.0
