"""Whose turn it is to be claimed, when a job that lost its workers twice is due."""

import pytest

from actors.quarantine import HELD_BACK_S, MISSED_S, Quarantine, Turn
from movies.movie import JobId
from tests.supervision.manual_clock import ManualClock

SUSPECT, IMPORT = JobId(1), JobId(2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def quarantine(clock: ManualClock) -> Quarantine:
    return Quarantine(clock=clock)


def test_without_a_suspect_others_go_on(quarantine: Quarantine) -> None:
    assert quarantine.turn(is_due=False, working=[]) is Turn.OTHERS
    assert quarantine.turn(is_due=False, working=[IMPORT]) is Turn.OTHERS
    assert quarantine.wait_s() == 0


def test_a_suspect_begins_when_nothing_is_in_work(quarantine: Quarantine) -> None:
    assert quarantine.turn(is_due=True, working=[]) is Turn.SUSPECT


def test_others_are_held_back_until_nothing_is_in_work(quarantine: Quarantine) -> None:
    assert quarantine.turn(is_due=True, working=[IMPORT]) is Turn.NOBODY
    assert quarantine.wait_s() == HELD_BACK_S
    assert quarantine.turn(is_due=True, working=[]) is Turn.SUSPECT


def test_but_only_for_a_moment(quarantine: Quarantine, clock: ManualClock) -> None:
    assert quarantine.turn(is_due=True, working=[IMPORT]) is Turn.NOBODY
    clock.advance(HELD_BACK_S)
    assert quarantine.turn(is_due=True, working=[IMPORT]) is Turn.SUSPECT


def test_while_it_is_in_work_nobody_else_begins(quarantine: Quarantine) -> None:
    quarantine.turn(is_due=True, working=[])
    quarantine.began(SUSPECT)
    assert quarantine.turn(is_due=True, working=[SUSPECT]) is Turn.NOBODY
    assert quarantine.turn(is_due=False, working=[SUSPECT]) is Turn.NOBODY
    assert quarantine.turn(is_due=False, working=[]) is Turn.OTHERS


def test_one_that_takes_long_is_not_alone_for_ever(quarantine: Quarantine, clock: ManualClock) -> None:
    quarantine.began(SUSPECT)
    clock.advance(HELD_BACK_S)
    assert quarantine.turn(is_due=False, working=[SUSPECT]) is Turn.OTHERS


def test_others_have_a_turn_between_two_suspects_when_something_is_in_work(
    quarantine: Quarantine, clock: ManualClock
) -> None:
    quarantine.began(SUSPECT)
    assert quarantine.turn(is_due=True, working=[IMPORT]) is Turn.OTHERS
    assert quarantine.turn(is_due=True, working=[IMPORT]) is Turn.NOBODY


def test_suspects_follow_each_other_when_nothing_is_in_work(quarantine: Quarantine) -> None:
    quarantine.began(SUSPECT)
    assert quarantine.turn(is_due=True, working=[]) is Turn.SUSPECT


def test_a_suspect_whose_lane_is_busy_holds_nobody_back_for_a_while(quarantine: Quarantine, clock: ManualClock) -> None:
    quarantine.turn(is_due=True, working=[IMPORT])
    clock.advance(HELD_BACK_S)
    assert quarantine.turn(is_due=True, working=[IMPORT]) is Turn.SUSPECT
    quarantine.missed()
    assert quarantine.turn(is_due=True, working=[IMPORT]) is Turn.OTHERS
    clock.advance(MISSED_S)
    assert quarantine.turn(is_due=True, working=[IMPORT]) is Turn.NOBODY
