"""Supervisors that end when a significant child, or the last of them, has ended by itself."""

import pytest

from actors.base import Shutdown
from actors.child import AutoShutdown as When
from actors.child import Policy, Restart, Strategy, restart_child, terminate_child
from actors.exits import AutoShutdown
from actors.restarts import Backoff
from tests.supervision.probe import START_S, Do, Tree, fail, leave
from tests.until import until


@pytest.mark.parametrize(
    ("restart", "end"),
    [
        ("transient", leave()),
        ("transient", fail(Shutdown("enough"))),
        ("temporary", leave()),
        ("temporary", fail(ValueError("a bug"))),
    ],
)
def test_the_end_of_any_significant_child_ends_its_supervisor_p22(tree: Tree, restart: Restart, end: Do) -> None:
    children = [tree.probe(name, restart=restart, is_significant=True) for name in "ab"]
    tree.start(tree.probe("c"), *children, auto_shutdown="any_significant")
    tree.tell("a", end)
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, AutoShutdown)
    assert tree.journal[-2:] == ["b ended", "c ended"]


def test_a_significant_child_that_crashes_and_comes_back_ends_nothing_p22(tree: Tree) -> None:
    tree.start(tree.probe("a", restart="transient", is_significant=True), auto_shutdown="any_significant")
    tree.crash_and_await_restart("a")
    assert tree.ask("a") == 2


def test_an_insignificant_child_ends_nothing_p22(tree: Tree) -> None:
    tree.start(
        tree.probe("a", restart="transient"),
        tree.probe("b", restart="transient", is_significant=True),
        auto_shutdown="any_significant",
    )
    tree.tell("a", leave())
    tree.until_state("a", "stopped")
    assert tree.incarnations("b") == [1]


def test_the_end_of_the_last_significant_child_ends_its_supervisor_p22(tree: Tree) -> None:
    backoff = Backoff(min_s=10.0, jitter=0.0)
    tree.start(
        tree.probe("a", restart="transient", is_significant=True),
        tree.probe("b", restart="temporary", is_significant=True),
        tree.probe("c", restart="transient", is_significant=True, backoff=backoff),
        tree.probe("d"),
        auto_shutdown="all_significant",
    )
    tree.tell("b", leave())
    until(lambda: not tree.has("b"))
    tree.crash_down("c")
    tree.tell("a", leave())
    tree.settle()
    assert tree.states("a", "c", "d") == ["stopped", "restarting", "running"], "who will be restarted is not over"
    tree.clock.advance(10.0)
    tree.until_state("c", "running")
    tree.tell("c", leave())
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, AutoShutdown)


@pytest.mark.parametrize("when", ["any_significant", "all_significant"])
def test_a_significant_child_that_is_terminated_ends_nothing_p22(tree: Tree, when: When) -> None:
    tree.start(tree.probe("a", restart="transient", is_significant=True), tree.probe("b"), auto_shutdown=when)
    terminate_child(tree.root_address, "a", timeout_s=START_S)
    tree.settle()
    assert tree.incarnations("b") == [1]
    restart_child(tree.root_address, "a", timeout_s=START_S)
    assert tree.incarnations("a") == [2]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_a_significant_child_that_stops_with_its_group_ends_nothing_p22(
    tree: Tree, strategy: Strategy, restart: Restart
) -> None:
    tree.start(
        tree.probe("a"),
        tree.probe("b", restart=restart, is_significant=True),
        strategy=strategy,
        auto_shutdown="any_significant",
    )
    tree.crash_and_await_restart("a")
    assert tree.incarnations("a") == [2]
    assert tree.has("b") == (restart == "transient")


def test_an_end_goes_up_through_significant_supervisors_only_p22(tree: Tree) -> None:
    ends = Policy(auto_shutdown="any_significant")
    x = tree.probe("x", restart="transient", is_significant=True)
    inner = tree.group("inner", [x], policy=ends, restart="transient", is_significant=True)
    outer = tree.group("outer", [inner, tree.probe("y")], policy=ends, restart="transient")
    tree.start(outer, tree.probe("b"))
    tree.tell("x", leave())
    tree.until_state("outer", "stopped")
    assert tree.incarnations("b") == [1]
    assert tree.journal[3:] == ["x ended", "y ended"]
    assert [(report.child, report.is_orderly) for report in tree.reports] == [
        ("x", True),
        ("inner", True),
        ("outer", True),
    ]
    assert tree.address("x").is_closed


def test_a_permanent_supervisor_that_ends_so_is_restarted_p22(tree: Tree) -> None:
    x = tree.probe("x", restart="transient", is_significant=True)
    tree.start(tree.group("group", [x, tree.probe("y")], policy=Policy(auto_shutdown="any_significant")))
    tree.tell("x", leave())
    assert tree.incarnations("x", "y") == [2, 2]
