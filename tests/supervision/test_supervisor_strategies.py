"""Who is stopped and started together with a child that crashed, and what may come between."""

import pytest

from actors.child import RestartChild, Strategy, delete_child, start_child, terminate_child
from actors.messages import RestartDue
from actors.restarts import Backoff
from tests.supervision.probe import START_S, Hang, Switch, Tree, leave, note
from tests.until import until

SLOWLY = Backoff(min_s=10.0, jitter=0.0)


def test_one_for_one_restarts_only_the_child_that_crashed_p9(tree: Tree) -> None:
    tree.start(*map(tree.probe, "abc"))
    tree.crash_and_await_restart("b")
    assert tree.incarnations(*"abc") == [1, 2, 1]
    assert tree.journal[3:] == ["b ended by ValueError", "b began"]
    assert tree.restarted == ["b"]


def test_one_for_all_stops_all_in_reverse_and_starts_all_in_order_p10(tree: Tree) -> None:
    tree.start(*map(tree.probe, "abc"), strategy="one_for_all")
    tree.crash("b")
    assert tree.incarnations(*"abc") == [2, 2, 2]
    assert tree.journal[3:] == ["b ended by ValueError", "c ended", "a ended", "a began", "b began", "c began"]
    assert tree.restarted == ["a", "b", "c"]


def test_rest_for_one_restarts_the_child_and_those_after_it_p11(tree: Tree) -> None:
    tree.start(*map(tree.probe, "abcd"), strategy="rest_for_one")
    tree.crash("b")
    assert tree.incarnations(*"abcd") == [1, 2, 2, 2]
    assert tree.journal[4:] == ["b ended by ValueError", "d ended", "c ended", "b began", "c began", "d began"]


@pytest.mark.parametrize(("strategy", "alive"), [("one_for_all", []), ("rest_for_one", ["t"])])
def test_a_temporary_sibling_is_stopped_with_its_group_and_not_brought_back_p12(
    tree: Tree, strategy: Strategy, alive: list[str]
) -> None:
    tree.start(
        tree.probe("t", restart="temporary"),
        tree.probe("a"),
        tree.probe("u", restart="temporary"),
        tree.probe("b"),
        strategy=strategy,
    )
    tree.crash("a")
    assert tree.incarnations("a", "b") == [2, 2]
    assert [name for name in "tu" if tree.has(name)] == alive
    assert tree.address("u").is_closed
    assert "u ended" in tree.journal


def test_one_for_all_is_tried_again_as_a_whole_when_one_fails_to_come_up_p13(tree: Tree) -> None:
    switch = Switch()
    tree.start(*map(tree.probe, "ab"), tree.probe("c", on_init=switch, backoff=SLOWLY), tree.probe("d"),
               strategy="one_for_all")  # fmt: skip
    switch.is_on = True
    tree.crash("a")
    until(lambda: len(tree.reports) == 2)
    tree.settle()
    assert tree.journal[4:] == [
        "a ended by ValueError", "d ended", "c ended", "b ended", "a began", "b began", "b ended", "a ended",
    ]  # fmt: skip
    assert tree.states(*"abcd") == ["restarting"] * 4
    switch.is_on = False
    tree.clock.advance(10.0)
    assert tree.incarnations(*"abcd") == [3, 3, 3, 2]
    assert tree.journal[12:] == ["a began", "b began", "c began", "d began"]


def test_rest_for_one_goes_on_from_the_one_that_fails_to_come_up_p13(tree: Tree) -> None:
    switch = Switch()
    tree.start(*map(tree.probe, "ab"), tree.probe("c", on_init=switch, backoff=SLOWLY), tree.probe("d"),
               strategy="rest_for_one")  # fmt: skip
    switch.is_on = True
    tree.crash("a")
    until(lambda: len(tree.reports) == 2)
    tree.settle()
    assert tree.states(*"abcd") == ["running", "running", "restarting", "restarting"]
    switch.is_on = False
    tree.clock.advance(10.0)
    assert tree.incarnations(*"abcd") == [2, 2, 3, 2]
    assert tree.journal[-4:] == ["a began", "b began", "c began", "d began"]


def test_a_sibling_that_had_ended_earlier_is_started_with_its_group(tree: Tree) -> None:
    tree.start(tree.probe("a"), tree.probe("b", restart="transient"), tree.probe("c"), strategy="one_for_all")
    tree.tell("b", leave())
    until(lambda: tree.facts("b")["state"] == "stopped")
    terminate_child(tree.root_address, "c", timeout_s=START_S)
    assert tree.address("b").is_closed
    tree.crash("a")
    until(lambda: tree.states(*"abc") == ["running"] * 3)
    assert tree.incarnations(*"abc") == [2, 2, 2]


