"""Children that hang are given up and replaced; groups that crash too often are parked; the tree says so."""

import threading

from supervisor import Hung, Supervisor
from tests.actors.probe import START_S, Hang, Probe, QuickAddress, Switch, Tree, note
from tests.until import until


def test_a_hung_handler_is_reported_with_its_stack_fenced_and_replaced(tree: Tree) -> None:
    hang = Hang()
    tree.start(tree.probe("a", deadline_s=0.05), tree.probe("b", deadline_s=0.05))
    hung = tree.addresses["a"].actor
    tree.tell("a", hang.message)
    tree.tell("a", note("for the successor"))
    assert tree.ask("a") == 2
    assert tree.ask("b") == 1
    report = tree.reports[0]
    assert (report.child, report.incarnation, report.message) == ("a", 1, hang.message)
    assert isinstance(report.reason, Hung)
    assert "in wait" in report.reason.__notes__[0]
    assert isinstance(hung, Probe)
    assert hung.interrupted == 1
    assert tree.facts("a")["zombies"] == 1
    hang.end()
    assert hung.gone.wait(START_S)
    until(lambda: tree.facts("a")["zombies"] == 0)
    assert tree.journal.count("for the successor") == 1
    assert tree.ask("a") == 2, "the end of the old incarnation is no end of the new"


def test_a_child_without_a_deadline_may_take_its_time(tree: Tree) -> None:
    hang = Hang()
    tree.start(tree.probe("patient", deadline_s=None), tree.probe("b", deadline_s=0.05))
    other = Hang()
    tree.tell("patient", hang.message)
    tree.tell("b", other.message)
    assert tree.ask("b") == 2
    assert tree.facts("patient")["incarnation"] == 1
    hang.end()
    other.end()


def test_the_end_of_a_hung_group_harms_nothing_of_its_successor(tree: Tree) -> None:
    hang = Hang()
    members = [tree.probe("x"), tree.probe("y")]
    tree.start(tree.group("group", members, on_exit=lambda report: hang.wait(), deadline_s=0.05))
    old = tree.addresses["group"].actor
    tree.crash("x")
    until(lambda: tree.facts("group")["incarnation"] == 2 and tree.facts("group")["state"] == "running")
    hang.end()
    assert old is not None
    assert old.gone.wait(START_S)
    assert (tree.ask("x"), tree.ask("y")) == (2, 2)
    assert tree.journal.count("y ended") == 1


def test_a_group_that_crashes_too_often_is_parked_and_the_rest_goes_on(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x"), tree.probe("y")], intensity=1), tree.probe("b"))
    tree.crash_and_await_restart("x")
    tree.root_address.is_holding = True
    tree.crash("x")
    until(lambda: tree.facts("group")["state"] == "parked")
    assert tree.ask("b") == 1
    assert "Escalated: x: more than 1 restarts in 30 s" in tree.facts("group")["last_error"]
    assert tree.journal[-1] == "y ended"
    tree.root_address.release()
    until(lambda: tree.facts("group")["state"] == "running")
    assert (tree.ask("x"), tree.ask("y")) == (3, 2)


def test_a_parked_group_is_tried_again_after_one_five_and_fifteen_minutes(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x")], intensity=0), intensity=0)
    for incarnation in range(2, 6):
        tree.crash("x")
        assert tree.ask("x") == incarnation
    assert tree.root_address.delays_s == [60.0, 300.0, 900.0, 900.0]
    assert not tree.root.gone.is_set(), "trying a parked group again spends none of the root's restarts"


def test_a_parked_group_that_cannot_start_is_parked_again(tree: Tree) -> None:
    switch = Switch()
    tree.start(tree.group("group", [tree.probe("x", on_init=switch)], intensity=0), intensity=0)
    switch.is_on = True
    tree.crash("x")
    until(lambda: len(tree.root_address.delays_s) >= 4)
    switch.is_on = False
    tree.ask("x")
    assert tree.root_address.delays_s[:4] == [60.0, 300.0, 900.0, 900.0]


def test_a_tree_is_described_as_plain_facts(tree: Tree) -> None:
    hang = Hang()
    tree.start(tree.group("group", [tree.probe("x")]), tree.probe("b"))
    tree.tell("x", hang.message)
    assert hang.entered.wait(START_S)
    tree.tell("x", note("waits"))
    group, b = tree.root.describe()
    age_s = group["children"][0].pop("message_age_s")
    assert 0.0 <= age_s < START_S
    hang.end()
    same = {"incarnation": 1, "restarts": 0, "zombies": 0, "last_error": "", "state": "running"}
    x = {"name": "x", "inbox": 1, "children": [], **same}
    assert group == {"name": "group", "inbox": 0, "message_age_s": None, "children": [x], **same}
    assert b == {"name": "b", "inbox": 0, "message_age_s": None, "children": [], **same}


def test_a_supervisor_can_be_asked_from_any_thread_while_children_come_and_go(tree: Tree) -> None:
    tree.start(tree.probe("a"), intensity=10**9)
    over = threading.Event()
    errors: list[Exception] = []

    def look() -> None:
        while not over.is_set():
            try:
                tree.root.describe()
            except (RuntimeError, AttributeError, KeyError) as error:
                errors.append(error)
                return

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(30):
        tree.crash_and_await_restart("a")
    over.set()
    looking.join()
    assert errors == []


def test_forty_crashing_children_are_spread_by_their_jitter() -> None:
    tree = Tree()
    drawn = iter([number / 40 for number in range(40)])
    names = [f"child {number}" for number in range(40)]
    arguments = tree.arguments([tree.probe(name) for name in names], intensity=100) | {"chance": lambda: next(drawn)}
    tree.root_address = QuickAddress("root")
    Supervisor.start(tree.root_address, **arguments)
    tree.root.ready.get(timeout=START_S)
    for name in names:
        tree.crash(name)
    until(lambda: len(tree.restarted) == 40)
    assert len(set(tree.root_address.delays_s)) == 40
    tree.stop()
