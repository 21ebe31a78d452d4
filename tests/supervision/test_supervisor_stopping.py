"""How children are stopped: in reverse, at once, within their time, and nobody is left out."""

import time

import pytest

from actors.exits import Abandoned
from tests.supervision.probe import START_S, Do, Hang, Probe, Tree, fail, leave, note
from tests.until import until


def test_children_stop_in_reverse_and_leave_what_waits_unread_p19(tree: Tree) -> None:
    group = tree.group("group", [tree.probe("x"), tree.probe("y")])
    tree.start(tree.probe("a"), group, tree.probe("c", shutdown_s=START_S))
    tree.hang("c", is_interruptible=True)
    for _ in range(50):
        tree.tell("c", note("never"))
    tree.journal.clear()
    tree.halt()
    assert tree.journal == ["c ended", "y ended", "x ended", "a ended"]
    assert tree.root.reason is None
    assert tree.reports == []


def test_a_child_that_does_not_stop_in_time_is_reported_and_left_behind_p18(tree: Tree) -> None:
    tree.start(tree.probe("a"), tree.probe("stuck", shutdown_s=0.05), tree.probe("c"))
    hang = tree.hang("stuck")
    tree.halt()
    assert [line for line in tree.journal if "ended" in line] == ["c ended", "a ended"]
    report = tree.reports[0]
    assert (report.child, report.incarnation, report.message) == ("stuck", 1, hang.message)
    assert isinstance(report.reason, Abandoned)
    assert "in wait" in report.reason.__notes__[0]
    assert [letter.message for letter in tree.dead_letters.recent()] == [hang.message]
    assert tree.hooks.zombies.count("stuck") == 1
    tree.tell("stuck", note("late"))
    hang.end()
    until(lambda: tree.hooks.zombies.count() == 0)
    assert "late" not in tree.journal


def test_a_whole_stop_takes_no_longer_than_its_children_may_p18(tree: Tree) -> None:
    tree.start(*[tree.probe(name, shutdown_s=0.1) for name in "abc"])
    for name in "abc":
        tree.hang(name)
    begun_at = time.monotonic()
    tree.halt()
    assert 0.3 <= time.monotonic() - begun_at < 1.5
    assert [report.child for report in tree.reports] == ["c", "b", "a"]


def test_a_child_without_any_time_to_stop_is_abandoned_at_once_p18(tree: Tree) -> None:
    tree.start(tree.probe("a", shutdown_s=0.0))
    tree.hang("a")
    tree.halt()
    assert isinstance(tree.reports[0].reason, Abandoned)


def test_children_that_stop_together_are_all_told_before_any_is_waited_for_p18(tree: Tree) -> None:
    told = Hang()

    class First(Probe):
        def interrupt(self) -> None:
            told.end()

    class Last(Probe):
        def cleanup(self, reason: BaseException | None) -> None:
            told.wait()
            super().cleanup(reason)

    tree.start(
        tree.probe("a", actor=First),
        tree.probe("b", shutdown_s=0.2),
        tree.probe("c", shutdown_s=0.2),
        tree.probe("d", actor=Last, shutdown_s=START_S),
        stops_together=True,
    )
    tree.hang("b")
    tree.hang("c")
    begun_at = time.monotonic()
    tree.halt()
    assert time.monotonic() - begun_at < 0.39, "their times run together"
    assert sorted(tree.journal[4:]) == ["a ended", "d ended"]
    assert [report.child for report in tree.reports] == ["c", "b"]


def test_children_that_do_not_stop_together_are_told_one_after_the_other(tree: Tree) -> None:
    told: list[str] = []

    class Slow(Probe):
        def interrupt(self) -> None:
            told.append(f"{self.address.name} told")

        def cleanup(self, reason: BaseException | None) -> None:
            told.append(f"{self.address.name} ended")

    tree.start(*[tree.probe(name, actor=Slow, shutdown_s=START_S) for name in "ab"])
    tree.stop()
    assert sorted(told[:2]) == ["b ended", "b told"]


def test_a_stop_cuts_what_a_handler_waits_for(tree: Tree) -> None:
    tree.start(tree.group("group", [tree.probe("a", shutdown_s=START_S)], shutdown_s=START_S))
    tree.hang("a", is_interruptible=True)
    tree.halt()
    assert tree.journal[-1] == "a ended"
    assert tree.reports == []


def test_an_interruption_that_fails_keeps_no_other_child_from_being_stopped(tree: Tree) -> None:
    class Uninterruptible(Probe):
        def interrupt(self) -> None:
            raise OSError("no socket")

    tree.start(tree.probe("a"), tree.probe("b", actor=Uninterruptible), tree.probe("c"))
    tree.stop()
    assert tree.journal[3:] == ["c ended", "b ended", "a ended"]
    assert tree.root.reason is None


def test_an_interruption_that_fails_hides_no_sibling_from_a_hung_group(tree: Tree) -> None:
    class Uninterruptible(Probe):
        def interrupt(self) -> None:
            raise OSError("no socket")

    tree.start(tree.probe("a", actor=Uninterruptible), tree.probe("b"))
    b = tree.address("b").actor
    tree.root.interrupt()
    assert isinstance(b, Probe)
    assert b.interrupted == 1


@pytest.mark.parametrize("error", [ValueError("a bug"), SystemExit(1)])
def test_a_cleanup_that_raises_is_reported_and_holds_nobody_up_p21(tree: Tree, error: BaseException) -> None:
    class Untidy(Probe):
        def cleanup(self, reason: BaseException | None) -> None:
            raise error

    tree.start(tree.probe("a"), tree.probe("b", actor=Untidy))
    tree.stop()
    assert tree.journal[2:] == ["a ended"]
    assert [(report.child, report.reason) for report in tree.reports] == [("b", error)]


def test_a_cleanup_that_raises_after_a_crash_hides_neither_crash_nor_restart_p21(tree: Tree) -> None:
    class Untidy(Probe):
        def cleanup(self, reason: BaseException | None) -> None:
            raise OSError("no socket")

    tree.start(tree.probe("a", actor=Untidy))
    tree.crash("a")
    assert tree.incarnations("a") == [2]
    assert [type(report.reason) for report in tree.reports] == [ValueError]


def test_a_cleanup_that_never_ends_is_left_behind_p21(tree: Tree) -> None:
    hang = Hang()
    tree.hangs.append(hang)

    class Endless(Probe):
        def cleanup(self, reason: BaseException | None) -> None:
            hang.wait()

    tree.start(tree.probe("a"), tree.probe("b", actor=Endless, shutdown_s=0.05))
    tree.halt()
    assert tree.journal[2:] == ["a ended"]
    assert isinstance(tree.reports[0].reason, Abandoned)


@pytest.mark.parametrize(("end", "lost"), [(fail(ValueError("a bug")), 1), (leave(), 0)])
def test_a_cleanup_that_never_ends_is_given_up_at_the_deadline_p21(tree: Tree, end: Do, lost: int) -> None:
    hang = Hang()
    tree.hangs.append(hang)

    class Endless(Probe):
        def cleanup(self, reason: BaseException | None) -> None:
            hang.wait()

    tree.start(tree.probe("a", actor=Endless, deadline_s=5.0, shutdown_s=0.0))
    tree.tell("a", end)
    assert hang.entered.wait(START_S)
    tree.clock.advance(6.0)
    until(lambda: tree.facts("a")["incarnation"] == 2 and tree.facts("a")["state"] == "running")
    assert tree.ask("a") == 2
    assert tree.dead_letters.count == lost
