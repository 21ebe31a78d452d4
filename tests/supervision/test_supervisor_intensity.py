"""How many restarts a supervisor tolerates, and what happens at one more."""

import pytest

from actors.child import Strategy
from actors.exits import Escalated
from actors.restarts import Backoff, Intensity
from tests.supervision.probe import START_S, Switch, Tree
from tests.until import until


def test_a_restart_exactly_as_old_as_the_period_still_counts_p14() -> None:
    intensity = Intensity(2, 5.0)
    assert [intensity.is_exceeded(now) for now in (0.0, 1.0, 5.0)] == [False, False, True]
    intensity = Intensity(2, 5.0)
    assert [intensity.is_exceeded(now) for now in (0.0, 1.0, 5.1, 6.05, 6.1)] == [False, False, False, False, True]


def test_an_intensity_of_none_tolerates_no_restart_p14(tree: Tree) -> None:
    tree.start(tree.probe("a"), intensity=0)
    tree.crash("a")
    assert tree.root.gone.wait(START_S)


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_as_many_restarts_as_the_intensity_are_tolerated_and_one_more_stops_all_p14(
    tree: Tree, strategy: Strategy
) -> None:
    tree.start(*map(tree.probe, "abc"), strategy=strategy, intensity=3, period_s=30.0)
    for _ in range(3):
        tree.crash_and_await_restart("b")
        tree.settle()
        tree.clock.advance(10.0)
    assert tree.ask("b") == 4
    tree.journal.clear()
    tree.crash("b")
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Escalated)
    assert str(tree.root.reason) == "root: more than 3 restarts in 30 s, the last of b"
    assert isinstance(tree.root.reason.__cause__, ValueError)
    assert tree.journal == ["b ended by ValueError", "c ended", "a ended"]


def test_the_crashes_of_all_children_count_together_p14(tree: Tree) -> None:
    tree.start(*map(tree.probe, "abc"), intensity=2)
    tree.crash_and_await_restart("a")
    tree.crash_and_await_restart("b")
    tree.crash("c")
    assert tree.root.gone.wait(START_S)


def test_restarts_that_are_far_apart_never_end_the_supervisor_p15(tree: Tree) -> None:
    tree.start(tree.probe("a"), intensity=1, period_s=5.0)
    for _ in range(8):
        tree.crash_and_await_restart("a")
        tree.clock.advance(5.1)
    assert tree.ask("a") == 9


def test_every_failed_start_counts_as_a_restart_p16(tree: Tree) -> None:
    switch = Switch()
    tree.start(tree.probe("a", on_init=switch), intensity=3)
    switch.is_on = True
    tree.crash("a")
    assert tree.root.gone.wait(START_S)
    assert isinstance(tree.root.reason, Escalated)
    assert [type(report.reason) for report in tree.reports] == [ValueError, OSError, OSError, OSError]
    assert [report.incarnation for report in tree.reports] == [1, 2, 3, 4]
    assert tree.restarted == ["a"] * 3


def test_a_stop_is_obeyed_between_two_starts_that_fail_p16(tree: Tree) -> None:
    switch = Switch()
    tree.start(tree.probe("a", on_init=switch), intensity=10**9)
    switch.is_on = True
    tree.crash("a")
    until(lambda: len(tree.restarted) > 3)
    tree.stop()
    assert tree.root.reason is None


def test_a_child_that_comes_up_again_after_failed_starts_is_well_p16(tree: Tree) -> None:
    switch = Switch()
    tree.start(tree.probe("a", on_init=switch, backoff=Backoff(min_s=1.0)))
    switch.is_on = True
    tree.crash_down("a")
    tree.clock.advance(1.3)
    until(lambda: "OSError: no socket" in tree.facts("a")["last_error"])
    tree.settle()
    switch.is_on = False
    tree.clock.advance(2.6)
    assert tree.incarnations("a") == [3]
    assert tree.states("a") == ["running"]
