"""Mailboxes hold so much and no more: what happens to a sender who finds one full, down, or closed."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.address import Address, AddressDown, Mailbox, MailboxFull
from actors.dead_letters import KEPT, DeadLetters, Lost
from tests.supervision.lone import Lone
from tests.supervision.probe import START_S, Probe, fail, note
from tests.until import until

FLOOD = 1_000_000 if os.environ.get("UNDERSTUDY_TESTS") == "all" else 100_000


@pytest.fixture
def lone() -> Iterator[Lone]:
    lone = Lone(Mailbox(capacity=3))
    yield lone
    lone.stop()


class Sending:
    """A sender in a thread of its own, and how it fared."""

    def __init__(self, send: Callable[[], None]) -> None:
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._send, args=(send,), daemon=True)
        self._thread.start()

    def end(self) -> Exception | None:
        self._thread.join(START_S / 2)
        assert not self._thread.is_alive(), "the sender waits for ever"
        return self.error

    def _send(self, send: Callable[[], None]) -> None:
        try:
            send()
        except (MailboxFull, AddressDown) as error:
            self.error = error


def fill(address: Address) -> None:
    for number in range(3):
        address.tell(note(str(number)))


def blocked(address: Address, *, timeout_s: float = START_S) -> Sending:
    """A sender who waits for a place."""
    sending = Sending(lambda: address.tell(note("patient"), timeout_s=timeout_s))
    until(lambda: address._senders_waiting == 1)
    return sending


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_a_full_mailbox_refuses_at_once_p36(lone: Lone, timeout_s: float) -> None:
    fill(lone.address)
    begun_at = time.monotonic()
    with pytest.raises(MailboxFull, match=r"^a holds 3 messages already$"):
        lone.address.tell(note("too many"), timeout_s=timeout_s)
    assert time.monotonic() - begun_at < START_S / 2
    assert (lone.address.depth, lone.dead_letters.count) == (3, 0), "a refusal is the sender's to handle"


def test_a_sender_waits_for_a_place_so_long_and_no_longer_p36(lone: Lone) -> None:
    fill(lone.address)
    begun_at = time.monotonic()
    with pytest.raises(MailboxFull):
        lone.address.tell(note("too many"), timeout_s=0.05)
    assert 0.05 <= time.monotonic() - begun_at < START_S / 2
    assert lone.address.depth == 3
    assert lone.address._senders_waiting == 0, "nobody is to be notified any more"


def test_a_sender_who_waits_gets_the_place_that_falls_free_p36(lone: Lone) -> None:
    lone.start()
    hang = lone.occupy()
    fill(lone.address)
    sending = blocked(lone.address)
    hang.end()
    assert sending.end() is None
    until(lambda: lone.journal == ["0", "1", "2", "patient"])


def test_each_place_that_falls_free_is_taken_by_one_who_waits_p36(lone: Lone) -> None:
    lone.start()
    hang = lone.occupy()
    fill(lone.address)
    senders = [Sending(lambda: lone.address.tell(note("patient"), timeout_s=START_S)) for _ in range(20)]
    until(lambda: lone.address._senders_waiting == 20)
    hang.end()
    assert [sending.end() for sending in senders] == [None] * 20
    until(lambda: lone.journal.count("patient") == 20)


def test_the_oldest_message_is_dropped_for_a_newer_one() -> None:
    lone = Lone(Mailbox(capacity=3, overflow="drop_oldest"))
    words = [note(str(number)) for number in range(5)]
    for word in words:
        lone.address.tell(word, correlation_id="c-1")
    lost = [(letter.target, letter.message, letter.reason) for letter in lone.dead_letters.recent()]
    assert lost == [("a", words[0], Lost.OVERFLOW), ("a", words[1], Lost.OVERFLOW)]
    assert lone.dead_letters.recent()[0].correlation_id == "c-1"
    lone.start()
    until(lambda: lone.journal == ["2", "3", "4"])
    lone.stop()


def test_the_newest_message_is_dropped_for_the_older_ones() -> None:
    lone = Lone(Mailbox(capacity=3, overflow="drop_newest"))
    words = [note(str(number)) for number in range(5)]
    for word in words:
        lone.address.tell(word)
    lost = [(letter.message, letter.reason) for letter in lone.dead_letters.recent()]
    assert lost == [(words[3], Lost.OVERFLOW), (words[4], Lost.OVERFLOW)]
    lone.start()
    until(lambda: lone.journal == ["0", "1", "2"])
    lone.stop()


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_nothing_urgent_is_dropped(overflow: Any) -> None:
    lone = Lone(Mailbox(capacity=1, overflow=overflow))
    lone.address.tell("common")
    for _ in range(10):
        lone.address.tell("urgent", urgent=True)
    assert (lone.address.depth, lone.dead_letters.count) == (11, 0)


def test_what_is_sent_to_a_closed_address_is_a_dead_letter(lone: Lone) -> None:
    lone.address.tell("waits")
    lone.address.tell("urgent", urgent=True)
    lone.address.close()
    lone.address.tell("late")
    lone.address.tell("late and urgent", urgent=True)
    assert [(letter.message, letter.reason) for letter in lone.dead_letters.recent()] == [
        ("urgent", Lost.STOPPED),
        ("waits", Lost.STOPPED),
        ("late", Lost.GONE),
        ("late and urgent", Lost.GONE),
    ]
    assert lone.address.depth == 0


def test_a_sender_who_waits_for_a_place_is_released_when_the_address_closes(lone: Lone) -> None:
    fill(lone.address)
    sending = blocked(lone.address)
    lone.address.close()
    assert sending.end() is None
    until(lambda: lone.dead_letters.count == 4)
    assert sorted(letter.reason for letter in lone.dead_letters.recent()) == [Lost.GONE] + 3 * [Lost.STOPPED]
    assert lone.address.depth == 0


def test_an_address_that_opens_again_keeps_messages_again(lone: Lone) -> None:
    lone.address.close()
    lone.address.reopen()
    lone.address.tell(note("one"))
    lone.start()
    until(lambda: "one" in lone.journal)


def test_messages_wait_while_nobody_reads(lone: Lone) -> None:
    fill(lone.address)
    lone.start()
    until(lambda: lone.journal == ["0", "1", "2"])


def test_a_mailbox_may_refuse_while_nobody_reads() -> None:
    lone = Lone(Mailbox(while_down="refuse"))

    def refuses() -> bool:
        try:
            lone.address.tell(note("one"))
        except AddressDown:
            return True
        return False

    seen: list[bool] = []
    with pytest.raises(AddressDown, match=r"^a is down, and does not keep messages meanwhile$"):
        lone.address.tell(note("one"))
    lone.address.tell(note("urgent"), urgent=True)
    probe = lone.launch(on_init=lambda probe: seen.append(refuses()))
    probe.ready.get(timeout=START_S)
    assert seen == [True], "an actor that starts does not read yet"
    assert not refuses()
    lone.address.tell(fail(ValueError()))
    assert probe.gone.wait(START_S)
    assert refuses(), "it has crashed"
    successor = lone.succeed()
    assert not refuses()
    lone.address.fence(successor.inbox.incarnation)
    assert refuses(), "it was given up"
    lone.stop()


def test_the_late_end_of_a_start_that_was_given_up_does_not_take_its_successor_down() -> None:
    lone = Lone(Mailbox(while_down="refuse"))
    go_on = threading.Event()
    late = lone.launch(on_init=lambda probe: go_on.wait(START_S))
    lone.succeed()
    go_on.set()
    late.ready.get(timeout=START_S)
    lone.address.tell(note("one"))
    until(lambda: "one" in lone.journal)
    late.actor_ref.stop(block=False)
    assert late.gone.wait(START_S)
    lone.address.tell(note("two"))
    lone.stop()


@pytest.mark.parametrize("is_fenced", [True, False])
def test_a_sender_who_waits_for_a_place_is_refused_when_the_actor_goes_down(is_fenced: bool) -> None:
    lone = Lone(Mailbox(capacity=3, while_down="refuse"))
    probe = lone.start()
    hang = lone.occupy()
    fill(lone.address)
    sending = blocked(lone.address)
    if is_fenced:
        lone.address.fence(1)
    else:
        probe.actor_ref.stop(block=False)
        hang.end()
    assert isinstance(sending.end(), AddressDown)
    lone.stop()


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"capacity": 0}, "one message or more, not 0"),
        ({"overflow": "drop"}, "overflow is one of refuse, drop_oldest, drop_newest, not 'drop'"),
        ({"while_down": "drop"}, "while_down is one of wait, refuse, not 'drop'"),
    ],
)
def test_a_senseless_mailbox_is_refused(bad: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Mailbox(**bad)


@pytest.mark.parametrize("overflow", ["refuse", "drop_oldest", "drop_newest"])
def test_a_flood_of_messages_takes_bounded_memory(overflow: Any) -> None:
    told: list[Lost] = []
    dead_letters = DeadLetters(on_letter=lambda letter: told.append(letter.reason))
    address = Address("a", mailbox=Mailbox(capacity=1000, overflow=overflow), dead_letters=dead_letters)
    before = resident_bytes()
    refused = 0
    for _ in range(FLOOD):
        try:
            address.tell(bytearray(1000))
        except MailboxFull:
            refused += 1
    assert address.depth == 1000
    assert refused + dead_letters.count + 1000 == FLOOD
    assert (refused == 0) is (overflow != "refuse")
    assert set(told) <= {Lost.OVERFLOW}
    assert len(told) == dead_letters.count
    assert len(dead_letters.recent()) == (0 if overflow == "refuse" else KEPT)
    assert resident_bytes() - before < 30_000_000, f"{FLOOD} of them would take {FLOOD / 1000:.0f} MB and more"


def test_a_flood_at_an_actor_that_crashes_is_accounted_for(lone: Lone) -> None:
    lone.address.mailbox = Mailbox(capacity=100, overflow="drop_oldest")
    sent = 0
    for _ in range(3):
        probe: Probe = lone.succeed()
        for _ in range(500):
            lone.address.tell(note("x"))
        lone.address.tell(fail(ValueError()), urgent=True)
        sent += 501
        assert probe.gone.wait(START_S)
    assert len(lone.handled) + lone.dead_letters.count + lone.address.depth == sent


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
