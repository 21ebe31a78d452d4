"""Questions: answered, or failed by their deadline with what was asked of whom; a late answer is nobody's."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actors.address import Address, AddressDown, AskTimeout, Mailbox, MailboxFull, Reply
from actors.dead_letters import Lost
from actors.exits import Hung
from metrics.logs import CORRELATION
from tests.supervision.lone import Lone
from tests.supervision.probe import START_S, Do, Hang, Probe, Tree, fail, note
from tests.until import until


@pytest.fixture
def lone() -> Iterator[Lone]:
    lone = Lone(Mailbox(capacity=3))
    yield lone
    lone.stop()


class Asking:
    """A question in a thread of its own; `outcome` is the answer or the error that ended it."""

    def __init__(self, address: Address, action: Callable[[Probe], Any]) -> None:
        self.outcome: object = None
        self.took_s = 0.0
        self._thread = threading.Thread(target=self._ask, args=(address, Do(action=action)), daemon=True)
        self._thread.start()

    def end(self) -> object:
        self._thread.join(START_S)
        assert not self._thread.is_alive(), "the question has no end"
        return self.outcome

    def _ask(self, address: Address, message: Do) -> None:
        begun_at = time.monotonic()
        try:
            self.outcome = address.ask(message, timeout_s=START_S / 2)
        except (AddressDown, AskTimeout, MailboxFull, Hung) as error:
            self.outcome = error
        self.took_s = time.monotonic() - begun_at


def test_a_question_is_answered(lone: Lone) -> None:
    lone.start()
    assert lone.ask(lambda probe: 6 * 7) == 42


def test_the_first_answer_counts() -> None:
    answered, failed = Reply(), Reply()
    answered.set(1)
    answered.set(2)
    answered.set_exception((ValueError, ValueError("late"), None))
    failed.set_exception((ValueError, ValueError("in time"), None))
    failed.set(1)
    assert answered.get(timeout=0) == 1
    with pytest.raises(ValueError, match="in time"):
        failed.get(timeout=0)


def test_a_question_to_nobody_fails_by_its_deadline_p39(lone: Lone) -> None:
    begun_at = time.monotonic()
    with pytest.raises(AskTimeout):
        lone.address.ask(note("?"), timeout_s=0.05)
    assert 0.05 <= time.monotonic() - begun_at < START_S


def test_a_question_to_an_actor_that_has_ended_for_good_fails_at_once_p39(lone: Lone) -> None:
    lone.address.close()
    asking = Asking(lone.address, note("?").action)
    assert str(asking.end()) == "a has ended"
    assert isinstance(asking.outcome, AddressDown)
    assert asking.took_s < START_S / 2


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_a_question_without_time_fails_at_once_and_is_not_sent_p39(lone: Lone, timeout_s: float) -> None:
    with pytest.raises(AskTimeout):
        lone.address.ask(note("?"), timeout_s=timeout_s)
    assert lone.address.depth == 0


def test_a_question_that_nobody_answers_in_time_says_whom_was_asked_what_p40(lone: Lone) -> None:
    token = CORRELATION.set("c-7")
    try:
        with pytest.raises(AskTimeout, match=r"^a did not answer Do within 0\.01 s \(correlation id c-7\)$"):
            lone.address.ask(note("?"), timeout_s=0.01)
    finally:
        CORRELATION.reset(token)


def test_a_late_answer_goes_nowhere_and_nothing_of_it_stays_p41(lone: Lone) -> None:
    lone.start()
    hang = lone.occupy()
    with pytest.raises(AskTimeout):
        lone.address.ask(note("late"), timeout_s=0.01)
    reply = weakref.ref(lone.address._waiting[0].reply_to or hang)
    hang.end()
    assert lone.ask(lambda probe: "in time") == "in time"
    assert lone.journal == ["late"], "it was handled all the same"
    gc.collect()
    assert reply() is None
    assert lone.dead_letters.count == 0


def test_the_wait_for_a_place_is_part_of_a_questions_deadline_p39(lone: Lone) -> None:
    lone.start()
    lone.occupy()
    for _ in range(3):
        lone.address.tell(note("first"))
    with pytest.raises(MailboxFull):
        lone.address.ask(note("?"), timeout_s=0.05)

    def free_a_place() -> None:
        with lone.address.lock:
            lone.address.take(0.0)

    threading.Timer(0.5, free_a_place).start()
    begun_at = time.monotonic()
    with pytest.raises(AskTimeout):
        lone.address.ask(note("?"), timeout_s=1.0)
    assert time.monotonic() - begun_at < 1.45


def test_a_question_that_crashes_the_actor_tells_the_asker_why(lone: Lone) -> None:
    probe = lone.start()
    with pytest.raises(ValueError, match="a bug"):
        lone.ask(fail(ValueError("a bug")).action)
    assert probe.gone.wait(START_S)
    assert isinstance(probe.reason, ValueError)


def test_questions_that_wait_are_answered_when_the_address_closes(lone: Lone) -> None:
    askers = [Asking(lone.address, note("?").action) for _ in range(3)]
    until(lambda: lone.address.depth == 3)
    lone.address.close()
    assert [str(asking.end()) for asking in askers] == ["a has ended"] * 3
    assert [letter.reason for letter in lone.dead_letters.recent()] == [Lost.STOPPED] * 3


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_a_question_that_a_full_mailbox_drops_is_answered_so(overflow: Any) -> None:
    address = Address("a", mailbox=Mailbox(capacity=1, overflow=overflow))
    asking = Asking(address, note("?").action)
    until(lambda: address.depth == 1)
    if overflow == "drop_oldest":
        address.tell("newer")
        assert str(asking.end()) == "a dropped the message: it holds 1 already"
        assert isinstance(asking.outcome, MailboxFull)
    else:
        with pytest.raises(MailboxFull, match="a dropped the message: it holds 1 already"):
            address.ask("newer", timeout_s=0.01)
        address.close()
        asking.end()


def test_who_asked_an_actor_that_hangs_is_told_and_its_late_answer_changes_nothing(tree: Tree) -> None:
    hang = Hang()
    handled: list[object] = []
    tree.address("a").on_handled = lambda message, duration_s: handled.append(message)
    tree.start(tree.probe("a", deadline_s=30.0))
    zombie = tree.address("a").actor
    asking = Asking(tree.address("a"), lambda probe: hang.wait())
    assert hang.entered.wait(START_S)
    tree.clock.advance(31.0)
    assert isinstance(asking.end(), Hung)
    assert tree.ask("a") == 2
    before = (len(handled), tree.dead_letters.count)
    hang.end()
    assert isinstance(zombie, Probe)
    assert zombie.gone.wait(START_S)
    assert tree.ask("a") == 2
    assert (len(handled), tree.dead_letters.count) == (before[0] + 1, before[1]), "only the last question was handled"
    assert [letter.reason for letter in tree.dead_letters.recent()] == [Lost.HUNG]
