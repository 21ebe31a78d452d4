"""How an incarnation ends, by whatever its handler raises; and that every message ends once, handled or lost."""

from collections.abc import Iterator
from typing import Any, get_args

import pykka
import pytest
from structlog.testing import capture_logs

from actors.base import DebugCrash, Ignore, Shutdown
from actors.child import Child
from actors.dead_letters import DeadLetter, DeadLetters, Lost
from actors.exits import Hung, give_up
from actors.messages import Crash, CrashKind, Exited
from tests.supervision.lone import Lone
from tests.supervision.probe import AT_ONCE, START_S, Do, Hang, Probe, Tree, fail, leave, note
from tests.until import until


@pytest.fixture
def lone() -> Iterator[Lone]:
    lone = Lone()
    yield lone
    lone.stop()


class Untidy(Probe):
    def cleanup(self, reason: BaseException | None) -> None:
        raise SystemExit("the socket is gone")


def test_every_kind_of_crash_has_a_test() -> None:
    assert set(get_args(CrashKind)) == {"exception", "system_exit", "keyboard_interrupt", "hang"}


@pytest.mark.parametrize(
    ("how", "reason"),
    [("exception", DebugCrash), ("system_exit", SystemExit), ("keyboard_interrupt", KeyboardInterrupt)],
)
def test_a_crash_by_request_ends_one_incarnation_and_nothing_else(
    tree: Tree, how: CrashKind, reason: type[BaseException]
) -> None:
    tree.start(tree.probe("a"), tree.probe("b"))
    tree.address("a").tell(Crash(how=how))
    assert (tree.ask("a"), tree.ask("b")) == (2, 1)
    assert type(tree.reports[0].reason) is reason
    assert tree.reports[0].message == Crash(how=how)


def test_an_actor_that_hangs_by_request_is_replaced(tree: Tree) -> None:
    tree.start(tree.probe("a", deadline_s=30.0), tree.probe("b", deadline_s=30.0))
    actor = tree.address("a").actor
    assert isinstance(actor, Probe)
    tree.address("a").tell(Crash(how="hang"))
    until(lambda: actor.inbox.since is not None)
    tree.clock.advance(31.0)
    assert (tree.ask("a"), tree.ask("b")) == (2, 1)
    assert isinstance(tree.reports[0].reason, Hung)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_reaches_neither_the_asker_nor_another_actor(lone: Lone, error: BaseException) -> None:
    probe, other = lone.start(), lone.start(address=lone.another("b"))
    with pytest.raises(RuntimeError, match=r"a ended by (SystemExit|KeyboardInterrupt)\("):
        lone.ask(fail(error).action)
    assert probe.gone.wait(START_S)
    assert probe.reason is error
    assert other.address.ask(Do(action=lambda probe: "here"), timeout_s=START_S) == "here"


@pytest.mark.parametrize("error", [SystemExit(3), OSError("no socket")])
def test_an_error_while_starting_reaches_who_waits_for_the_start(lone: Lone, error: BaseException) -> None:
    probe = lone.launch(on_init=fail(error).action)
    with pytest.raises((RuntimeError, OSError), match=r"SystemExit|no socket"):
        probe.ready.get(timeout=START_S)
    assert probe.gone.wait(START_S)
    assert not lone.address.is_read
    assert lone.journal == [], "what has not begun needs no cleanup"


def test_an_actor_that_failed_to_start_is_reported_by_the_failed_start_alone(lone: Lone) -> None:
    lone.address.parent = lone.another("parent")
    probe = lone.launch(on_init=fail(Ignore()).action)
    assert probe.gone.wait(START_S)
    assert lone.address.parent.depth == 0


def test_an_actor_may_end_by_itself(lone: Lone) -> None:
    probe = lone.start()
    lone.address.tell(leave())
    assert probe.gone.wait(START_S)
    assert (probe.reason, lone.journal) == (None, ["a ended"])
    assert probe.inbox.since is None, "it is at nothing any more"


def test_what_ends_an_actor_in_order_by_its_own_wish_is_no_lost_message(lone: Lone) -> None:
    probe, message = lone.start(), fail(Shutdown("enough"))
    lone.address.tell(message)
    assert probe.gone.wait(START_S)
    assert isinstance(probe.reason, Shutdown)
    assert lone.dead_letters.count == 0
    assert probe.exited(probe.reason).message == message, "the report says what it was at, all the same"


def test_a_cleanup_that_fails_is_the_reason_of_the_end_if_there_is_no_other(lone: Lone) -> None:
    probe = lone.start(Untidy)
    probe.actor_ref.stop(block=False)
    assert probe.gone.wait(START_S)
    assert isinstance(probe.reason, SystemExit)
    lone.address.fence(1)
    crashing = lone.start(Untidy)
    lone.address.tell(fail(ValueError("a bug")))
    assert crashing.gone.wait(START_S)
    assert isinstance(crashing.reason, ValueError)


def test_an_actor_that_ends_by_itself_and_hangs_while_it_cleans_up_is_replaced(tree: Tree) -> None:
    hang = Hang()

    class Stuck(Probe):
        def cleanup(self, reason: BaseException | None) -> None:
            if self.inbox.incarnation == 1:
                hang.wait()

    tree.start(Child(name="a", actor=Stuck, arguments={"journal": tree.journal}, deadline_s=30.0, backoff=AT_ONCE))
    stuck = tree.address("a").actor
    assert isinstance(stuck, Stuck)
    tree.tell("a", leave())
    assert hang.entered.wait(START_S)
    tree.clock.advance(31.0)
    assert tree.ask("a") == 2
    assert isinstance(tree.reports[0].reason, Hung)
    hang.end()
    assert stuck.gone.wait(START_S)


