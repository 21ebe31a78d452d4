"""One for one: who is started, restarted and stopped, and what is told of it."""

from typing import Any

import pytest

from actors.base import Address, Fatal
from actors.messages import Exited
from supervisor import Child, Escalated, FailedToStart, Supervisor, start_root, stop_root
from tests.actors.probe import START_S, Do, Hang, Probe, Switch, Tree, fail, leave, note
from tests.until import until


def test_children_start_in_order_and_stop_in_reverse(tree: Tree) -> None:
    tree.start(*[tree.probe(name) for name in "abc"])
    assert tree.journal == ["a began", "b began", "c began"]
    tree.stop()
    assert tree.journal[3:] == ["c ended", "b ended", "a ended"]
    assert tree.root.reason is None


def test_a_child_that_fails_its_first_start_stops_the_others_and_is_named(tree: Tree) -> None:
    with pytest.raises(FailedToStart, match="c could not start: a bug"):
        tree.start(tree.probe("a"), tree.probe("b"), tree.probe("c", on_init=fail(ValueError("a bug")).action))
    assert tree.journal == ["a began", "b began", "b ended", "a ended"]
    assert tree.restarted == []


def test_a_system_exit_during_the_first_start_stops_the_others_too(tree: Tree) -> None:
    with pytest.raises(FailedToStart, match="SystemExit"):
        tree.start(tree.probe("a"), tree.probe("b", on_init=fail(SystemExit(1)).action))
    assert tree.journal == ["a began", "a ended"]


def test_a_child_that_does_not_come_up_in_time_fails_the_start(tree: Tree) -> None:
    hang = Hang()
    with pytest.raises(FailedToStart, match="slow could not start"):
        tree.start(tree.probe("slow", on_init=hang.wait, start_timeout_s=0.05))
    hang.end()


def test_a_name_may_be_given_once(tree: Tree) -> None:
    twice = tree.probe("a")
    with pytest.raises(ValueError, match="given twice"):
        tree.start(twice, twice)
    assert tree.journal == []


@pytest.mark.parametrize(
    "options",
    [{"deadline_s": -1.0}, {"shutdown_s": -1.0}, {"min_backoff_s": 2.0, "max_backoff_s": 1.0}, {"capacity": 0}],
)
def test_a_senseless_child_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="child a"):
        Child(name="a", actor=Probe, **options)


def test_a_child_that_does_not_stop_in_time_is_left_behind(tree: Tree) -> None:
    hang = Hang()
    tree.start(tree.probe("a"), tree.probe("stuck", shutdown_s=0.05), tree.probe("c"))
    tree.tell("stuck", hang.message)
    assert hang.entered.wait(START_S)
    tree.stop()
    assert [line for line in tree.journal if "ended" in line] == ["c ended", "a ended"]
    stuck = tree.root.running["stuck"]
    assert stuck.zombies == 1
    hang.end()
    until(lambda: stuck.zombies == 0)


def test_a_stop_cuts_what_a_handler_waits_for(tree: Tree) -> None:
    class Waiting(Probe):
        hang = Hang()

        def interrupt(self) -> None:
            self.hang.end()

    address = Address("a")
    tree.addresses["a"] = address
    tree.start(Child(name="a", actor=Waiting, arguments={"journal": tree.journal}, shutdown_s=START_S))
    address.tell(Waiting.hang.message)
    assert Waiting.hang.entered.wait(START_S)
    tree.stop()
    assert tree.journal[-1] == "a ended"


def test_a_stop_of_the_root_says_whether_it_ended_in_time(tree: Tree) -> None:
    hang = Hang()
    root = start_root(Supervisor, tree.arguments([tree.probe("a", shutdown_s=START_S)]))
    tree.tell("a", hang.message)
    assert hang.entered.wait(START_S)
    assert not stop_root(root, timeout_s=0.05)
    hang.end()
    assert stop_root(root, timeout_s=START_S)


def test_one_for_one_restarts_only_the_child_that_crashed(tree: Tree) -> None:
    tree.start(*[tree.probe(name) for name in "abc"])
    tree.crash_and_await_restart("b")
    assert [tree.ask(name) for name in "abc"] == [1, 2, 1]
    assert tree.journal[3:] == ["b ended by ValueError", "b began"]
    assert tree.restarted == ["b"]


