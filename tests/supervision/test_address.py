"""What is sent to an address: in which order it is handled, what a crash costs, and whose work it belongs to."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actors.address import Address
from actors.dead_letters import Lost
from actors.messages import Exited, Terminated
from metrics.logs import CORRELATION
from tests.supervision.lone import Lone
from tests.supervision.probe import START_S, Do, Hang, Probe, Tree, fail, leave, note
from tests.until import until


@pytest.fixture
def lone() -> Iterator[Lone]:
    lone = Lone()
    yield lone
    lone.stop()


def correlation(probe: Probe) -> str:
    return CORRELATION.get()


def received(address: Address) -> list[Any]:
    """What waits there and nobody reads."""
    with address.lock:
        return [letter.message for letter in iter(lambda: address.take(0.0), None)]


def test_messages_are_handled_in_the_order_they_came(lone: Lone) -> None:
    lone.start()
    words = [str(number) for number in range(50)]
    for word in words:
        lone.address.tell(note(word))
    until(lambda: lone.journal == words)


def test_a_crash_loses_only_the_message_in_work_and_each_sender_keeps_its_order_p34(tree: Tree) -> None:
    hang = Hang()
    tree.start(tree.probe("a"), intensity=10**9)
    tree.tell("a", hang.message)
    assert hang.entered.wait(START_S)

    def send(sender: str) -> None:
        for number in range(20):
            tree.tell("a", note(f"{sender}{number}") if number % 5 else fail(ValueError(f"{sender}{number}")))

    senders = [threading.Thread(target=send, args=(sender,)) for sender in "xyz"]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    hang.end()
    assert tree.ask("a") == 13
    for sender in "xyz":
        handled = [word for word in tree.journal if word.startswith(sender)]
        assert handled == [f"{sender}{number}" for number in range(20) if number % 5]
    assert tree.dead_letters.count == 12


def test_a_message_lost_in_a_crash_is_a_dead_letter_p35(lone: Lone) -> None:
    probe = lone.start()
    message = fail(ValueError("a bug"))
    lone.address.tell(message, correlation_id="c-1")
    lone.address.tell(note("waits"))
    assert probe.gone.wait(START_S)
    (letter,) = lone.dead_letters.recent()
    assert (letter.target, letter.message, letter.correlation_id) == ("a", message, "c-1")
    assert (letter.reason, letter.at, letter.error) == (Lost.CRASHED, 1000.0, "ValueError('a bug')")
    assert (lone.handled, lone.address.depth) == ([], 1)


def test_urgent_messages_and_timers_and_stops_are_never_refused_and_overtake_the_others_p37(lone: Lone) -> None:
    probe = lone.start()
    hang = lone.occupy()
    for _ in range(1000):
        lone.address.tell(note("common"))
    lone.address.tell_after(0.0, note("timer"))
    for number in range(1001):
        lone.address.tell(note(f"urgent {number}"), urgent=True)
    lone.address.tell(leave(), urgent=True)
    assert lone.address.depth == 2002
    hang.end()
    assert probe.gone.wait(START_S)
    assert lone.journal == [f"urgent {number}" for number in range(1001)] + ["a ended"]
    assert lone.address.depth == 1000
    lone.succeed().address.tell_after(0.0, note("timer"))
    until(lambda: "timer" in lone.journal)


def test_a_timer_overtakes_what_waits_p37(lone: Lone) -> None:
    lone.start()
    hang = lone.occupy()
    lone.address.tell(note("waiting"))
    lone.address.tell_after(0.0, note("due"))
    hang.end()
    until(lambda: lone.journal == ["due", "waiting"])


def test_a_stop_waits_for_the_message_in_work_and_not_for_the_backlog_p37(lone: Lone) -> None:
    probe = lone.start()
    hang = lone.occupy()
    lone.address.tell(note("never read"))
    lone.address.tell(note("nor this"), urgent=True)
    probe.actor_ref.stop(block=False)
    hang.end()
    assert probe.gone.wait(START_S)
    assert (lone.journal, lone.address.depth, probe.reason) == (["a ended"], 2, None)


def test_the_exit_of_a_child_reaches_a_parent_that_is_full_p37(lone: Lone) -> None:
    parent = lone.another("parent")
    for _ in range(1000):
        parent.tell(note("common"))
    lone.address.parent = parent
    probe = lone.start()
    message = fail(ValueError("a bug"))
    lone.address.tell(message, correlation_id="c-1")
    assert probe.gone.wait(START_S)
    until(lambda: parent.depth == 1001)
    assert probe.reason is not None
    exited = Exited(child="a", incarnation=1, reason=probe.reason, message=message, correlation_id="c-1")
    assert received(parent)[0] == exited


def test_the_depth_is_what_waits_under_concurrent_senders_p38(lone: Lone) -> None:
    def send(is_urgent: bool) -> None:
        for _ in range(200):
            lone.address.tell(note("x"), urgent=is_urgent)

    senders = [threading.Thread(target=send, args=(number % 2 == 0,)) for number in range(8)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    assert lone.address.depth == 1600
    lone.start()
    until(lambda: lone.address.depth == 0)
    until(lambda: len(lone.journal) == 1600)


def test_a_message_from_a_handler_carries_its_correlation_id_p42(lone: Lone) -> None:
    lone.start()
    other = lone.start(address=lone.another("b"))
    seen: list[str] = []

    def pass_on(probe: Probe) -> None:
        other.address.tell(Do(action=lambda probe: seen.append(CORRELATION.get())))

    lone.address.tell(Do(action=pass_on), correlation_id="c-1")
    until(lambda: seen == ["c-1"])
    lone.address.tell(Do(action=pass_on))
    until(lambda: len(seen) == 2)
    assert seen[1] not in ("", "c-1"), "the sender's next message is something new"


def test_each_message_from_outside_gets_a_new_correlation_id_p42(lone: Lone) -> None:
    lone.start()
    ids = {lone.ask(correlation) for _ in range(100)}
    assert len(ids) == 100
    assert "" not in ids


def test_a_timers_message_belongs_to_nothing_and_what_it_sends_is_something_new_p42(lone: Lone) -> None:
    lone.start()
    other = lone.start(address=lone.another("b"))
    seen: list[str] = []

    def pass_on(probe: Probe) -> None:
        seen.append(CORRELATION.get())
        other.address.tell(Do(action=lambda probe: seen.append(CORRELATION.get())))

    lone.address.tell(Do(action=lambda probe: probe.address.tell_after(0.0, Do(action=pass_on))), correlation_id="c-1")
    until(lambda: len(seen) == 2)
    assert seen[0] == ""
    assert seen[1] not in ("", "c-1")


@pytest.mark.parametrize("times", [1, 2])
def test_a_watcher_is_told_once_that_an_address_has_closed_and_never_of_a_restart_p43(lone: Lone, times: int) -> None:
    watcher = lone.another("watcher")
    for _ in range(times):
        lone.address.watch(watcher)
    lone.start()
    lone.succeed()
    assert watcher.depth == 0
    lone.address.close()
    lone.address.close()
    assert received(watcher) == [Terminated(name="a")]


def test_a_watcher_of_a_closed_address_is_told_at_once_p43(lone: Lone) -> None:
    watcher = lone.another("watcher")
    lone.address.close()
    lone.address.watch(watcher)
    assert received(watcher) == [Terminated(name="a")]


def test_a_watcher_is_told_even_if_it_is_full_p43(lone: Lone) -> None:
    watcher = lone.another("watcher")
    for _ in range(1000):
        watcher.tell("common")
    lone.address.watch(watcher)
    lone.address.close()
    assert received(watcher)[0] == Terminated(name="a")


def test_who_watched_an_address_that_opened_again_is_not_told_again_p43(lone: Lone) -> None:
    watcher = lone.another("watcher")
    lone.address.watch(watcher)
    lone.address.close()
    lone.address.reopen()
    lone.address.close()
    assert received(watcher) == [Terminated(name="a")]
