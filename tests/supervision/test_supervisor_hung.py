"""Children that overrun their deadline are given up and replaced; the threads that still hang are counted."""

import pytest

from actors.base import EXIT_ZOMBIES, Fatal
from actors.child import Policy, terminate_child
from actors.dead_letters import Lost
from actors.exits import ExitReport, Hung
from supervisor import Supervisor
from tests.supervision.probe import START_S, Hang, Probe, Tree, note
from tests.until import until


def test_a_hung_child_is_reported_with_its_stack_fenced_and_replaced_p26(tree: Tree) -> None:
    tree.start(tree.probe("a", deadline_s=30.0), tree.probe("b"))
    hung = tree.address("a").actor
    hang = tree.hang("a")
    tree.tell("a", note("for the successor"))
    tree.clock.advance(30.0)
    tree.settle()
    assert tree.facts("a")["incarnation"] == 1, "not yet"
    tree.clock.advance(2.0)
    assert tree.incarnations("a", "b") == [2, 1]
    report = tree.reports[0]
    assert (report.child, report.incarnation, report.message) == ("a", 1, hang.message)
    assert isinstance(report.reason, Hung)
    assert "in wait" in report.reason.__notes__[0]
    assert isinstance(hung, Probe)
    assert hung.interrupted == 1
    assert tree.facts("a")["zombies"] == 1
    assert [(letter.message, letter.reason) for letter in tree.dead_letters.recent()] == [(hang.message, Lost.HUNG)]
    tree.tell("a", note("later"))
    hang.end()
    assert hung.gone.wait(START_S)
    tree.settle()
    assert tree.facts("a")["zombies"] == 0
    assert sorted(tree.journal[3:]) == ["a ended", "for the successor", "later"]
    assert tree.incarnations("a") == [2], "the end of the old incarnation is no end of the new"
    assert tree.dead_letters.count == 1


def test_a_hung_child_takes_no_more_message_while_it_is_given_up_p26(tree: Tree) -> None:
    tree.start(tree.probe("a", deadline_s=5.0))
    hung = tree.address("a").actor
    assert isinstance(hung, Probe)
    was_fenced: list[bool] = []
    tree.on_letter = lambda letter: was_fenced.append(hung.inbox.is_fenced)
    tree.hang("a")
    tree.clock.advance(6.0)
    assert tree.incarnations("a") == [2]
    assert was_fenced == [True]


def test_who_asked_a_child_that_hangs_is_answered_with_its_error_p26(tree: Tree) -> None:
    tree.start(tree.probe("a", deadline_s=30.0))
    hang = Hang()
    tree.hangs.append(hang)

    def pass_time(probe: Probe) -> None:
        probe.hanging = hang
        tree.clock.advance(100.0)
        hang.wait(probe)

    with pytest.raises(Hung):
        tree.ask("a", pass_time)


def test_a_hung_child_counts_as_a_crash_for_its_group(tree: Tree) -> None:
    tree.start(tree.probe("a", deadline_s=5.0), tree.probe("b"), strategy="one_for_all", intensity=1)
    tree.hang("a")
    tree.clock.advance(6.0)
    assert tree.incarnations("a", "b") == [2, 2]
    tree.hang("b")
    tree.clock.advance(20.0)
    tree.settle()
    assert tree.ask("a") == 2


def test_children_that_hang_together_are_all_given_up(tree: Tree) -> None:
    tree.start(*[tree.probe(name, deadline_s=5.0) for name in "abc"])
    for name in "ab":
        tree.hang(name)
    tree.clock.advance(6.0)
    assert tree.incarnations(*"abc") == [2, 2, 1]
    assert tree.hooks.zombies.count() == 2


def test_a_temporary_child_that_hangs_is_given_up_and_forgotten(tree: Tree) -> None:
    tree.start(tree.probe("a", deadline_s=5.0, restart="temporary"))
    tree.hang("a")
    tree.clock.advance(6.0)
    until(lambda: not tree.has("a"))
    assert tree.hooks.zombies.count("a") == 1


def test_a_child_without_a_deadline_may_take_its_time(tree: Tree) -> None:
    tree.start(tree.probe("a", deadline_s=None))
    tree.hang("a")
    tree.clock.advance(10**6)
    tree.settle()
    assert tree.facts("a")["incarnation"] == 1


def test_a_child_that_is_excused_is_left_alone(tree: Tree) -> None:
    excused = {"a"}
    tree.change_hooks(is_excused=lambda actor: actor.address.name in excused)
    tree.start(*[tree.probe(name, deadline_s=5.0) for name in "ab"])
    tree.hang("a")
    tree.hang("b")
    tree.clock.advance(6.0)
    assert tree.incarnations("b") == [2]
    assert tree.facts("a")["incarnation"] == 1
    excused.clear()
    tree.clock.advance(2.0)
    assert tree.incarnations("a") == [2]


def test_too_many_hanging_threads_end_the_tree_with_their_own_exit_code(tree: Tree) -> None:
    tree.change_hooks(zombie_limit=1)
    tree.start(tree.group("group", [tree.probe("x", deadline_s=5.0)]), tree.probe("b"))
    tree.hang("x")
    tree.clock.advance(6.0)
    assert tree.incarnations("x", "b") == [2, 1]
    tree.hang("x")
    tree.clock.advance(6.0)
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Fatal)
    assert tree.root.reason.exit_code == EXIT_ZOMBIES == 71


def test_a_thread_that_comes_back_is_no_zombie_any_more(tree: Tree) -> None:
    tree.change_hooks(zombie_limit=1)
    tree.start(tree.probe("a", deadline_s=5.0), intensity=100)
    for incarnation in range(2, 6):
        hang = tree.hang("a")
        tree.clock.advance(6.0)
        assert tree.incarnations("a") == [incarnation]
        assert tree.hooks.zombies.count("a") == 1
        assert tree.hooks.zombies.count("b") == 0
        hang.end()
        until(lambda: tree.hooks.zombies.count() == 0)
    assert tree.ask("a") == 5