def test_siblings_that_crash_at_once_are_one_restart_and_each_is_reported_with_its_message(tree: Tree) -> None:
    tree.start(*map(tree.probe, "abc"), strategy="one_for_all", intensity=1)
    hang = Hang(ValueError("a bug"))
    tree.hangs.append(hang)
    for name in "abc":
        tree.tell(name, hang.message)
        until(lambda name=name: tree.facts(name)["message"] == "Do")  # type: ignore[misc]
    hang.end()
    assert tree.incarnations(*"abc") == [2, 2, 2]
    assert sorted(report.child for report in tree.reports) == ["a", "b", "c"]
    assert all(report.message == hang.message for report in tree.reports)
    assert tree.dead_letters.count == 3


def test_a_crash_of_an_earlier_sibling_takes_over_a_restart_that_is_due(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=SLOWLY), tree.probe("b", backoff=SLOWLY), tree.probe("c"),
               strategy="rest_for_one")  # fmt: skip
    tree.crash_down("b")
    tree.clock.advance(6.0)
    tree.crash_down("a")
    tree.journal.clear()
    tree.clock.advance(5.0)  # when b's was due
    tree.settle()
    assert tree.journal == []
    assert tree.states(*"abc") == ["restarting"] * 3
    tree.clock.advance(5.0)
    assert tree.incarnations(*"abc") == [2, 2, 2]
    assert tree.journal == ["a began", "b began", "c began"]


def test_a_ticket_that_is_not_valid_any_more_starts_nothing(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=SLOWLY), tree.probe("b"))
    tree.crash_down("a")
    for ticket in (-1, 0, (tree.root.running["a"].ticket or 0) - 1):
        tree.root_address.tell(RestartDue(child="a", ticket=ticket), urgent=True)
    tree.settle()
    assert tree.states("a", "b") == ["restarting", "running"]
    assert tree.incarnations("b") == [1]


def test_a_child_added_while_a_group_waits_is_left_alone_by_its_restart(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=SLOWLY), tree.probe("b"), strategy="one_for_all")
    tree.crash_down("a")
    tree.addresses["c"] = start_child(tree.root_address, tree.probe("c"), timeout_s=START_S)
    tree.clock.advance(10.0)
    assert tree.incarnations(*"abc") == [2, 2, 1]
    assert tree.hooks.zombies.count() == 0


def test_who_is_stopped_by_hand_while_its_group_waits_stays_stopped_and_the_rest_comes_back(tree: Tree) -> None:
    tree.start(tree.probe("a", backoff=SLOWLY), *map(tree.probe, "bc"), strategy="one_for_all")
    tree.crash_down("a")
    terminate_child(tree.root_address, "a", timeout_s=START_S)
    delete_child(tree.root_address, "a", timeout_s=START_S)
    terminate_child(tree.root_address, "b", timeout_s=START_S)
    tree.clock.advance(10.0)
    until(lambda: tree.states("b", "c") == ["stopped", "running"])
    assert tree.ask("c") == 2


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_a_forced_restart_touches_no_sibling(tree: Tree, strategy: Strategy) -> None:
    tree.start(*map(tree.probe, "ab"), tree.probe("c", restart="transient"), strategy=strategy)
    tree.tell("c", leave())
    until(lambda: tree.facts("c")["state"] == "stopped")
    tree.root_address.ask(RestartChild(name="a", is_forced=True), timeout_s=START_S)
    until(lambda: tree.states(*"abc") == ["running", "running", "stopped"])
    assert tree.incarnations("a", "b") == [2, 1]


def test_a_child_that_crashes_while_its_group_stops_is_reported_with_its_message(tree: Tree) -> None:
    tree.start(tree.probe("a"), tree.probe("b", shutdown_s=START_S), strategy="one_for_all")
    hang = tree.hang("b", ValueError("cut off"), is_interruptible=True)
    tree.crash("a")
    assert tree.incarnations("a", "b") == [2, 2]
    assert [(report.child, report.message) for report in tree.reports][1:] == [("b", hang.message)]
    assert [letter.message for letter in tree.dead_letters.recent()][1:] == [hang.message]
    assert tree.journal[2:] == ["a ended by ValueError", "b ended by ValueError", "a began", "b began"]


def test_the_successor_handles_what_waited_but_not_the_message_that_crashed(tree: Tree) -> None:
    tree.start(*map(tree.probe, "ab"), strategy="one_for_all")
    tree.hang("b", is_interruptible=True)
    tree.tell("b", note("one"))
    tree.tell("b", note("two"))
    tree.crash("a")
    until(lambda: tree.journal[-2:] == ["one", "two"])
    assert tree.ask("b") == 2
