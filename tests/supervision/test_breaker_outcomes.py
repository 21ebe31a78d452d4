"""What counts as a failure, what as a success, what as nothing; late results, and calls that run out of time."""

import pytest

from actors.breaker import Outage
from actors.breaker_events import Called, Ignored
from tests.supervision.breaker_bench import CLOSED, HALF_OPEN, NAME, OPEN, Bench


class Hiccup(Outage):
    pass


def test_an_ignored_exception_counts_nothing_p55() -> None:
    bench = Bench(ignored=(LookupError,))
    bench.begin().end(KeyError("title"))
    assert bench.breaker.metrics().calls == 0
    assert bench.events == [Ignored(dependency=NAME, reason="'title'")]


def test_an_ignored_exception_gives_its_permission_back_p55() -> None:
    bench = Bench(ignored=(LookupError,))
    bench.half_open()
    bench.begin().end(KeyError("title"))
    assert (bench.breaker.state, bench.breaker.would_permit()) == (HALF_OPEN, True)
    bench.answer()
    assert bench.breaker.state is CLOSED


def test_an_exception_that_is_not_recorded_is_a_success_p55() -> None:
    bench = Bench()
    bench.fail(2)
    bench.begin().end(KeyError("a bug of ours"))
    bench.fail()
    assert (bench.breaker.state, bench.breaker.metrics().failed) == (CLOSED, 2)
    assert [called.outcome for called in bench.told(Called)] == ["error", "error", "success", "error"]


def test_what_is_recorded_is_as_set_p55() -> None:
    bench = Bench(recorded=(OSError, LookupError))
    for error in (ConnectionError("reset"), KeyError("x"), Outage("down")):
        bench.begin().end(error)
    assert (bench.breaker.metrics().calls, bench.breaker.metrics().failed) == (3, 2)


def test_ignoring_wins_over_recording_p55() -> None:
    bench = Bench(recorded=(Outage,), ignored=(Hiccup,))
    bench.begin().end(Hiccup("again", retry_after_s=3600.0))
    assert (bench.breaker.state, bench.breaker.metrics().calls) == (CLOSED, 0)
    bench.fail()
    assert bench.breaker.metrics().failed == 1


def test_a_result_may_count_as_a_failure_p55() -> None:
    bench = Bench(is_failure=lambda result: result == 503)
    for status in (200, 503, 503, 503):
        with bench.breaker.call() as permit:
            permit.report(status)
    assert (bench.breaker.state, bench.breaker.reason) == (OPEN, "its answer counts as a failure")


def test_a_result_that_counts_as_a_failure_stays_one_when_its_reader_crashes_p55() -> None:
    bench = Bench(is_failure=lambda result: result == 503)
    call = bench.begin()
    call.permit.report(503)
    call.end(KeyError("a bug of ours"))
    assert bench.breaker.metrics().failed == 1


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_an_interruption_tells_nothing_about_the_dependency_p55(interruption: BaseException) -> None:
    bench = Bench()
    bench.half_open()
    bench.begin().end(interruption)
    assert (bench.breaker.state, bench.breaker.would_permit()) == (HALF_OPEN, True)
    assert bench.told(Ignored)[-1].reason in (type(interruption).__name__, "1")


def test_the_exception_reaches_the_caller_p55() -> None:
    bench = Bench(ignored=(LookupError,))
    for error in (Outage("down"), KeyError("ignored"), ValueError("not recorded"), SystemExit(1)):
        with pytest.raises(type(error)) as caught, bench.breaker.call():
            raise error
        assert caught.value is error


def test_an_error_without_words_gives_its_name_as_the_reason() -> None:
    bench = Bench(window_size=1, recorded=(TimeoutError,))
    bench.begin().end(TimeoutError())
    assert bench.breaker.reason == "TimeoutError"


def test_a_result_that_comes_while_it_is_open_is_recorded_without_effect_p58() -> None:
    bench = Bench()
    success, failure = bench.begin(), bench.begin()
    bench.open()
    bench.clock.now_s += 4
    success.end()
    assert (bench.breaker.metrics().failed, bench.breaker.metrics().failure_rate) == (2, 2 / 3)
    failure.fail()
    assert (bench.breaker.metrics().calls, bench.breaker.retry_in_s(), bench.states) == (3, 6.0, [OPEN])
    assert [called.outcome for called in bench.told(Called)] == ["error"] * 3 + ["success", "error"]


