"""What a supervisor does when its children crash too often, and what becomes of it: restarted, parked, or the end."""

import pytest

from actors.base import Fatal
from actors.child import Child, Policy, RestartChild, start_child
from actors.exits import Escalated
from supervisor import PARK_S
from tests.supervision.probe import START_S, Switch, Tree, fail
from tests.until import until

NONE = Policy(intensity=0)


def parkable(tree: Tree, *children: Child, policy: Policy = NONE) -> Child:
    return tree.group("group", children, policy=policy, is_parked_on_escalation=True)


def test_a_group_that_escalates_is_restarted_with_its_static_children_only_p17(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x"), tree.probe("y")], policy=NONE), tree.probe("b"))
    start_child(tree.address("group"), tree.probe("guest"), timeout_s=START_S)
    tree.crash("y")
    assert tree.incarnations("x", "y", "b") == [2, 2, 1]
    assert tree.journal[4:] == ["y ended by ValueError", "guest ended", "x ended", "x began", "y began"]
    assert not tree.has("guest")
    assert tree.facts("group")["incarnation"] == 2
    assert [report.child for report in tree.reports] == ["y", "group"]


def test_a_restarted_group_tolerates_as_many_restarts_as_before_p17(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x")], policy=Policy(intensity=1)), intensity=100)
    for _ in range(4):
        tree.crash_and_await_restart("x")
        tree.settle()
    assert tree.facts("group")["incarnation"] == 3
    assert tree.ask("x") == 5


def test_an_escalation_is_an_orderly_end_so_a_transient_group_is_not_restarted_p17(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x")], policy=NONE, restart="transient"), tree.probe("b"))
    tree.crash("x")
    tree.until_state("group", "stopped")
    assert tree.ask("b") == 1


def test_groups_that_go_on_escalating_end_the_root_p17(tree: Tree) -> None:
    inner = tree.group("inner", [tree.probe("x")], policy=NONE)
    tree.start(tree.group("outer", [inner], policy=NONE), intensity=1)
    tree.crash("x")
    assert tree.incarnations("x") == [2]
    tree.crash("x")
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Escalated)


def test_a_group_that_crashes_too_often_is_parked_and_the_rest_goes_on(tree: Tree) -> None:
    tree.start(parkable(tree, tree.probe("x"), tree.probe("y"), policy=Policy(intensity=1)), tree.probe("b"))
    tree.crash_and_await_restart("x")
    tree.crash("x")
    tree.until_state("group", "parked")
    assert tree.ask("b") == 1
    assert str(tree.reports[-1].reason) == "group: more than 1 restarts in 30 s, the last of x"
    assert tree.journal[-1] == "y ended"
    tree.clock.advance(60.0)
    assert tree.incarnations("x", "y") == [3, 2]


def test_a_parked_group_is_tried_again_after_one_five_and_fifteen_minutes(tree: Tree) -> None:
    assert PARK_S == (60.0, 300.0, 900.0)
    tree.start(parkable(tree, tree.probe("x")), intensity=0)
    for incarnation, delay_s in enumerate((60.0, 300.0, 900.0, 900.0), start=2):
        tree.crash("x")
        tree.until_state("group", "parked")
        tree.clock.advance(delay_s - 0.1)
        tree.settle()
        assert tree.states("group") == ["parked"]
        tree.clock.advance(0.1001)
        assert tree.incarnations("x") == [incarnation]
    assert not tree.root.gone.is_set(), "trying a parked group again spends none of the root's restarts"


def test_a_parked_group_that_was_stable_is_tried_again_soon(tree: Tree) -> None:
    tree.start(parkable(tree, tree.probe("x")), intensity=0)
    for incarnation in (2, 3):
        tree.crash("x")
        tree.until_state("group", "parked")
        tree.clock.advance(60.0)
        assert tree.incarnations("x") == [incarnation]
        tree.clock.advance(61.0)


def test_a_parked_group_that_cannot_start_is_parked_again(tree: Tree) -> None:
    switch = Switch()
    tree.start(parkable(tree, tree.probe("x", on_init=switch)), intensity=0)
    switch.is_on = True
    tree.crash("x")
    tree.until_state("group", "parked")
    tree.clock.advance(60.0)
    until(lambda: len(tree.reports) == 3)
    tree.settle()
    assert tree.states("group") == ["parked"]
    switch.is_on = False
    tree.clock.advance(300.0)
    tree.until_state("group", "running")


def test_a_parked_group_can_be_brought_back_by_force(tree: Tree) -> None:
    tree.start(parkable(tree, tree.probe("x")), intensity=0)
    for _ in range(2):
        tree.crash("x")
        tree.until_state("group", "parked")
        tree.root_address.ask(RestartChild(name="group", is_forced=True), timeout_s=START_S)
        tree.until_state("x", "running")
    tree.crash("x")
    tree.until_state("group", "parked")
    tree.clock.advance(60.0)
    tree.until_state("group", "running")


def test_a_group_that_fails_otherwise_is_restarted_and_not_parked(tree: Tree) -> None:
    tree.start(parkable(tree, tree.probe("x")))
    tree.address("group").tell("nonsense")
    tree.until_state("group", "running", after=1)
    assert tree.incarnations("x") == [2]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_parked_group_leaves_its_siblings_alone_and_so_does_its_return(tree: Tree, strategy: str) -> None:
    tree.start(parkable(tree, tree.probe("x")), tree.probe("b"), strategy=strategy, intensity=0)
    tree.crash("x")
    tree.until_state("group", "parked")
    tree.clock.advance(60.0)
    assert tree.incarnations("x", "b") == [2, 1]
    assert tree.hooks.zombies.count() == 0


def test_a_group_that_is_parked_in_the_midst_of_a_restart_keeps_nobody_waiting(tree: Tree) -> None:
    switch = Switch()
    group = parkable(tree, tree.probe("x", on_init=switch))
    tree.start(tree.probe("a"), group, tree.probe("b"), strategy="one_for_all")
    switch.is_on = True
    tree.crash("a")
    assert tree.incarnations("a", "b") == [2, 2]
    assert tree.states("group") == ["parked"]


def test_what_no_restart_mends_ends_the_tree_with_its_exit_code(tree: Tree) -> None:
    inner = tree.group("inner", [tree.probe("x")])
    tree.start(tree.group("outer", [inner, tree.probe("y")]), tree.probe("b"))
    tree.tell("x", fail(Fatal("the node's name is taken", exit_code=3)))
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Fatal)
    assert tree.root.reason.exit_code == 3
    assert sorted(line for line in tree.journal if "ended" in line) == ["b ended", "x ended by Fatal", "y ended"]
    assert tree.restarted == []
    assert tree.reports[0].child == "x"


def test_what_no_restart_mends_ends_the_tree_when_it_shows_in_a_restart(tree: Tree) -> None:
    switch = Switch(Fatal("the node's name is taken", exit_code=3))
    tree.start(tree.group("group", [tree.probe("x", on_init=switch)]))
    switch.is_on = True
    tree.crash("x")
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Fatal)


