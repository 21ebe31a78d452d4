"""Timers: due in their order, none early, and none after the incarnation that set them."""

import time
from collections.abc import Iterator

import pytest

from actors.clock import SYSTEM
from tests.supervision.lone import Lone
from tests.supervision.probe import START_S, Do, Hang, Probe, fail, note
from tests.until import until


@pytest.fixture
def lone() -> Iterator[Lone]:
    lone = Lone()
    yield lone
    lone.stop()


def test_timers_are_due_in_their_order_whatever_the_order_they_were_set_in_p37(lone: Lone) -> None:
    lone.start()
    for word, delay_s in (("third", 9.0), ("first", 2.0), ("second", 2.5), ("fourth", 9.0)):
        lone.address.tell_after(delay_s, note(word))
    lone.clock.advance(10.0)
    until(lambda: lone.journal == ["first", "second", "third", "fourth"])


def test_a_timer_does_not_come_before_its_time(lone: Lone) -> None:
    lone.start()
    lone.address.tell_after(5.0, note("due"))
    lone.clock.advance(4.9)
    lone.ask()
    assert lone.journal == []
    lone.clock.advance(0.2)
    until(lambda: lone.journal == ["due"])


def test_a_timer_that_is_set_while_a_later_one_is_awaited_is_not_late(lone: Lone) -> None:
    lone.start()
    lone.address.tell_after(3600.0, note("later"))
    lone.ask()
    lone.address.tell_after(0.0, note("now"))
    until(lambda: lone.journal == ["now"])


def test_timers_set_while_starting_are_kept(lone: Lone) -> None:
    lone.launch(on_init=lambda probe: probe.address.tell_after(0.0, note("due")))
    until(lambda: lone.journal == ["a began", "due"])


def test_timers_end_with_the_incarnation_that_set_them(lone: Lone) -> None:
    lone.start()
    lone.occupy()
    lone.address.tell_after(0.0, note("of the first"))
    lone.succeed()
    assert lone.ask() == 2
    assert lone.journal == []


def test_of_timers_due_together_none_is_left_to_the_successor_of_an_actor_that_crashes_at_the_first(lone: Lone) -> None:
    probe = lone.start()
    hang = lone.occupy()
    lone.address.tell_after(0.0, fail(ValueError("a bug")))
    lone.address.tell_after(0.0, note("of the first"))
    hang.end()
    assert probe.gone.wait(START_S)
    lone.succeed()
    assert lone.ask() == 2
    assert lone.journal == ["a ended by ValueError"]


def test_an_incarnation_that_was_given_up_reads_nothing_and_sets_no_timer(lone: Lone) -> None:
    zombie, hang = lone.start(), Hang()
    other = lone.start(address=lone.another("b"))

    def wake_up_late(probe: Probe) -> None:
        hang.wait()
        lone.address.tell_after(0.0, note("its own"))
        other.address.tell_after(0.0, note("another's"))

    lone.address.tell(Do(action=wake_up_late))
    assert hang.entered.wait(START_S)
    lone.address.fence(1)
    lone.address.tell(note("for the successor"))
    hang.end()
    until(lambda: lone.journal == ["another's"])
    zombie.actor_ref.stop(block=False)
    assert zombie.gone.wait(START_S)
    assert lone.address.depth == 1
    lone.start()
    assert lone.ask() == 2
    assert lone.journal == ["another's", "a ended", "for the successor"]


def test_a_closed_address_takes_no_timer_for_who_may_read_it_later(lone: Lone) -> None:
    lone.address.close()
    lone.address.tell_after(0.0, note("for nobody"))
    lone.address.reopen()
    lone.start()
    assert lone.ask() == 1
    assert lone.journal == []


def test_closing_forgets_timers_without_a_dead_letter(lone: Lone) -> None:
    lone.address.tell_after(0.0, note("due"))
    lone.address.close()
    lone.address.reopen()
    lone.start()
    lone.ask()
    assert (lone.journal, lone.dead_letters.count) == ([], 0)


def test_an_incarnation_cannot_be_fenced_twice(lone: Lone) -> None:
    lone.address.fence(1)
    lone.address.fence(1)
    assert lone.address.incarnation == 2


def test_the_systems_clock_is_the_monotonic_one() -> None:
    before = time.monotonic()
    assert before <= SYSTEM() <= time.monotonic()
