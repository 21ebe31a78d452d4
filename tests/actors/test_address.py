import threading
import time
from collections.abc import Iterator

import pytest

from actors.base import CORRELATION, Address, AskTimeout, DebugCrash, MailboxFull
from actors.messages import Crash
from tests.actors.probe import START_S, Do, Probe, fail, leave, note
from tests.until import until


def start(address: Address, journal: list[str]) -> Probe:
    Probe.start(address, journal=journal)
    probe = address.actor
    assert isinstance(probe, Probe)
    probe.ready.get(timeout=START_S)
    return probe


@pytest.fixture
def journal() -> list[str]:
    return []


@pytest.fixture
def address() -> Address:
    return Address("a", capacity=3)


@pytest.fixture
def probe(address: Address, journal: list[str]) -> Iterator[Probe]:
    probe = start(address, journal)
    journal.clear()
    yield probe
    probe.actor_ref.stop(block=False)
    assert probe.gone.wait(START_S)


class Gate:
    """A message that keeps its actor busy until `open()`."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._opened = threading.Event()
        self.message = Do(action=self._pass)

    def open(self) -> None:
        self._opened.set()

    def _pass(self, probe: Probe) -> None:
        self.entered.set()
        assert self._opened.wait(START_S)


@pytest.fixture
def gate(address: Address, probe: Probe) -> Iterator[Gate]:
    """The probe is busy with it."""
    gate = Gate()
    address.tell(gate.message)
    assert gate.entered.wait(START_S)
    yield gate
    gate.open()


def test_messages_are_handled_in_the_order_they_came(address: Address, probe: Probe, journal: list[str]) -> None:
    words = [str(number) for number in range(50)]
    for word in words:
        address.tell(note(word), timeout_s=START_S)
    until(lambda: journal == words)


def test_the_messages_of_each_sender_keep_their_order(address: Address, probe: Probe, journal: list[str]) -> None:
    def send(sender: str) -> None:
        for number in range(100):
            address.tell(note(f"{sender}{number}"), timeout_s=START_S)

    threads = [threading.Thread(target=send, args=(sender,)) for sender in "xyz"]
    for thread in threads:
        thread.start()
    until(lambda: len(journal) == 300)
    for sender in "xyz":
        assert [word for word in journal if word.startswith(sender)] == [f"{sender}{number}" for number in range(100)]


def test_a_full_mailbox_refuses_at_once(address: Address, gate: Gate) -> None:
    for _ in range(3):
        address.tell(note("in time"))
    before = time.monotonic()
    with pytest.raises(MailboxFull, match="a holds 3 messages already"):
        address.tell(note("too many"))
    assert time.monotonic() - before < 1.0
    assert address.depth == 3


def test_a_sender_who_waits_gets_the_place_that_falls_free(address: Address, gate: Gate, journal: list[str]) -> None:
    for word in "123":
        address.tell(note(word))
    sender = threading.Thread(target=address.tell, args=(note("4"),), kwargs={"timeout_s": START_S})
    sender.start()
    gate.open()
    until(lambda: journal == ["1", "2", "3", "4"])
    sender.join()


def test_urgent_messages_overtake_and_are_never_refused(address: Address, gate: Gate, journal: list[str]) -> None:
    for word in "123":
        address.tell(note(word))
    for word in "abcdef":
        address.tell(note(word), urgent=True)
    assert address.depth == 9
    gate.open()
    until(lambda: journal == list("abcdef123"))


def test_a_question_is_answered(address: Address, probe: Probe) -> None:
    assert address.ask(Do(action=lambda probe: 6 * 7), timeout_s=START_S) == 42


def test_a_question_fails_by_its_deadline_and_says_whom_it_asked_what(address: Address, gate: Gate) -> None:
    with pytest.raises(AskTimeout, match=r"a did not answer Do within 0\.05 s"):
        address.ask(note("late"), timeout_s=0.05)


def test_a_question_to_nobody_fails_by_its_deadline() -> None:
    with pytest.raises(AskTimeout):
        Address("nobody").ask(note("?"), timeout_s=0.05)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_a_question_without_time_fails_at_once(timeout_s: float) -> None:
    with pytest.raises(AskTimeout):
        Address("nobody").ask(note("?"), timeout_s=timeout_s)


def test_the_wait_for_a_place_is_part_of_a_questions_deadline(address: Address, gate: Gate) -> None:
    for _ in range(3):
        address.tell(note("first"))

    def free_a_place() -> None:
        with address.condition:
            address.take(time.monotonic())

    threading.Timer(0.5, free_a_place).start()
    before = time.monotonic()
    with pytest.raises(AskTimeout):
        address.ask(note("?"), timeout_s=1.0)
    assert time.monotonic() - before < 1.45


def test_a_late_answer_goes_nowhere(address: Address, gate: Gate) -> None:
    with pytest.raises(AskTimeout):
        address.ask(Do(action=lambda probe: "late"), timeout_s=0.01)
    gate.open()
    assert address.ask(Do(action=lambda probe: "in time"), timeout_s=START_S) == "in time"


def test_a_question_that_crashes_the_actor_tells_the_asker_why(address: Address, probe: Probe) -> None:
    with pytest.raises(ValueError, match="a bug"):
        address.ask(fail(ValueError("a bug")), timeout_s=START_S)
    assert probe.gone.wait(START_S)
    assert isinstance(probe.reason, ValueError)


def test_a_system_exit_reaches_neither_the_asker_nor_another_actor(address: Address, probe: Probe) -> None:
    other = start(Address("b"), [])
    with pytest.raises(RuntimeError, match=r"a ended by SystemExit\(3\)"):
        address.ask(fail(SystemExit(3)), timeout_s=START_S)
    assert probe.gone.wait(START_S)
    assert other.address.ask(Do(action=lambda probe: "here"), timeout_s=START_S) == "here"
    other.actor_ref.stop(block=False)
    assert other.gone.wait(START_S)


def test_a_system_exit_while_starting_is_an_error_for_who_waits() -> None:
    Probe.start(address := Address("a"), journal=[], on_init=fail(SystemExit(3)).action)
    assert address.actor is not None
    with pytest.raises(RuntimeError, match="SystemExit"):
        address.actor.ready.get(timeout=START_S)


def test_what_waited_when_an_actor_crashed_is_handled_by_its_successor(
    address: Address, gate: Gate, probe: Probe, journal: list[str]
) -> None:
    address.tell(fail(ValueError("a bug")))
    address.tell(note("one"))
    address.tell(note("two"))
    gate.open()
    assert probe.gone.wait(START_S)
    assert journal == ["a ended by ValueError"]
    address.fence(probe.inbox.incarnation)
    successor = start(address, journal)
    until(lambda: journal == ["a ended by ValueError", "a began", "one", "two"])
    successor.actor_ref.stop(block=False)


def test_a_stop_waits_for_the_message_in_work_and_not_for_the_backlog(
    address: Address, gate: Gate, probe: Probe, journal: list[str]
) -> None:
    address.tell(note("never read"))
    probe.actor_ref.stop(block=False)
    gate.open()
    assert probe.gone.wait(START_S)
    assert (journal, address.depth) == (["a ended"], 1)


def test_an_actor_may_end_by_itself(address: Address, probe: Probe) -> None:
    address.tell(leave())
    assert probe.gone.wait(START_S)
    assert probe.reason is None


def test_a_cleanup_that_fails_is_the_reason_of_the_end(address: Address) -> None:
    class Untidy(Probe):
        def cleanup(self, reason: BaseException | None) -> None:
            raise OSError("the socket is gone")

    Untidy.start(address, journal=[])
    actor = address.actor
    assert actor is not None
    actor.ready.get(timeout=START_S)
    actor.actor_ref.stop(block=False)
    assert actor.gone.wait(START_S)
    assert isinstance(actor.reason, OSError)


def test_timers_are_due_in_their_order(address: Address, probe: Probe, journal: list[str]) -> None:
    address.tell_after(0.1, note("later"))
    address.tell_after(0.05, note("soon"))
    address.tell_after(0.0, note("now"))
    until(lambda: journal == ["now", "soon", "later"])


def test_a_timer_does_not_come_before_its_time(address: Address, probe: Probe, journal: list[str]) -> None:
    before = time.monotonic()
    address.tell_after(0.2, note("due"))
    until(lambda: journal == ["due"])
    assert time.monotonic() - before >= 0.2


def test_a_timer_overtakes_what_waits(address: Address, gate: Gate, journal: list[str]) -> None:
    address.tell(note("waiting"))
    address.tell_after(0.0, note("due"))
    gate.open()
    until(lambda: journal == ["due", "waiting"])


def test_timers_end_with_the_incarnation_that_set_them(
    address: Address, gate: Gate, probe: Probe, journal: list[str]
) -> None:
    address.tell_after(0.0, note("of the first"))
    address.fence(probe.inbox.incarnation)
    successor = start(address, journal)
    assert address.ask(Do(action=lambda probe: probe.inbox.incarnation), timeout_s=START_S) == 2
    assert "of the first" not in journal
    successor.actor_ref.stop(block=False)


def test_a_fenced_incarnation_that_wakes_up_reads_nothing_and_sets_no_timer(
    address: Address, probe: Probe, journal: list[str]
) -> None:
    gate = Gate()

    def hang_and_go_on(probe: Probe) -> None:
        gate.message.action(probe)
        address.tell_after(0.0, note("set by the old"))

    address.tell(Do(action=hang_and_go_on))
    assert gate.entered.wait(START_S)
    address.fence(probe.inbox.incarnation)
    successor = start(address, journal)
    gate.open()
    probe.actor_ref.stop(block=False)
    assert probe.gone.wait(START_S)
    assert address.ask(Do(action=lambda probe: probe.inbox.incarnation), timeout_s=START_S) == 2
    assert "set by the old" not in journal
    successor.actor_ref.stop(block=False)


def test_an_old_incarnation_cannot_be_fenced_twice() -> None:
    address = Address("a")
    address.fence(1)
    address.fence(1)
    assert address.incarnation == 2


def test_what_an_actor_sends_carries_the_correlation_of_what_it_handles(address: Address, probe: Probe) -> None:
    other = start(Address("b"), [])
    seen: list[str] = []

    def pass_on(probe: Probe) -> None:
        seen.append(CORRELATION.get())
        other.address.tell(Do(action=lambda probe: seen.append(CORRELATION.get())))

    address.tell(Do(action=pass_on))
    until(lambda: len(seen) == 2)
    address.tell(Do(action=lambda probe: seen.append(CORRELATION.get())))
    until(lambda: len(seen) == 3)
    assert seen[0] == seen[1] != ""
    assert seen[2] != seen[0]
    other.actor_ref.stop(block=False)


def test_an_actor_can_be_told_to_crash(address: Address, probe: Probe) -> None:
    address.tell(Crash(reason="for the demo"))
    assert probe.gone.wait(START_S)
    assert isinstance(probe.reason, DebugCrash)
