"""How a tree starts: in order, each child after the one before it, all of them or none."""

import threading
from collections.abc import Callable
from typing import Any, cast

import pykka
import pytest

from actors.address import Mailbox
from actors.base import Fatal, Ignore
from actors.child import BadChild, Child, DidNotStart, Policy, StartChild, restart_child, start_child
from actors.exits import FailedToStart
from actors.restarts import Backoff
from supervisor import Supervisor, start_root, stop_root
from tests.supervision.probe import AT_ONCE, START_S, Hang, Probe, Switch, Tree, fail, note
from tests.until import until


def test_each_child_begins_after_the_one_before_it_has_p1(tree: Tree) -> None:
    def slow(probe: Probe) -> None:
        until(lambda: "a began" in tree.journal)

    tree.start(tree.probe("a"), tree.probe("b", on_init=slow), tree.probe("c"))
    assert tree.journal == ["a began", "b began", "c began"]
    assert tree.root.count_children() == {"specs": 3, "active": 3, "supervisors": 0, "workers": 3}


def test_no_child_is_started_before_the_one_before_it_is_ready_p1(tree: Tree) -> None:
    hang = Hang()
    starting = threading.Thread(target=tree.start, args=(tree.probe("a", on_init=hang.wait), tree.probe("b")))
    starting.start()
    assert hang.entered.wait(START_S)
    assert tree.address("b").actor is None
    hang.end()
    starting.join(START_S)
    assert tree.journal == ["a began", "b began"]


def test_a_child_that_fails_its_first_start_stops_the_others_and_is_named_p2(tree: Tree) -> None:
    with pytest.raises(FailedToStart, match=r"c could not start: ValueError\('a bug'\)") as raised:
        tree.start(*map(tree.probe, "ab"), tree.probe("c", on_init=fail(ValueError("a bug")).action), tree.probe("d"))
    assert tree.journal == ["a began", "b began", "b ended", "a ended"]
    assert tree.restarted == []
    assert isinstance(raised.value.__cause__, ValueError)


def test_a_system_exit_during_the_first_start_stops_the_others_too_p2(tree: Tree) -> None:
    with pytest.raises(FailedToStart, match="SystemExit"):
        tree.start(tree.probe("a"), tree.probe("b", on_init=fail(SystemExit(1)).action))
    assert tree.journal == ["a began", "a ended"]


def test_a_group_that_cannot_start_fails_the_start_of_all_p2(tree: Tree) -> None:
    broken = tree.probe("x", on_init=fail(ValueError("a bug")).action)
    with pytest.raises(FailedToStart, match=r"group could not start: .*x could not start: .*a bug"):
        tree.start(tree.probe("a"), tree.group("group", [broken]))
    assert tree.journal == ["a began", "a ended"]


def test_what_no_restart_mends_is_raised_by_the_first_start_as_it_is(tree: Tree) -> None:
    in_use = fail(Fatal("the node's name is taken", exit_code=3)).action
    with pytest.raises(Fatal) as raised:
        tree.start(tree.probe("a"), tree.group("group", [tree.probe("x", on_init=in_use)]))
    assert raised.value.exit_code == 3
    assert tree.journal == ["a began", "a ended"]


def test_a_child_that_does_not_come_up_in_time_fails_the_start(tree: Tree) -> None:
    hang = Hang()
    with pytest.raises(FailedToStart, match="slow could not start"):
        tree.start(tree.probe("a"), tree.probe("slow", on_init=hang.wait, start_timeout_s=0.05))
    assert tree.journal == ["a began", "a ended"]
    assert tree.hooks.zombies.count("slow") == 1
    hang.end()
    until(lambda: tree.hooks.zombies.count() == 0)


def test_a_child_that_comes_up_too_late_makes_way_for_its_successor(tree: Tree) -> None:
    hang, lives = Hang(), iter(range(10))

    def only_the_second_is_slow(probe: Probe) -> None:
        if next(lives) == 1:
            hang.wait()

    child = tree.probe("a", on_init=only_the_second_is_slow, start_timeout_s=0.2, mailbox=Mailbox(while_down="refuse"))
    tree.start(child)
    tree.crash("a")
    until(lambda: tree.facts("a")["incarnation"] == 3 and tree.facts("a")["state"] == "running")
    assert tree.facts("a")["zombies"] == 1
    tree.journal.clear()
    hang.end()
    until(lambda: tree.facts("a")["zombies"] == 0)
    tree.tell("a", note("for the successor"))
    assert tree.ask("a") == 3
    assert tree.journal == ["a began", "a ended", "for the successor"]
    assert tree.facts("a")["restarts"] == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda tree: Policy().check([tree.probe("a"), tree.probe("a")]),
        lambda tree: tree.probe("a", restart="sometimes"),
        lambda tree: tree.probe("a", deadline_s=-1.0),
        lambda tree: tree.probe("a", start_timeout_s=-1.0),
        lambda tree: tree.probe("a", shutdown_s=-1.0),
        lambda tree: tree.probe("a", restart="permanent", is_significant=True),
        lambda tree: Policy().check([tree.probe("a", restart="transient", is_significant=True)]),
        lambda tree: Policy(strategy=cast(Any, "all_for_one")),
        lambda tree: Policy(auto_shutdown=cast(Any, "sometimes")),
        lambda tree: Policy(intensity=-1),
        lambda tree: Policy(period_s=0.0),
        lambda tree: Policy(check_every_s=0.0),
    ],
)
def test_a_senseless_specification_is_refused_p3(tree: Tree, make: Callable[[Tree], object]) -> None:
    with pytest.raises(BadChild):
        make(tree)