def test_a_crash_is_reported_with_all_its_facts(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    message = fail(ValueError("a bug"))
    tree.tell("a", message)
    until(lambda: tree.reports)
    report = tree.reports[0]
    assert (report.child, report.incarnation, report.message) == ("a", 1, message)
    assert isinstance(report.reason, ValueError)
    assert report.reason.__traceback__ is not None
    assert report.correlation_id


def test_a_question_that_crashes_its_actor_has_it_restarted(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    with pytest.raises(ValueError, match="a bug"):
        tree.ask("a", fail(ValueError("a bug")).action)
    assert tree.ask("a") == 2


def test_a_system_exit_ends_one_incarnation_and_nothing_else(tree: Tree) -> None:
    tree.start(tree.probe("a"), tree.probe("b"))
    tree.tell("a", fail(SystemExit(1)))
    assert tree.ask("a") == 2
    assert tree.ask("b") == 1


def test_the_successor_goes_on_with_the_mailbox_and_without_the_message_that_crashed(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    tree.root_address.is_holding = True
    tree.crash("a")
    until(lambda: tree.reports)
    tree.tell("a", note("one"))
    tree.tell("a", note("two"))
    assert tree.facts("a")["inbox"] == 2
    tree.root_address.release()
    until(lambda: tree.journal == ["a began", "a ended by ValueError", "a began", "one", "two"])


@pytest.mark.parametrize(
    ("restart", "message", "is_restarted"),
    [
        ("permanent", leave(), True),
        ("permanent", fail(ValueError()), True),
        ("transient", leave(), False),
        ("transient", fail(ValueError()), True),
        ("temporary", leave(), False),
        ("temporary", fail(ValueError()), False),
    ],
)
def test_who_is_restarted_after_which_end(tree: Tree, restart: Any, message: Do, is_restarted: bool) -> None:
    tree.start(tree.probe("a", restart=restart))
    tree.tell("a", message)
    until(lambda: tree.facts("a")["state"] == "ended" or tree.facts("a")["restarts"] == 1)
    assert (tree.facts("a")["restarts"] == 1) is is_restarted


def test_a_report_of_an_earlier_incarnation_is_ignored(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    tree.crash_and_await_restart("a")
    late = Exited(child="a", incarnation=1, reason=ValueError(), message=None, correlation_id="")
    tree.root_address.tell(late, urgent=True)
    tree.crash_and_await_restart("a")
    assert tree.ask("a") == 3
    assert len(tree.reports) == 2


def test_the_restart_delay_doubles_up_to_its_limit(tree: Tree) -> None:
    tree.start(tree.probe("a", min_backoff_s=0.1, max_backoff_s=0.5), intensity=100)
    for _ in range(5):
        tree.crash_and_await_restart("a")
    assert tree.root_address.delays_s == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_the_jitter_of_a_restart_is_a_fifth_at_most(tree: Tree) -> None:
    tree.jitter = 1.0
    tree.start(tree.probe("a", min_backoff_s=0.1))
    tree.crash_and_await_restart("a")
    assert tree.root_address.delays_s == [pytest.approx(0.12)]


def test_the_delay_starts_anew_after_a_stable_life(tree: Tree) -> None:
    tree.start(tree.probe("a", min_backoff_s=0.1, stable_after_s=60.0), intensity=100)
    tree.crash_and_await_restart("a")
    tree.crash_and_await_restart("a")
    tree.clock.ahead_s = 61.0
    tree.crash_and_await_restart("a")
    assert tree.root_address.delays_s == [0.1, 0.2, 0.1]


def test_as_many_restarts_as_the_intensity_are_tolerated_and_one_more_ends_the_supervisor(tree: Tree) -> None:
    tree.clock.stopped_at_s = 0.0
    tree.start(tree.probe("a"), tree.probe("b"), tree.probe("c"), intensity=3)
    for _ in range(3):
        tree.crash_and_await_restart("b")
    tree.clock.stopped_at_s = 30.0  # restarts exactly as old as the period still count
    tree.journal.clear()
    tree.crash("b")
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Escalated)
    assert tree.journal == ["b ended by ValueError", "c ended", "a ended"]


def test_restarts_that_are_far_apart_never_end_the_supervisor(tree: Tree) -> None:
    tree.clock.stopped_at_s = 0.0
    tree.start(tree.probe("a"), intensity=1)
    for _ in range(6):
        tree.crash_and_await_restart("a")
        tree.clock.stopped_at_s += 30.1
    assert not tree.root.gone.is_set()


def test_every_failed_start_counts_as_a_restart(tree: Tree) -> None:
    switch = Switch()
    tree.start(tree.probe("a", on_init=switch), intensity=3)
    switch.is_on = True
    tree.crash("a")
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Escalated)
    assert [type(report.reason) for report in tree.reports] == [ValueError, OSError, OSError, OSError]


def test_a_stop_is_obeyed_between_two_starts_that_fail(tree: Tree) -> None:
    switch = Switch()
    tree.start(tree.probe("a", on_init=switch), intensity=10**9)
    switch.is_on = True
    tree.crash("a")
    until(lambda: len(tree.restarted) > 3)
    assert stop_root(tree.root, timeout_s=START_S)
    assert tree.root.reason is None


def test_a_child_that_comes_up_again_after_failed_starts_is_well(tree: Tree) -> None:
    switch = Switch()
    tree.start(tree.probe("a", on_init=switch), intensity=10**9)
    switch.is_on = True
    tree.crash("a")
    until(lambda: len(tree.restarted) > 3)
    switch.is_on = False
    tree.ask("a")
    until(lambda: tree.facts("a")["state"] == "running")
    assert "OSError: no socket" in tree.facts("a")["last_error"]


def test_what_no_restart_mends_ends_the_tree_with_its_exit_code(tree: Tree) -> None:
    inner = tree.probe("inner")
    tree.start(tree.group("group", [inner]))
    tree.tell("inner", fail(Fatal("the node's name is taken", exit_code=3)))
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Fatal)
    assert tree.root.reason.exit_code == 3
