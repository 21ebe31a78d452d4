"""Children that come and go by request, and what becomes of their addresses."""

import gc
import time
import weakref
from collections.abc import Callable

import pykka
import pytest

from actors.address import Address, AddressDown
from actors.child import (
    AlreadyPresent,
    AlreadyStarted,
    Child,
    DidNotStart,
    NotFound,
    RestartChild,
    StillRestarting,
    StillRunning,
    delete_child,
    restart_child,
    start_child,
    terminate_child,
)
from actors.exits import Escalated
from actors.messages import Terminated
from actors.restarts import Backoff
from tests.supervision.probe import START_S, Probe, Switch, Tree, leave, note
from tests.until import until

SLOWLY = Backoff(min_s=10.0, jitter=0.0)


def add(tree: Tree, child: Child) -> Address:
    address = start_child(tree.root_address, child, timeout_s=START_S)
    tree.addresses[child.name] = address
    return address


def terminate(tree: Tree, name: str) -> None:
    terminate_child(tree.root_address, name, timeout_s=START_S)


def delete(tree: Tree, name: str) -> None:
    delete_child(tree.root_address, name, timeout_s=START_S)


def restart(tree: Tree, name: str) -> None:
    restart_child(tree.root_address, name, timeout_s=START_S)


def force(tree: Tree, name: str) -> None:
    answer = tree.root_address.ask(RestartChild(name=name, is_forced=True), timeout_s=START_S)
    if answer is not None:
        raise answer


def test_a_child_is_stopped_started_again_and_deleted_by_its_name_p20(tree: Tree) -> None:
    tree.start(*map(tree.probe, "ab"))
    terminate(tree, "a")
    assert tree.journal[2:] == ["a ended"]
    assert tree.states("a", "b") == ["stopped", "running"]
    tree.clock.advance(1000.0)
    tree.settle()
    assert tree.restarted == []
    restart(tree, "a")
    assert tree.incarnations("a", "b") == [2, 1]
    terminate(tree, "a")
    terminate(tree, "a")
    delete(tree, "a")
    assert not tree.has("a")
    assert tree.root.count_children() == {"specs": 1, "active": 1, "supervisors": 0, "workers": 1}


