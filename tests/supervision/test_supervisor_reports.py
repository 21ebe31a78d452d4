"""What is told of children: reports of their ends, and the tree as plain facts."""

import threading
from typing import Any

from actors.child import start_child, terminate_child
from actors.exits import ExitReport
from actors.messages import Exited
from tests.supervision.probe import START_S, Hang, Probe, Tree, fail, leave, note, walk
from tests.until import until


def test_a_crash_is_reported_with_all_its_facts_p23(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x", restart="transient")]))
    message = fail(ValueError("a bug"))
    tree.address("x").tell(message, correlation_id="abc")
    report = until(lambda: tree.reports)[0]
    assert (report.supervisor, report.child, report.incarnation) == ("group", "x", 1)
    assert (report.restart, report.message, report.correlation_id) == ("transient", message, "abc")
    assert not report.is_orderly
    assert isinstance(report.reason, ValueError)
    facts = report.facts()
    assert "in action" in str(facts.pop("stack"))
    assert facts == {
        "supervisor": "group",
        "child": "x",
        "incarnation": 1,
        "restart": "transient",
        "reason": "ValueError: a bug",
        "message_type": "Do",
        "correlation_id": "abc",
    }


def test_an_orderly_end_is_reported_without_a_message_p23(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    tree.tell("a", leave())
    report = until(lambda: tree.reports)[0]
    assert (report.reason, report.message, report.is_orderly) == (None, None, True)
    assert report.facts()["message_type"] is None


def test_a_failed_restart_is_reported_with_its_own_incarnation_p23(tree: Tree) -> None:
    lives = iter(range(10))

    def second_fails(probe: Probe) -> None:
        if next(lives) == 1:
            raise OSError("no socket")

    tree.start(tree.probe("a", on_init=second_fails))
    tree.crash("a")
    assert tree.incarnations("a") == [3]
    assert [(report.incarnation, type(report.reason)) for report in tree.reports] == [(1, ValueError), (2, OSError)]


def test_a_stop_by_the_supervisor_is_not_reported_p23(tree: Tree) -> None:
    tree.start(*map(tree.probe, "ab"), strategy="one_for_all")
    tree.crash("a")
    assert tree.incarnations("a", "b") == [2, 2]
    terminate_child(tree.root_address, "b", timeout_s=START_S)
    tree.stop()
    assert [report.child for report in tree.reports] == ["a"]


def test_a_report_of_an_earlier_incarnation_is_ignored_p24(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    tree.crash_and_await_restart("a")
    for incarnation in (0, 1, 3):
        late = Exited(child="a", incarnation=incarnation, reason=ValueError())
        tree.root_address.tell(late, urgent=True)
    tree.root_address.tell(Exited(child="nobody", incarnation=1, reason=ValueError()), urgent=True)
    assert tree.incarnations("a") == [2]
    assert len(tree.reports) == 1


def test_a_late_report_does_not_stand_for_the_end_of_a_later_incarnation_p24(tree: Tree) -> None:
    hang = Hang()
    tree.hangs.append(hang)

    def keep(report: ExitReport) -> None:
        reports.append(report)
        if report.child == "b":
            hang.wait()

    reports: list[ExitReport] = []
    tree.change_hooks(on_exit=keep)
    tree.start(*map(tree.probe, "ab"))
    tree.crash("b")
    assert hang.entered.wait(START_S)
    tree.root_address.tell(Exited(child="a", incarnation=0, reason=OSError()), urgent=True)
    actor = tree.address("a").actor
    tree.crash("a")
    assert isinstance(actor, Probe)
    assert actor.gone.wait(START_S)
    hang.end()
    assert tree.incarnations("a", "b") == [2, 2]
    assert [(report.child, type(report.reason)) for report in reports] == [("b", ValueError), ("a", ValueError)]


def test_a_report_of_a_namesake_that_still_lives_is_ignored_p24(tree: Tree) -> None:
    tree.start(tree.probe("a"))
    tree.root_address.tell(Exited(child="a", incarnation=1, reason=ValueError()), urgent=True)
    assert tree.incarnations("a") == [1]
    assert tree.reports == []


def test_hooks_that_fail_keep_nobody_from_being_restarted_or_stopped(tree: Tree) -> None:
    def broken(fact: object) -> None:
        raise OSError("no socket")

    class Untidy(Probe):
        def cleanup(self, reason: BaseException | None) -> None:
            raise ValueError("a bug")

    tree.change_hooks(on_exit=broken, on_restart=broken)
    tree.start(tree.probe("a"), tree.probe("b", actor=Untidy), tree.probe("c"))
    tree.crash_and_await_restart("a")
    assert tree.incarnations(*"abc") == [2, 1, 1]
    tree.stop()
    assert tree.journal[-2:] == ["c ended", "a ended"]


def test_a_tree_is_described_as_plain_facts(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x", deadline_s=7.0)]), tree.probe("b"))
    tree.crash_and_await_restart("b")
    tree.hang("x")
    tree.tell("x", note("waits"))
    tree.clock.advance(1.5)
    tree.settle()
    group, b = tree.root.describe()
    idle: dict[str, Any] = {
        "kind": "actor",
        "state": "running",
        "incarnation": 1,
        "restarts": 0,
        "inbox": 0,
        "message": None,
        "message_age_s": None,
        "deadline_s": 30.0,
        "zombies": 0,
        "breaker": None,
        "last_error": "",
        "children": [],
    }
    x = {**idle, "name": "x", "inbox": 1, "message": "Do", "message_age_s": 1.5, "deadline_s": 7.0}
    assert group == {**idle, "name": "group", "kind": "supervisor", "children": [x]}
    assert b == {**idle, "name": "b", "incarnation": 2, "restarts": 1, "last_error": "ValueError: a bug"}
    assert tree.root.count_children() == {"specs": 2, "active": 2, "supervisors": 1, "workers": 1}


def test_a_tree_can_be_described_from_any_thread_while_children_come_and_go(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("x")]), tree.probe("a"), intensity=10**9)
    over = threading.Event()
    seen: list[int] = []
    errors: list[Exception] = []

    def look() -> None:
        while not over.is_set():
            try:
                seen.append(len(list(walk(tree.root.describe()))))
                tree.root.count_children()
            except (RuntimeError, AttributeError, KeyError, TypeError) as error:
                errors.append(error)
                return

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(20):
        tree.crash("x")
        tree.crash("a")
        guest = tree.probe(f"guest {number}", restart="temporary")
        start_child(tree.root_address, guest, timeout_s=START_S).tell(leave())
    tree.settle()
    over.set()
    looking.join(START_S)
    assert errors == []
    assert len(seen) > 20
    assert len(list(walk(tree.root.describe()))) == 3


def test_every_restart_is_told_by_name(tree: Tree) -> None:
    tree.start(*map(tree.probe, "abc"), strategy="rest_for_one")
    tree.crash("b")
    tree.settle()
    assert tree.restarted == ["b", "c"]
    reports: list[ExitReport] = tree.reports
    assert [report.child for report in reports] == ["b"]