def test_an_end_is_told_to_the_parent_with_what_was_in_work(lone: Lone) -> None:
    lone.address.parent = parent = lone.another("parent")
    probe = lone.start()
    assert probe.exited(None) == Exited(child="a", incarnation=1, reason=None, message=None, correlation_id="")
    message = fail(ValueError("a bug"))
    lone.address.tell(message, correlation_id="c-1")
    until(lambda: parent.depth == 1)
    with parent.lock:
        letter = parent.take(0.0)
    assert letter is not None
    exited = letter.message
    assert isinstance(exited, Exited)
    assert (exited.child, exited.incarnation, exited.message, exited.correlation_id) == ("a", 1, message, "c-1")
    assert letter.correlation_id == "c-1", "the end belongs to the work that it came from"


def test_an_actor_that_has_ended_is_in_no_registry_and_its_thread_bore_its_name(lone: Lone) -> None:
    probe = lone.start()
    assert lone.ask(lambda probe: __import__("threading").current_thread().name) == "a"
    assert probe.actor_ref in pykka.ActorRegistry.get_all()
    lone.address.tell(fail(ValueError()))
    assert probe.gone.wait(START_S)
    assert probe.actor_ref not in pykka.ActorRegistry.get_all()


def test_every_message_that_was_handled_is_heard_of_with_its_time(lone: Lone) -> None:
    lone.start()
    message = Do(action=lambda probe: lone.clock.advance(1.5))
    lone.address.tell(message)
    until(lambda: lone.handled == [message])
    assert lone.durations_s == [1.5]


def test_a_message_given_up_is_lost_and_not_handled_even_if_its_handler_ends(lone: Lone) -> None:
    lone.address.parent = lone.another("parent")
    probe = lone.start()
    hang = lone.occupy()
    exited = give_up(probe, Lost.HUNG, Hung("too long"))
    lone.address.fence(1)
    assert (exited.message, exited.reason is not None) == (hang.message, True)
    hang.end()
    probe.actor_ref.stop(block=False)
    assert probe.gone.wait(START_S)
    assert lone.handled == []
    assert [letter.reason for letter in lone.dead_letters.recent()] == [Lost.HUNG]


def test_a_message_given_up_is_lost_once_even_if_its_handler_raises_then(lone: Lone) -> None:
    probe = lone.start()
    hang = lone.occupy()
    lone.address.tell(note("waits"))
    give_up(probe, Lost.HUNG, Hung("too long"))
    probe.inbox.lose(Lost.CRASHED, ValueError())
    assert [letter.reason for letter in lone.dead_letters.recent()] == [Lost.HUNG]
    hang.end()


def test_an_actor_that_is_given_up_between_two_messages_loses_none(lone: Lone) -> None:
    probe = lone.start()
    lone.ask()
    until(lambda: probe.inbox.current is None)
    exited = give_up(probe, Lost.HUNG, Hung("too long"))
    assert (exited.message, exited.correlation_id) == (None, "")
    assert lone.dead_letters.count == 0


def test_the_crash_of_an_incarnation_fenced_while_at_a_message_is_not_lost_from_sight(lone: Lone) -> None:
    probe = lone.start()
    hang = lone.occupy()

    def crash_late(probe: Probe) -> None:
        lone.address.fence(1)
        raise ValueError("a bug")

    message = Do(action=crash_late)
    lone.address.tell(message)
    hang.end()
    assert probe.gone.wait(START_S)
    assert [(letter.message, letter.reason) for letter in lone.dead_letters.recent()] == [(message, Lost.CRASHED)]


@pytest.mark.parametrize("error", [ValueError("a bug"), SystemExit(1)])
def test_a_hook_that_fails_changes_nothing_of_what_it_hears(lone: Lone, error: BaseException) -> None:
    def fail_always(*facts: Any) -> None:
        raise error

    lone.address.on_handled = fail_always
    probe = lone.start()
    with capture_logs() as lines:
        assert lone.ask(lambda probe: 42) == 42
        lone.address.tell(note("one"))
        assert lone.ask() == 1
    assert [(line["event"], line["hook"]) for line in lines] == [("a hook failed", "on_handled")] * 3
    assert not probe.gone.is_set()


def test_a_hook_that_fails_keeps_no_dead_letter_from_being_kept_and_no_actor_from_ending(lone: Lone) -> None:
    def fail_always(letter: DeadLetter) -> None:
        raise SystemExit(1)

    address = lone.another("b")
    address.parent = lone.another("parent")
    address.dead_letters = DeadLetters(on_letter=fail_always, clock=lone.clock)
    probe = lone.start(address=address)
    with capture_logs() as lines:
        address.tell(fail(ValueError("a bug")))
        assert probe.gone.wait(START_S)
        until(lambda: address.parent is not None and address.parent.depth == 1)
        address.tell("waits")
        address.close()
        address.tell("late")
    assert [letter.reason for letter in address.dead_letters.recent()] == [Lost.CRASHED, Lost.STOPPED, Lost.GONE]
    assert [line["hook"] for line in lines if line["event"] == "a hook failed"] == ["on_letter"] * 3
