"""What people may do to a breaker, and what survives a restart of the daemon."""

import itertools

import pytest

from actors.breaker import BreakerState, Transition
from actors.breaker_events import Called, Exceeded, Ignored, IllegalTransition, NotPermitted, Reset, SavedBreaker
from tests.supervision.breaker_bench import CLOSED, DISABLED, FORCED_OPEN, HALF_OPEN, METRICS_ONLY, NAME, OPEN, Bench


def bench_in(state: BreakerState) -> Bench:
    """In that state by hand, with its past untold."""
    bench = Bench()
    if state is HALF_OPEN:
        bench.breaker.transition_to(OPEN)
    bench.breaker.transition_to(state)
    bench.events.clear()
    return bench


def test_forced_open_refuses_until_told_p56() -> None:
    bench = bench_in(FORCED_OPEN)
    bench.clock.now_s += 1e9
    refusal = bench.refusal()
    assert str(refusal) == "indexer:open is not called: its breaker was opened by hand"
    assert (refusal.retry_in_s, bench.breaker.retry_in_s(), bench.breaker.would_permit()) == (60.0, 0.0, False)
    assert (bench.breaker.metrics().not_permitted, bench.told(NotPermitted)[0].retry_in_s) == (1, 60.0)
    bench.breaker.transition_to(CLOSED)
    bench.answer()


def test_a_person_may_say_why_p56() -> None:
    bench = Bench()
    bench.breaker.transition_to(FORCED_OPEN, reason="moving house")
    assert str(bench.refusal()).endswith("its breaker was opened by hand: moving house")
    assert bench.breaker.reason == bench.told(Transition)[0].reason == "moving house"


def test_disabled_permits_all_records_nothing_and_tells_only_transitions_p56() -> None:
    bench = Bench(ignored=(LookupError,), call_timeout_s=10.0)
    bench.breaker.transition_to(DISABLED)
    bench.fail(5, retry_after_s=3600.0)
    bench.answer()
    bench.begin().end(KeyError("x"))
    bench.begin()
    bench.clock.now_s += 10
    assert (bench.breaker.state, bench.breaker.metrics().calls, bench.breaker.would_permit()) == (DISABLED, 0, True)
    bench.breaker.transition_to(CLOSED)
    assert bench.events == bench.told(Transition)
    assert bench.states == [DISABLED, CLOSED]


def test_metrics_only_records_and_says_once_what_is_exceeded_and_never_blocks_p56() -> None:
    bench = Bench(slow_call_s=1.0)
    bench.breaker.transition_to(METRICS_ONLY)
    bench.fail(3)
    bench.fail(7, lasting_s=2.0, retry_after_s=3600.0)
    assert bench.told(Exceeded) == [
        Exceeded(dependency=NAME, what="failure_rate", rate=1.0),
        Exceeded(dependency=NAME, what="slow_rate", rate=1.0),
    ]
    assert (bench.states, len(bench.told(Called)), bench.breaker.would_permit()) == ([METRICS_ONLY], 10, True)
    assert (bench.breaker.metrics().calls, bench.breaker.metrics().failed) == (3, 3)


def test_metrics_only_says_it_again_after_it_was_left_p56() -> None:
    bench = Bench()
    for _ in range(2):
        bench.breaker.transition_to(METRICS_ONLY)
        bench.fail(4)
        bench.breaker.transition_to(CLOSED)
    assert len(bench.told(Exceeded)) == 2


def test_a_closed_one_cannot_be_made_half_open_p57() -> None:
    bench = Bench()
    with pytest.raises(IllegalTransition, match="indexer:open: a closed breaker cannot be half open; open it first"):
        bench.breaker.transition_to(HALF_OPEN)
    assert (bench.breaker.state, bench.events) == (CLOSED, [])


@pytest.mark.parametrize("state", BreakerState)
def test_to_the_state_it_is_in_is_allowed_and_silent_p57(state: BreakerState) -> None:
    bench = bench_in(state)
    before = bench.breaker.saved()
    bench.breaker.transition_to(state, reason="again")
    assert (bench.events, bench.breaker.saved()) == ([], before)


@pytest.mark.parametrize(("before", "state"), list(itertools.permutations(BreakerState, 2)))
def test_every_other_way_from_state_to_state_is_open_to_people_p57(before: BreakerState, state: BreakerState) -> None:
    if (before, state) == (CLOSED, HALF_OPEN):
        return
    bench = bench_in(before)
    bench.breaker.transition_to(state)
    told = bench.told(Transition)
    assert [(t.before, t.state, t.reason) for t in told] == [(before, state, "by hand")]
    assert (told[0].retry_in_s is None) == (state is not OPEN)
    assert bench.breaker.state is state


