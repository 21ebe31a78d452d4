"""Permanent, transient and temporary children: who is started again after which end."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.base import Shutdown
from actors.child import NotFound, restart_child
from actors.messages import Crash
from tests.supervision.probe import START_S, Do, Probe, Tree, fail, leave
from tests.until import until

ENDS = {
    "in order": leave(),
    "by Shutdown": fail(Shutdown("enough")),
    "by an exception": fail(ValueError("a bug")),
    "by SystemExit": fail(SystemExit(1)),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_permanent_child_is_restarted_whatever_its_end_p4(tree: Tree, end: str) -> None:
    tree.start(tree.probe("a"))
    tree.tell("a", ENDS[end])
    assert tree.ask("a") == 2
    assert tree.facts("a")["restarts"] == 1


@pytest.mark.parametrize("send", ["tell", "ask"])
def test_a_permanent_child_that_raises_is_restarted_and_who_asked_sees_the_error_p5(tree: Tree, send: str) -> None:
    tree.start(tree.probe("a"))
    bug = fail(ValueError("a bug"))
    if send == "ask":
        with pytest.raises(ValueError, match="a bug"):
            tree.ask("a", bug.action)
    else:
        tree.tell("a", bug)
    assert tree.ask("a") == 2
    assert tree.journal == ["a began", "a ended by ValueError", "a began"]


@pytest.mark.parametrize("end", ["in order", "by Shutdown"])
def test_a_transient_child_that_ends_in_order_is_kept_and_not_restarted_p6(tree: Tree, end: str) -> None:
    tree.start(tree.probe("a", restart="transient"), tree.probe("b"))
    tree.tell("a", ENDS[end])
    until(lambda: tree.facts("a")["state"] == "stopped")
    tree.clock.advance(1000.0)
    tree.settle()
    assert tree.restarted == []
    assert tree.facts("a")["last_error"] == ""
    restart_child(tree.root_address, "a", timeout_s=START_S)
    assert tree.incarnations("a", "b") == [2, 1]


@pytest.mark.parametrize("end", ["by an exception", "by SystemExit"])
def test_a_transient_child_that_raises_is_restarted_p7(tree: Tree, end: str) -> None:
    tree.start(tree.probe("a", restart="transient"))
    tree.tell("a", ENDS[end])
    assert tree.ask("a") == 2


@pytest.mark.parametrize("end", ENDS)
def test_a_temporary_child_is_forgotten_whatever_its_end_p8(tree: Tree, end: str) -> None:
    tree.start(tree.probe("a", restart="temporary"), tree.probe("b"))
    tree.tell("a", ENDS[end])
    until(lambda: not tree.has("a"))
    assert tree.restarted == []
    assert tree.address("a").is_closed
    with pytest.raises(NotFound):
        restart_child(tree.root_address, "a", timeout_s=START_S)
    assert tree.ask("b") == 1


def test_a_system_exit_ends_one_incarnation_and_nothing_else(tree: Tree) -> None:
    tree.start(tree.probe("a"), tree.probe("b"))
    with pytest.raises(RuntimeError, match="SystemExit"):
        tree.ask("a", fail(SystemExit(1)).action)
    assert tree.incarnations("a", "b") == [2, 1]


@pytest.mark.parametrize("how", ["exception", "system_exit", "keyboard_interrupt"])
def test_a_child_can_be_crashed_by_a_message_for_debugging(tree: Tree, how: Any) -> None:
    tree.start(tree.probe("a"))
    tree.address("a").tell(Crash(how=how))
    assert tree.ask("a") == 2


@pytest.mark.parametrize("action", [lambda probe: probe.stop(), fail(Shutdown("enough")).action])
def test_an_orderly_end_is_reported_as_such_and_loses_nothing(tree: Tree, action: Callable[[Probe], Any]) -> None:
    tree.start(tree.probe("a", restart="transient"))
    tree.tell("a", Do(action=action))
    report = until(lambda: tree.reports)[0]
    assert report.is_orderly
    assert tree.dead_letters.count == 0
