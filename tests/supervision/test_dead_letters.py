"""Dead letters are counted, the last of them kept, and only the first of a flood logged."""

import gc
import threading
import weakref

import pytest
from structlog.testing import capture_logs

from actors.dead_letters import KEPT, LOGGED, SILENCE_S, DeadLetter, DeadLetters, Lost
from actors.messages import Tick
from tests.supervision.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def dead_letters(clock: ManualClock) -> DeadLetters:
    return DeadLetters(clock=clock)


def lose(dead_letters: DeadLetters, times: int = 1, message: object = "word") -> int:
    """How many of them were logged."""
    with capture_logs() as lines:
        for _ in range(times):
            dead_letters.add("a", message, correlation_id="c-1", reason=Lost.OVERFLOW)
    return len(lines)


def test_a_lost_message_is_counted_kept_and_heard_of_p35(clock: ManualClock) -> None:
    heard: list[DeadLetter] = []
    dead_letters = DeadLetters(on_letter=heard.append, clock=clock)
    dead_letters.add("a", Tick(), correlation_id="c-1", reason=Lost.CRASHED, error=ValueError("a bug"))
    letter = DeadLetter(
        target="a", message=Tick(), correlation_id="c-1", reason=Lost.CRASHED, at=1000.0, error="ValueError('a bug')"
    )
    assert heard == dead_letters.recent() == [letter]
    assert dead_letters.count == 1


def test_the_last_ones_are_kept_and_all_are_counted(dead_letters: DeadLetters) -> None:
    for number in range(KEPT + 5):
        lose(dead_letters, message=number)
    assert [letter.message for letter in dead_letters.recent()] == list(range(5, KEPT + 5))
    assert dead_letters.count == KEPT + 5


def test_a_lost_message_is_logged_with_its_facts(dead_letters: DeadLetters) -> None:
    with capture_logs() as lines:
        for told_by_the_exit in (Lost.CRASHED, Lost.HUNG, Lost.ABANDONED):
            dead_letters.add("a", Tick(), correlation_id="c-1", reason=told_by_the_exit)
        dead_letters.add("a", Tick(), correlation_id="c-1", reason=Lost.GONE)
    assert lines == [
        {
            "event": "a message was lost",
            "log_level": "warning",
            "actor": "dead_letters",
            "target": "a",
            "message_type": "Tick",
            "correlation_id": "c-1",
            "reason": "gone",
        }
    ]


def test_ten_are_logged_and_then_none_for_five_minutes(dead_letters: DeadLetters, clock: ManualClock) -> None:
    assert (LOGGED, SILENCE_S) == (10, 300.0)
    assert lose(dead_letters, 9) == 9
    clock.advance(1000.0)
    assert lose(dead_letters, 50) == 1, "the tenth, whenever that was"
    clock.advance(299.9)
    assert lose(dead_letters, 50) == 0
    clock.advance(0.2)
    assert lose(dead_letters, 50) == 10
    clock.advance(299.9)
    assert lose(dead_letters) == 0
    assert dead_letters.count == 160


def test_a_hook_that_fails_in_a_flood_is_no_flood_of_lines_either(clock: ManualClock) -> None:
    def fail_always(letter: DeadLetter) -> None:
        raise ValueError("a bug")

    dead_letters = DeadLetters(on_letter=fail_always, clock=clock)
    assert lose(dead_letters, 50) == 2 * LOGGED
    assert dead_letters.count == 50


def test_they_are_described_as_plain_facts(dead_letters: DeadLetters, clock: ManualClock) -> None:
    dead_letters.add("a", Tick(), correlation_id="c-1", reason=Lost.CRASHED, error=ValueError("a bug"))
    dead_letters.add("b", "word", correlation_id="", reason=Lost.GONE)
    clock.advance(2.0)
    assert list(dead_letters.describe()) == [
        {
            "target": "a",
            "message_type": "Tick",
            "correlation_id": "c-1",
            "reason": "crashed",
            "age_s": 2.0,
            "error": "ValueError('a bug')",
        },
        {
            "target": "b",
            "message_type": "str",
            "correlation_id": "",
            "reason": "gone",
            "age_s": 2.0,
            "error": None,
        },
    ]


def test_a_kept_letter_keeps_nothing_of_the_handler_that_raised(dead_letters: DeadLetters) -> None:
    class State:
        """What an actor may hold."""

    def handle() -> weakref.ref[State]:
        state = State()
        try:
            raise ValueError("a bug")
        except ValueError as error:
            dead_letters.add("a", Tick(), correlation_id="c-1", reason=Lost.CRASHED, error=error)
        return weakref.ref(state)

    state = handle()
    gc.collect()
    assert state() is None


def test_threads_lose_messages_at_once_and_each_counts(dead_letters: DeadLetters) -> None:
    def lose_many() -> None:
        for _ in range(500):
            dead_letters.add("a", "word", correlation_id="", reason=Lost.OVERFLOW)
            dead_letters.recent()

    threads = [threading.Thread(target=lose_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dead_letters.count == 2000