def test_a_result_of_an_earlier_state_counts_nothing_while_half_open_p58() -> None:
    bench = Bench()
    success, failure = bench.begin(), bench.begin()
    bench.half_open()
    success.end()
    failure.fail(retry_after_s=3600.0)
    assert (bench.breaker.state, bench.breaker.metrics().calls) == (HALF_OPEN, 0)


def test_a_result_of_an_earlier_state_counts_nothing_after_closing_p58() -> None:
    bench = Bench()
    late = [bench.begin() for _ in range(5)]
    bench.half_open()
    bench.answer()
    for call in late:
        call.fail(retry_after_s=3600.0)
    assert (bench.breaker.state, bench.breaker.metrics().calls) == (CLOSED, 0)


def test_a_result_of_before_a_reset_counts_nothing_p58() -> None:
    bench = Bench()
    late = [bench.begin() for _ in range(3)]
    bench.breaker.reset()
    for call in late:
        call.fail()
    assert (bench.breaker.state, bench.breaker.metrics().calls) == (CLOSED, 0)


def test_a_call_that_runs_out_of_time_counts_then_and_not_again_when_it_ends_p58() -> None:
    bench = Bench(window_size=5, minimum_calls=5, call_timeout_s=10.0, slow_call_s=5.0)
    first, second, third = bench.begin(), bench.begin(), bench.begin()
    bench.clock.now_s += 9.5
    assert bench.breaker.metrics().calls == 0
    bench.clock.now_s += 0.5
    assert (bench.breaker.metrics().calls, bench.breaker.metrics().failed, bench.breaker.metrics().slow) == (3, 3, 3)
    assert bench.events == [Called(dependency=NAME, outcome="error", is_slow=True, duration_s=10.0)] * 3
    first.end()
    second.fail(retry_after_s=3600.0)
    third.end(KeyboardInterrupt())
    assert (bench.breaker.state, bench.breaker.metrics().calls, len(bench.events)) == (CLOSED, 3, 3)


def test_a_call_that_ends_in_time_does_not_run_out_of_it_p58() -> None:
    bench = Bench(call_timeout_s=10.0, ignored=(LookupError,))
    bench.answer(lasting_s=9.5)
    ignored = bench.begin()
    ignored.end(KeyError("x"))
    bench.clock.now_s += 100
    assert (bench.breaker.metrics().calls, bench.breaker.metrics().failed) == (1, 0)


def test_calls_that_run_out_of_time_open_it_and_say_why_p58() -> None:
    bench = Bench(call_timeout_s=10.0)
    for _ in range(3):
        bench.begin()
    bench.clock.now_s += 10
    assert not bench.breaker.would_permit()
    assert (bench.states, bench.breaker.reason) == ([OPEN], "no answer within 10 s")
    bench.wait()
    bench.begin()
    bench.clock.now_s += 10
    bench.breaker.tick()
    assert bench.states == [OPEN, HALF_OPEN, OPEN]


def test_the_state_ends_before_a_call_that_would_have_run_out_of_time_later_p58() -> None:
    bench = Bench(call_timeout_s=10.0, half_open_wait_s=5.0, half_open_expired=CLOSED)
    bench.half_open()
    bench.begin()
    bench.clock.now_s += 100
    bench.breaker.tick()
    assert (bench.states[-1], bench.breaker.metrics().calls) == (CLOSED, 0)


def test_a_call_that_ran_out_of_time_just_after_the_state_ended_does_not_end_again_p58() -> None:
    bench = Bench(call_timeout_s=10.0, half_open_wait_s=5.0, half_open_expired=CLOSED)
    bench.half_open()
    call = bench.begin()
    bench.clock.now_s += 100
    bench.events.clear()
    call.end()
    assert bench.told(Called) == [Called(dependency=NAME, outcome="error", is_slow=False, duration_s=10.0)]


def test_a_call_runs_out_of_time_before_the_state_that_would_have_ended_later_p58() -> None:
    bench = Bench(call_timeout_s=10.0, half_open_wait_s=20.0, half_open_expired=CLOSED)
    bench.half_open()
    bench.begin()
    bench.clock.now_s += 100
    bench.breaker.tick()
    assert bench.states[-1] is OPEN