@pytest.mark.parametrize("state", BreakerState)
def test_a_reset_from_any_state_closes_it_with_fresh_metrics_and_one_event_p57(state: BreakerState) -> None:
    bench = Bench(half_open_calls=2)
    bench.half_open()
    if state is not HALF_OPEN:
        bench.breaker.transition_to(state)
    if state in (CLOSED, METRICS_ONLY, HALF_OPEN):
        bench.fail()
    bench.events.clear()
    bench.breaker.reset()
    assert bench.events[-1] == Reset(dependency=NAME)
    assert (len(bench.told(Reset)), bench.states) == (1, [] if state is CLOSED else [CLOSED])
    metrics = bench.breaker.metrics()
    assert (bench.breaker.state, bench.breaker.reason, metrics.calls, metrics.not_permitted) == (CLOSED, "", 0, 0)
    assert bench.breaker.describe()["opened_count"] == 0


def test_opened_by_hand_it_waits_as_for_any_opening_p57() -> None:
    bench = Bench()
    bench.breaker.transition_to(OPEN)
    assert (bench.breaker.retry_in_s(), bench.breaker.describe()["opened_count"]) == (10.0, 1)
    bench.wait()
    bench.answer()
    assert bench.breaker.state is CLOSED


def test_in_a_state_set_by_hand_nothing_of_before_is_counted_p57() -> None:
    bench = Bench(ignored=(LookupError,))
    calls = [bench.begin() for _ in range(4)]
    bench.breaker.transition_to(METRICS_ONLY)
    calls[0].fail()
    bench.breaker.transition_to(FORCED_OPEN)
    calls[1].fail(retry_after_s=5.0)
    assert (bench.breaker.metrics().calls, bench.breaker.state) == (0, FORCED_OPEN)
    bench.breaker.transition_to(DISABLED)
    bench.events.clear()
    calls[2].fail()
    calls[3].end(KeyError("x"))
    assert bench.events == bench.told(Ignored) == []


def restored(saved: SavedBreaker, *, is_automatic: bool = False) -> Bench:
    bench = Bench(is_automatic=is_automatic)
    bench.breaker.restore(saved)
    return bench


def test_an_open_breaker_survives_a_restart_with_the_rest_of_its_wait() -> None:
    bench = Bench()
    bench.open()
    bench.wait()
    bench.fail()
    bench.clock.now_s += 5
    saved = bench.breaker.saved()
    assert saved == SavedBreaker(state=OPEN, retry_in_s=15.0, opened_count=2, reason="connection refused")
    again = restored(saved)
    assert again.breaker.saved() == saved
    assert again.events == [
        Transition(
            dependency=NAME, before=CLOSED, state=OPEN, opened_count=2, retry_in_s=15.0, reason="connection refused"
        )
    ]
    again.wait()
    again.fail()
    assert again.breaker.retry_in_s() == 40.0


def test_an_automatic_one_goes_on_by_itself_after_a_restart() -> None:
    bench = restored(SavedBreaker(state=OPEN, retry_in_s=15.0, opened_count=2, reason="down"), is_automatic=True)
    bench.clock.now_s += 15.0
    assert bench.breaker.state is HALF_OPEN


def test_a_half_open_one_comes_back_open_with_no_wait_left() -> None:
    bench = Bench()
    bench.half_open()
    bench.begin()
    saved = bench.breaker.saved()
    assert (saved.state, saved.retry_in_s) == (HALF_OPEN, 0.0)
    again = restored(saved)
    assert (again.breaker.state, again.breaker.would_permit(), again.breaker.retry_in_s()) == (OPEN, True, 0.0)
    again.answer()
    assert again.states == [OPEN, HALF_OPEN, CLOSED]


@pytest.mark.parametrize("state", [FORCED_OPEN, DISABLED, METRICS_ONLY])
def test_a_state_set_by_hand_survives_a_restart(state: BreakerState) -> None:
    bench = Bench()
    bench.breaker.transition_to(state, reason="moving house")
    again = restored(bench.breaker.saved())
    assert (again.breaker.state, again.breaker.reason, again.states) == (state, "moving house", [state])


def test_a_closed_one_comes_back_closed_and_silent() -> None:
    bench = restored(Bench().breaker.saved())
    assert (bench.breaker.state, bench.events) == (CLOSED, [])


def test_a_wait_that_ended_while_the_daemon_was_down_is_over() -> None:
    bench = restored(SavedBreaker(state=OPEN, retry_in_s=-300.0, opened_count=1, reason="down"))
    assert (bench.breaker.would_permit(), bench.breaker.retry_in_s()) == (True, 0.0)
