"""What listeners hear: in order, once, outside of the lock; and what a listener's bug does."""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from actors.breaker import Breaker, BreakerSettings, BreakerState, Outage, Transition
from actors.breaker_events import BreakerEvent, Called, EventQueue, Exceeded, Reset
from tests.supervision.breaker_bench import CLOSED, NAME, OPEN, Bench, Call


def test_an_error_is_told_before_what_it_exceeds_and_that_before_the_transition_p59() -> None:
    bench = Bench(slow_call_s=1.0)
    bench.fail(2, lasting_s=2.0)
    bench.events.clear()
    bench.fail(lasting_s=2.0)
    assert bench.events == [
        Called(dependency=NAME, outcome="error", is_slow=True, duration_s=2.0),
        Exceeded(dependency=NAME, what="failure_rate", rate=1.0),
        Exceeded(dependency=NAME, what="slow_rate", rate=1.0),
        Transition(
            dependency=NAME,
            before=CLOSED,
            state=OPEN,
            opened_count=1,
            retry_in_s=10.0,
            reason="connection refused",
        ),
    ]


def in_threads(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def _eager_threads() -> Iterator[None]:
    """Threads that interrupt each other as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_eager_threads")
@pytest.mark.parametrize("window", ["count", "time"])
def test_threads_that_fail_at_once_open_it_once_p59(window: str) -> None:
    def let_the_others_run() -> None:
        for _ in range(10_000):
            pass

    bench = Bench(while_opening=let_the_others_run, window=window, window_size=16, minimum_calls=4, failure_rate=0.25)
    gate = threading.Barrier(16)

    def fail() -> None:
        call = bench.begin()
        gate.wait()
        call.fail()

    in_threads(16, fail)
    assert [(t.before, t.state) for t in bench.told(Transition)] == [(CLOSED, OPEN)]
    assert bench.breaker.metrics().calls == 16
    kinds = [type(event) for event in bench.events]
    assert kinds == [*[Called] * 4, Exceeded, Transition, *[Called] * 12]


@pytest.mark.usefixtures("_eager_threads")
def test_threads_hear_every_event_once_and_in_the_order_of_the_states_p59() -> None:
    bench = Bench(window_size=1)

    def work() -> None:
        for _ in range(300):
            bench.breaker.reset()
            bench.breaker.transition_to(OPEN)

    in_threads(6, work)
    told = bench.told(Transition)
    assert all(before.state is after.before for before, after in itertools.pairwise(told))
    assert told[-1].state is bench.breaker.state
    assert len(bench.events) == len(told) + 6 * 300


def test_a_listener_that_raises_breaks_neither_the_call_nor_the_next_event_p59(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    heard: list[BreakerEvent] = []

    def listener(event: BreakerEvent) -> None:
        heard.append(event)
        raise LookupError("no such label")

    breaker = Breaker(NAME, BreakerSettings(window_size=1), on_event=listener)
    with breaker.call():
        pass
    with pytest.raises(Outage), breaker.call():
        raise Outage("down")
    assert [type(event) for event in heard] == [Called, Called, Exceeded, Transition]
    assert [args.exc_type for args in reported] == [LookupError] * 4
    assert breaker.state is OPEN


def test_a_listener_may_ask_the_breaker_and_call_it_p59() -> None:
    seen: list[tuple[BreakerState, bool]] = []

    def listener(event: BreakerEvent) -> None:
        if isinstance(event, Transition) and event.state is OPEN:
            seen.append((breaker.state, breaker.would_permit()))
            breaker.reset()
            Call(breaker).end()
            seen.append((breaker.state, breaker.would_permit()))

    breaker = Breaker(NAME, BreakerSettings(window_size=1), on_event=listener)
    Call(breaker).fail()
    assert seen == [(OPEN, False), (CLOSED, True)]


def test_an_event_that_a_listener_causes_is_told_after_the_one_it_hears_p59() -> None:
    heard: list[str] = []

    def listener(event: BreakerEvent) -> None:
        heard.append(f"begin {type(event).__name__}")
        if isinstance(event, Exceeded):
            breaker.reset()
        heard.append(f"end {type(event).__name__}")

    breaker = Breaker(NAME, BreakerSettings(window_size=1), on_event=listener)
    Call(breaker).fail()
    names = ["Called", "Exceeded", "Transition", "Transition", "Reset"]
    assert heard == [f"{edge} {name}" for name in names for edge in ("begin", "end")]


@pytest.mark.usefixtures("_eager_threads")
def test_a_listener_is_never_told_two_things_at_once_p59() -> None:
    inside, most = 0, 0

    def listener(event: BreakerEvent) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        inside -= 1

    def work() -> None:
        for _ in range(500):
            Call(breaker).end()

    breaker = Breaker(NAME, on_event=listener)
    in_threads(6, work)
    assert most == 1


def test_without_a_listener_nothing_is_kept_to_be_told() -> None:
    queue = EventQueue(None)
    queue.add(Reset(dependency=NAME))
    queue.tell()
    assert not queue.waiting