def test_zombies_are_remembered_across_a_restart_of_their_supervisor(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x", deadline_s=5.0), tree.probe("y")], policy=Policy(intensity=1)))
    hang = tree.hang("x")
    tree.clock.advance(6.0)
    assert tree.incarnations("x", "y") == [2, 1]
    tree.crash("y")
    assert tree.incarnations("x", "y") == [3, 2]
    assert tree.facts("group")["incarnation"] == 2
    assert tree.facts("x")["zombies"] == 1
    hang.end()
    until(lambda: tree.facts("x")["zombies"] == 0)
    assert tree.incarnations("x", "y") == [3, 2]


def test_the_late_end_of_a_child_is_none_of_its_successor_in_the_next_group_p24(tree: Tree) -> None:
    """A child without a given address has another one, and counts anew, after its group was restarted."""
    members = [tree.probe("x", shutdown_s=0.0), tree.probe("y")]
    arguments = {"children": members, "policy": Policy(intensity=0), "hooks": tree.hooks}
    tree.start(tree.group("group", [], arguments=arguments))
    group = tree.address("group").actor
    assert isinstance(group, Supervisor)
    tree.addresses |= {name: group.running[name].address for name in "xy"}
    hang, old = tree.hang("x"), tree.address("x").actor
    tree.crash("y")
    tree.until_state("group", "running", after=1)
    hang.end()
    assert isinstance(old, Probe)
    assert old.gone.wait(START_S)
    tree.settle()
    assert tree.states("x", "y") == ["running", "running"]
    assert (tree.facts("x")["incarnation"], tree.facts("x")["restarts"]) == (1, 0)


def test_a_hung_supervisor_is_replaced_and_harms_nothing_of_its_successor_p26(tree: Tree) -> None:
    hang = Hang()
    tree.hangs.append(hang)

    def stuck(report: ExitReport) -> None:
        if report.child == "x":
            hang.wait()

    tree.change_hooks(on_exit=stuck)
    members = [tree.probe("x", restart="transient"), tree.probe("y")]
    tree.start(tree.group("group", members, deadline_s=5.0), tree.probe("b"))
    old = tree.address("group").actor
    tree.ask("x", lambda probe: probe.stop())
    assert hang.entered.wait(START_S)
    tree.clock.advance(6.0)
    assert tree.incarnations("x", "y", "b") == [2, 2, 1]
    hang.end()
    assert isinstance(old, Supervisor)
    assert old.gone.wait(START_S)
    tree.settle()
    assert tree.incarnations("x", "y", "b") == [2, 2, 1]
    assert not tree.address("x").is_closed


def test_a_supervisor_whose_start_took_too_long_starts_nothing_more(tree: Tree) -> None:
    hang, lives = Hang(), iter(range(10))
    tree.hangs.append(hang)

    def only_the_second_is_slow(probe: Probe) -> None:
        if next(lives) == 1:
            hang.wait()

    members = [tree.probe("x", on_init=only_the_second_is_slow), tree.probe("y")]
    tree.start(tree.group("group", members, policy=Policy(intensity=0), start_timeout_s=0.2))
    tree.crash("x")
    tree.until_state("y", "running", after=1)
    assert tree.hooks.zombies.count() > 0
    y = tree.facts("y")["incarnation"]
    hang.end()
    until(lambda: tree.hooks.zombies.count() == 0)
    tree.settle()
    assert tree.facts("y")["incarnation"] == y
    assert tree.facts("group")["incarnation"] == 3
    assert tree.journal.count("y began") == 2


def test_a_supervisor_that_hung_in_a_restart_does_not_go_on_with_it(tree: Tree) -> None:
    hang, lives = Hang(), iter(range(10))
    tree.hangs.append(hang)

    def only_the_second_is_slow(probe: Probe) -> None:
        if next(lives) == 1:
            hang.wait()

    members = [tree.probe("x", on_init=only_the_second_is_slow), tree.probe("y")]
    tree.start(tree.group("group", members, policy=Policy(strategy="one_for_all"), deadline_s=5.0))
    old = tree.address("group").actor
    tree.crash("x")
    assert hang.entered.wait(START_S)
    tree.clock.advance(6.0)
    tree.until_state("y", "running", after=1)
    hang.end()
    assert isinstance(old, Supervisor)
    assert old.gone.wait(START_S)
    tree.settle()
    assert tree.facts("group")["incarnation"] == 2
    assert tree.incarnations("x", "y") == [3, 2]
    assert [report.child for report in tree.reports] == ["x", "group"]


def test_a_child_that_hangs_while_it_is_terminated_is_a_zombie(tree: Tree) -> None:
    tree.start(tree.probe("a", shutdown_s=0.05))
    hang = tree.hang("a")
    terminate_child(tree.root_address, "a", timeout_s=START_S)
    assert tree.states("a") == ["stopped"]
    assert tree.facts("a")["zombies"] == 1
    hang.end()
    until(lambda: tree.facts("a")["zombies"] == 0)


def test_deadlines_are_looked_at_as_often_as_the_policy_says_also_after_restarts(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x", deadline_s=5.0)], policy=Policy(intensity=0, check_every_s=1.0)))
    for incarnation in range(2, 5):
        tree.crash("x")
        assert tree.incarnations("x") == [incarnation]
    tree.hang("x")
    for _ in range(5):
        tree.clock.advance(1.0)
        tree.settle()
    assert tree.facts("x")["incarnation"] == 4
    tree.clock.advance(1.0)
    tree.until_state("x", "running", after=4)