def test_a_child_is_added_restarted_like_any_other_and_counts_among_them_p20(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    address = add(tree, tree.probe("b"))
    assert address.name == "b"
    tree.crash_and_await_restart("b")
    assert tree.incarnations("a", "b") == [1, 2]
    assert tree.root.count_children() == {"specs": 2, "active": 2, "supervisors": 0, "workers": 2}
    tree.stop()
    assert tree.journal[-2:] == ["b ended", "a ended"]


@pytest.mark.parametrize("change", [terminate, restart, delete, force])
def test_a_child_that_nobody_knows_is_not_found_p20(tree: Tree, change: Callable[[Tree, str], None]) -> None:
    tree.start()
    with pytest.raises(NotFound, match="there is no child a"):
        change(tree, "a")


def test_a_running_child_is_neither_started_nor_restarted_nor_deleted_p20(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    with pytest.raises(AlreadyStarted):
        add(tree, tree.probe("a"))
    with pytest.raises(StillRunning):
        restart(tree, "a")
    with pytest.raises(StillRunning):
        delete(tree, "a")
    assert tree.incarnations("a") == [1]


def test_a_child_that_waits_for_its_restart_is_neither_started_nor_restarted_nor_deleted_p20(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=SLOWLY))
    tree.crash_down("a")
    with pytest.raises(AlreadyStarted):
        start_child(tree.root_address, tree.probe("a"), timeout_s=START_S)
    with pytest.raises(StillRestarting):
        restart(tree, "a")
    with pytest.raises(StillRestarting):
        delete(tree, "a")
    terminate(tree, "a")
    tree.clock.advance(10.0)
    tree.settle()
    assert tree.states("a") == ["stopped"]
    assert tree.restarted == []


def test_a_stopped_child_is_present_already_p20(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    terminate(tree, "a")
    with pytest.raises(AlreadyPresent):
        start_child(tree.root_address, tree.probe("a"), timeout_s=START_S)


def test_a_temporary_child_that_is_terminated_is_forgotten_p20(tree: Tree) -> None:
    tree.start(tree.probe("a", restart="temporary"))
    terminate(tree, "a")
    assert not tree.has("a")
    with pytest.raises(NotFound):
        delete(tree, "a")


def test_a_new_child_that_cannot_start_is_forgotten_and_its_error_chained_p20(tree: Tree) -> None:
    switch = Switch()
    switch.is_on = True
    tree.start()
    with pytest.raises(DidNotStart, match="a did not start: no socket") as raised:
        add(tree, tree.probe("a", on_init=switch))
    assert isinstance(raised.value.__cause__, OSError)
    assert not tree.has("a")
    assert tree.restarted == []


def test_a_stopped_child_that_cannot_start_stays_stopped_and_nobody_waits_for_it_p20(tree: Tree) -> None:
    switch = Switch()
    tree.start(tree.probe("a", on_init=switch))
    terminate(tree, "a")
    switch.is_on = True
    with pytest.raises(DidNotStart):
        restart(tree, "a")
    assert tree.states("a") == ["stopped"]
    with pytest.raises(AddressDown):
        tree.ask("a")
    switch.is_on = False
    restart(tree, "a")
    tree.ask("a")


def test_a_forced_restart_brings_back_a_child_whatever_its_state(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=SLOWLY))
    force(tree, "a")
    assert tree.incarnations("a") == [2]
    tree.crash_down("a")
    force(tree, "a")
    assert tree.incarnations("a") == [3]
    tree.clock.advance(10.0)
    tree.settle()
    terminate(tree, "a")
    force(tree, "a")
    assert tree.incarnations("a") == [4]
    assert tree.facts("a")["restarts"] == 3


def test_a_forced_restart_that_fails_is_tried_again(tree: Tree) -> None:
    switch = Switch()
    tree.start(tree.probe("a", on_init=switch, backoff=SLOWLY))
    switch.is_on = True
    force(tree, "a")
    until(lambda: len(tree.reports) == 1)
    tree.settle()
    assert tree.states("a") == ["restarting"]
    switch.is_on = False
    tree.clock.advance(10.0)
    tree.until_state("a", "running")


def test_a_temporary_child_is_never_restarted_not_even_by_force(tree: Tree) -> None:
    tree.start()
    add(tree, tree.probe("a", restart="temporary"))
    with pytest.raises(StillRunning):
        force(tree, "a")
    assert tree.incarnations("a") == [1]


def test_the_late_end_of_a_deleted_child_is_none_of_its_namesake(tree: Tree) -> None:
    tree.start()
    add(tree, tree.probe("a", shutdown_s=0.0))
    hang = tree.hang("a")
    old = tree.address("a").actor
    terminate(tree, "a")
    delete(tree, "a")
    add(tree, tree.probe("a"))
    hang.end()
    assert isinstance(old, Probe)
    assert old.gone.wait(START_S)
    tree.settle()
    assert tree.incarnations("a") == [1]
    assert tree.restarted == []


@pytest.mark.parametrize("end", ["ended", "terminated", "deleted", "forgotten"])
def test_who_watches_is_told_once_when_a_child_is_gone_for_good_p43(tree: Tree, end: str) -> None:
    tree.start()
    address = add(tree, tree.probe("a", restart="temporary" if end == "forgotten" else "transient"))
    watcher = Address("watcher")
    address.watch(watcher)
    tree.tell("a", note("handled"))
    if end == "ended":
        tree.tell("a", leave())
        tree.until_state("a", "stopped")
    elif end == "forgotten":
        tree.crash("a")
        until(lambda: not tree.has("a"))
    else:
        terminate(tree, "a")
        if end == "deleted":
            delete(tree, "a")
    until(lambda: watcher.depth == 1)
    assert address.is_closed
    with pytest.raises(AddressDown):
        tree.ask("a")
    tree.stop()
    taken = watcher.take(0.0)
    assert taken is not None
    assert taken.message == Terminated(name="a")
    assert watcher.depth == 0


def test_a_restart_is_no_end_to_who_watches_p43(tree: Tree) -> None:
    tree.start(*map(tree.probe, "ab"), strategy="one_for_all")
    watcher = Address("watcher")
    for name in "ab":
        tree.address(name).watch(watcher)
    tree.crash_and_await_restart("a")
    force(tree, "b")
    assert tree.incarnations("a", "b") == [2, 3]
    assert watcher.depth == 0


def test_the_end_of_a_group_closes_the_addresses_of_all_below_p43(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.group("inner", [tree.probe("x")]), tree.probe("y")]))
    watcher = Address("watcher")
    for name in ("inner", "x", "y"):
        tree.address(name).watch(watcher)
    terminate(tree, "group")
    assert watcher.depth == 3
    with pytest.raises(AddressDown):
        tree.ask("x")
    restart(tree, "group")
    assert tree.incarnations("x", "y") == [2, 2]


