"""What a breaker judges by: rates over the last calls or the last seconds."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.breaker_window import UNKNOWN_RATE, CountWindow, TimeWindow, Window
from tests.supervision.breaker_bench import CLOSED, OPEN, Bench

WINDOWS: list[dict[str, Any]] = [{"window": "count", "window_size": 10}, {"window": "time", "window_size": 10}]


@pytest.mark.parametrize("window", WINDOWS)
def test_below_the_minimum_of_calls_the_rate_is_unknown_and_nothing_opens_it_p44(window: dict[str, Any]) -> None:
    bench = Bench(**window, minimum_calls=4, failure_rate=0.1, slow_call_s=0.5, slow_rate=0.1)
    bench.fail(3, lasting_s=1.0)
    metrics = bench.breaker.metrics()
    assert (metrics.failure_rate, metrics.slow_rate) == (UNKNOWN_RATE, UNKNOWN_RATE) == (-1.0, -1.0)
    assert (metrics.calls, metrics.failed, metrics.slow) == (3, 3, 3)
    assert bench.breaker.state is CLOSED
    facts = bench.breaker.describe()
    assert (facts["failure_rate"], facts["slow_rate"]) == (None, None)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("failures", "calls"), [(5, 10), (3, 10), (7, 10), (1, 10), (1, 3), (2, 3), (6, 7), (3, 3)])
def test_a_rate_of_exactly_the_threshold_at_exactly_the_minimum_opens_it_p45(
    window: dict[str, Any], failures: int, calls: int
) -> None:
    bench = Bench(**window, minimum_calls=calls, failure_rate=failures / calls)
    bench.fail(failures - 1)
    bench.answer(calls - failures)
    assert bench.breaker.state is CLOSED
    bench.fail()
    assert bench.breaker.state is OPEN
    assert bench.breaker.metrics().failure_rate == failures / calls


def test_a_rate_just_below_the_threshold_does_not_open_it_p45() -> None:
    bench = Bench(window_size=10, minimum_calls=10, failure_rate=0.5)
    bench.answer(6)
    bench.fail(4)
    assert (bench.breaker.state, bench.breaker.metrics().failure_rate) == (CLOSED, 0.4)


def test_a_success_that_completes_the_minimum_opens_it_when_the_rate_is_reached_p45() -> None:
    bench = Bench(window_size=4, minimum_calls=4, failure_rate=0.5)
    bench.fail(2)
    bench.answer(2)
    assert (bench.breaker.state, bench.breaker.reason) == (OPEN, "connection refused")


def test_a_call_more_than_the_window_holds_evicts_the_oldest_p46() -> None:
    bench = Bench(window_size=3, minimum_calls=3, failure_rate=1.0)
    bench.fail()
    bench.answer(2)
    assert bench.breaker.metrics().failed == 1
    bench.answer()
    metrics = bench.breaker.metrics()
    assert (metrics.calls, metrics.failed, metrics.failure_rate) == (3, 0, 0.0)


def test_a_minimum_above_the_count_window_is_the_window_p46() -> None:
    bench = Bench(window_size=3, minimum_calls=100)
    assert bench.settings.minimum_calls == 3
    bench.fail(2)
    assert bench.breaker.state is CLOSED
    bench.fail()
    assert bench.breaker.state is OPEN
    assert CountWindow(3, minimum_calls=100).rates() == (-1.0, -1.0)


def test_outcomes_older_than_the_time_window_drop_without_a_new_call_p47() -> None:
    bench = Bench(window="time", window_size=10, minimum_calls=1, failure_rate=1.0)
    bench.answer()
    bench.fail()
    bench.clock.now_s += 9
    bench.answer()
    assert bench.breaker.metrics().calls == 3
    bench.clock.now_s += 1
    metrics = bench.breaker.metrics()
    assert (metrics.calls, metrics.failed, metrics.failure_rate) == (1, 0, 0.0)
    bench.clock.now_s += 1e6
    assert (bench.breaker.metrics().calls, bench.breaker.metrics().failure_rate) == (0, -1.0)


def test_what_has_dropped_from_the_time_window_opens_nothing_p47() -> None:
    bench = Bench(window="time", window_size=10, minimum_calls=3, failure_rate=0.5)
    bench.fail(2)
    bench.clock.now_s += 10
    bench.fail()
    assert bench.breaker.state is CLOSED


def test_the_minimum_of_a_time_window_is_not_clamped_p47() -> None:
    bench = Bench(window="time", window_size=2, minimum_calls=5)
    assert bench.settings.minimum_calls == 5
    bench.fail(4)
    assert bench.breaker.state is CLOSED
    bench.fail()
    assert bench.breaker.state is OPEN


@pytest.mark.parametrize("is_failure", [True, False])
def test_a_call_over_the_threshold_is_slow_whether_it_fails_or_not_p48(is_failure: bool) -> None:
    bench = Bench(window_size=4, minimum_calls=4, slow_call_s=2.0)
    end = bench.fail if is_failure else bench.answer
    end(lasting_s=2.0)
    assert bench.breaker.metrics().slow == 0, "exactly the threshold is not over it"
    end(lasting_s=2.25)
    assert (bench.breaker.metrics().slow, bench.breaker.metrics().failed) == (1, 2 * is_failure)


def test_a_slow_rate_of_exactly_the_threshold_opens_it_p48() -> None:
    bench = Bench(window_size=4, minimum_calls=4, slow_call_s=2.0, slow_rate=0.5)
    bench.answer(2, lasting_s=1.0)
    bench.answer(1, lasting_s=3.0)
    assert bench.breaker.state is CLOSED
    bench.answer(1, lasting_s=3.0)
    assert (bench.breaker.state, bench.breaker.reason) == (OPEN, "50% of its calls took longer than 2 s")


def test_without_a_threshold_no_call_is_slow_p48() -> None:
    bench = Bench()
    bench.answer(5, lasting_s=1e6)
    assert (bench.breaker.state, bench.breaker.metrics().slow) == (CLOSED, 0)


def test_a_new_breaker_is_closed_and_lets_calls_through() -> None:
    bench = Bench()
    assert (bench.breaker.state, bench.breaker.reason, bench.breaker.retry_in_s()) == (CLOSED, "", 0.0)
    bench.answer()
    assert bench.states == []


def test_three_outages_in_a_row_open_a_breaker_that_is_not_set_otherwise() -> None:
    bench = Bench()
    for _ in range(5):
        bench.fail(2)
        bench.answer()
    assert bench.breaker.state is CLOSED
    bench.fail(3)
    assert bench.breaker.state is OPEN


OUTCOMES = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=60)


@given(outcomes=OUTCOMES, size=st.integers(1, 12), minimum=st.integers(1, 15), is_timed=st.booleans())
def test_a_window_agrees_with_a_list_of_all_outcomes(
    outcomes: list[tuple[int, bool, bool]], size: int, minimum: int, is_timed: bool
) -> None:
    window: Window = TimeWindow(size, minimum_calls=minimum) if is_timed else CountWindow(size, minimum_calls=minimum)
    now_s, seen = 0.0, []
    for quarters, is_failure, is_slow in outcomes:
        now_s += quarters / 4
        window.record(now_s, is_failure=is_failure, is_slow=is_slow)
        seen.append((now_s, is_failure, is_slow))
        in_view = [o for o in seen if math.floor(o[0]) > math.floor(now_s) - size] if is_timed else seen[-size:]
        failed, slow = sum(o[1] for o in in_view), sum(o[2] for o in in_view)
        metrics = window.metrics(now_s)
        assert (metrics.calls, metrics.failed, metrics.slow) == (len(in_view), failed, slow)
        is_known = len(in_view) >= (minimum if is_timed else min(minimum, size))
        assert metrics.failure_rate == (failed / len(in_view) if is_known else -1.0)
        assert metrics.slow_rate == (slow / len(in_view) if is_known else -1.0)