def test_a_group_that_itself_crashes_too_often_is_parked_too_and_spends_nothing_of_the_roots(tree: Tree) -> None:
    tree.start(parkable(tree, tree.probe("x"), policy=Policy()), tree.probe("b"), intensity=1)
    for _ in range(2):
        tree.address("group").tell(object())  # no message of its: a bug of the supervisor itself
        tree.settle()
    tree.until_state("group", "parked")
    assert "unreachable" in tree.facts("group")["last_error"]
    assert tree.ask("b") == 1
    tree.crash_and_await_restart("b")
    assert tree.ask("b") == 2, "one crash is tolerated, whatever the group did"


def test_a_parked_group_says_what_crashed_and_how_often_outlives_its_supervisor(tree: Tree) -> None:
    tree.start(parkable(tree, tree.probe("x"), policy=Policy(intensity=1)))
    tree.crash_and_await_restart("x")
    tree.crash("x")
    tree.until_state("group", "parked")
    error = tree.facts("group")["last_error"]
    assert error == "group: more than 1 restarts in 30 s, the last of x, by ValueError('a bug')"
    tree.clock.advance(60.0)
    tree.until_state("group", "running")
    assert (tree.facts("x")["restarts"], tree.facts("x")["last_error"]) == (1, "ValueError: a bug")