def test_dynamic_children_end_for_good_with_their_supervisor(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x")]), intensity=100)
    address = start_child(tree.address("group"), tree.probe("guest"), timeout_s=START_S)
    for _ in range(6):
        tree.crash("x")
        tree.settle()
    assert tree.facts("group")["incarnation"] == 2
    assert not tree.has("guest")
    assert address.is_closed


def test_a_thousand_temporary_children_come_and_go_in_linear_time_and_leave_nothing_p25(tree: Tree) -> None:
    tree.start()
    registered = len(pykka.ActorRegistry.get_all())
    durations_s = []
    for block in range(20):
        begun_at = time.process_time()
        for number in range(50):
            child = tree.probe(f"{block}-{number}", restart="temporary")
            start_child(tree.root_address, child, timeout_s=START_S)
        durations_s.append(time.process_time() - begun_at)
    assert tree.root.count_children()["active"] == 1000
    assert min(durations_s[-5:]) < 4 * min(durations_s[:5]), "the last take as long as the first"
    for running in list(tree.root.running.values()):
        running.address.tell(leave())
    until(lambda: not tree.root.running, timeout_s=30.0)
    until(lambda: len(pykka.ActorRegistry.get_all()) <= registered)
    assert not tree.root.describe()


def test_the_arguments_of_a_temporary_child_are_not_kept_p25(tree: Tree) -> None:
    class Large(list[str]):
        """Something that nobody should keep."""

    tree.start()
    large = Large()
    kept = weakref.ref(large)
    start_child(
        tree.root_address,
        tree.probe("a", restart="temporary", arguments={"journal": large}),
        timeout_s=START_S,
    ).tell(leave())
    del large
    until(lambda: not tree.has("a"))
    tree.settle()

    def is_free() -> bool:
        gc.collect()
        return kept() is None

    until(is_free)


def test_a_running_temporary_child_has_its_arguments_to_itself_p25(tree: Tree) -> None:
    tree.start()
    add(tree, tree.probe("a", restart="temporary"))
    assert tree.root.running["a"].child.arguments == {}
    assert tree.incarnations("a") == [1]


def test_a_lasting_child_keeps_its_arguments_p25(tree: Tree) -> None:
    tree.start()
    add(tree, tree.probe("a", restart="transient"))
    tree.crash_and_await_restart("a")
    assert tree.incarnations("a") == [2]


def test_a_dynamic_child_can_end_its_supervisor_by_crashing_too_often(tree: Tree) -> None:
    tree.start(intensity=1)
    add(tree, tree.probe("a"))
    tree.crash_and_await_restart("a")
    tree.crash("a")
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Escalated)