@pytest.mark.parametrize(
    "options",
    [
        {"min_s": -1.0},
        {"min_s": 2.0, "max_s": 1.0},
        {"jitter": -0.1},
        {"stable_after_s": -1.0},
        {"max_restarts": -1},
    ],
)
def test_a_senseless_back_off_is_refused_p3(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="back-off"):
        Backoff(**options)


def test_children_that_cannot_be_kept_together_are_refused_before_any_starts_p3(tree: Tree) -> None:
    significant = tree.probe("b", restart="transient", is_significant=True)
    with pytest.raises(BadChild, match="given twice"):
        tree.start(tree.probe("a"), tree.probe("b"), tree.probe("a"))
    with pytest.raises(BadChild, match="auto_shutdown is never"):
        tree.start(tree.probe("a"), significant)
    assert tree.journal == []
    tree.start(tree.probe("a"))
    with pytest.raises(BadChild, match="auto_shutdown is never"):
        start_child(tree.root_address, significant, timeout_s=START_S)
    assert tree.journal == ["a began"]
    assert not tree.has("b")


def test_a_child_with_nothing_to_do_is_not_started_and_that_is_no_failure(tree: Tree) -> None:
    switch = Switch(Ignore())
    switch.is_on = True
    tree.start(tree.probe("a", on_init=switch), tree.probe("b"))
    assert tree.states("a", "b") == ["stopped", "running"]
    assert tree.root.count_children()["active"] == 1
    assert tree.address("a").is_closed
    assert tree.reports == []
    switch.is_on = False
    restart_child(tree.root_address, "a", timeout_s=START_S)
    assert tree.ask("a") == tree.facts("a")["incarnation"]


def test_a_child_that_finds_nothing_to_do_when_restarted_stays_stopped(tree: Tree) -> None:
    switch = Switch(Ignore())
    tree.start(tree.probe("a", on_init=switch), tree.probe("b"), intensity=1)
    switch.is_on = True
    tree.crash("a")
    until(lambda: tree.facts("a")["state"] == "stopped")
    tree.clock.advance(1000.0)
    tree.settle()
    assert tree.journal == ["a began", "b began", "a ended by ValueError"]
    assert len(tree.reports) == 1
    assert tree.address("a").is_closed


def test_a_temporary_child_with_nothing_to_do_is_forgotten(tree: Tree) -> None:
    tree.start()
    idle = tree.probe("a", on_init=fail(Ignore()).action, restart="temporary")
    address = tree.root_address.ask(StartChild(child=idle), timeout_s=START_S)
    assert address.is_closed
    assert not tree.has("a")


class Threadless(Probe):
    """Whose thread cannot be started while `is_on`."""

    is_on = False

    def _start_actor_loop(self) -> None:
        if Threadless.is_on:
            raise RuntimeError("can't start new thread")
        super()._start_actor_loop()


def test_where_no_thread_can_be_started_the_restart_is_tried_again(tree: Tree) -> None:
    tree.start(Child(name="a", actor=Threadless, arguments={"journal": tree.journal}, backoff=Backoff(min_s=1.0)))
    Threadless.is_on = True
    try:
        tree.crash_down("a")
        tree.clock.advance(1.3)
        until(lambda: len(tree.reports) == 2)
        tree.settle()
    finally:
        Threadless.is_on = False
    assert str(tree.reports[1].reason) == "can't start new thread"
    tree.clock.advance(2.6)
    tree.until_state("a", "running")
    tree.ask("a")
    assert tree.hooks.zombies.count() == 0
    assert len(pykka.ActorRegistry.get_by_class(Threadless)) == 1, "who never ran is not kept"


def test_where_no_thread_can_be_started_a_new_child_is_refused(tree: Tree) -> None:
    tree.start()
    Threadless.is_on = True
    try:
        with pytest.raises(DidNotStart, match="can't start new thread"):
            start_child(
                tree.root_address,
                Child(name="a", actor=Threadless, arguments={"journal": tree.journal}, backoff=AT_ONCE),
                timeout_s=START_S,
            )
    finally:
        Threadless.is_on = False
    assert not tree.has("a")


def test_a_child_whose_constructor_fails_fails_the_start(tree: Tree) -> None:
    with pytest.raises(FailedToStart, match="nonsense"):
        tree.start(tree.probe("a"), Child(name="b", actor=Probe, arguments={"nonsense": 1}))
    assert tree.journal == ["a began", "a ended"]


def test_the_root_of_a_program_starts_and_says_whether_it_ended_in_time(tree: Tree) -> None:
    root = start_root(Supervisor, tree.arguments([tree.probe("a", shutdown_s=START_S)], Policy()))
    hang = Hang()
    tree.tell("a", hang.message)
    assert hang.entered.wait(START_S)
    assert not stop_root(root, timeout_s=0.05)
    hang.end()
    assert stop_root(root, timeout_s=START_S)
