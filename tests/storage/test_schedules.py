"""Schedules: when ticks are due, by any clock, and that each happens once, whoever takes it and whoever dies."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.errors import DivisionByZero

from storage import schedules
from storage.database import Database
from storage.schedules import KEPT_TICKS, Cron, Interval, Outcome, Schedule, take
from tests.storage.databases import ask, execute

DAILY = Cron(expression="30 2 * * *", zone=ZoneInfo("Europe/Berlin"))
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DIES_IN_THE_TRANSACTION = """
import os, psycopg, signal, sys
from datetime import datetime
from psycopg.rows import dict_row
from storage.schedules import take
connection = psycopg.connect(sys.argv[1], row_factory=dict_row)
assert take(connection, "backup", datetime.fromisoformat(sys.argv[2]), node="dying")
os.kill(os.getpid(), signal.SIGKILL)
"""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def taken(database: Database, tick_at: datetime, *, task: str = "backup", node: str = "here") -> bool:
    with database.transaction() as connection:
        return take(connection, task, tick_at, node=node)


@pytest.fixture
def known(database: Database) -> Database:
    """A database on which `backup` was scheduled before."""
    assert not taken(database, NOON - timedelta(days=1000))
    return database


def test_an_interval_ticks_at_the_same_moments_everywhere() -> None:
    hourly = Interval(every_s=3600.0)
    assert hourly.latest(NOON) == NOON
    assert hourly.latest(NOON + timedelta(minutes=59)) == NOON
    assert hourly.next(NOON) == NOON + timedelta(hours=1)
    assert Interval(every_s=0.25).latest(NOON + timedelta(seconds=0.6)) == NOON + timedelta(seconds=0.5)


@pytest.mark.parametrize(
    ("now", "latest", "after"),
    [
        ("2026-05-01T00:29:59", "2026-04-30T00:30:00", "2026-05-01T00:30:00"),
        ("2026-05-01T00:30:00", "2026-05-01T00:30:00", "2026-05-02T00:30:00"),
        ("2026-12-31T23:00:00", "2026-12-31T01:30:00", "2027-01-01T01:30:00"),
        ("2026-03-29T00:59:59", "2026-03-28T01:30:00", "2026-03-29T01:00:00"),  # 02:30 is skipped: at 03:00 at once
        ("2026-03-29T01:00:00", "2026-03-29T01:00:00", "2026-03-30T00:30:00"),
        ("2026-10-25T00:30:00", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),  # 02:30 comes twice: it counts once
        ("2026-10-25T01:10:00", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),
        ("2026-10-25T01:30:00", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),
    ],
)
def test_a_time_of_day_comes_once_a_day_also_when_the_clocks_change(now: str, latest: str, after: str) -> None:
    assert DAILY.latest(utc(now)) == utc(latest)
    assert DAILY.next(utc(now)) == utc(after)


@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    now=st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)),
)
def test_every_day_has_one_tick_in_any_zone(zone: str, minute: int, hour: int, now: datetime) -> None:
    daily = Cron(expression=f"{minute} {hour} * * *", zone=ZoneInfo(zone))
    moment = now.replace(tzinfo=UTC)
    latest, after = daily.latest(moment), daily.next(moment)
    assert latest <= moment < after
    assert timedelta(hours=22) < after - latest < timedelta(hours=26)
    assert daily.next(latest) == after
    assert daily.latest(after) == after


@pytest.mark.parametrize("schedule", [Interval(every_s=600.0), Cron(expression="*/10 * * * *"), DAILY])
def test_what_is_due_does_not_depend_on_when_one_looks(schedule: Schedule) -> None:
    moments = [NOON + timedelta(minutes=7 * n) for n in range(400)]
    seen = sorted({schedule.latest(moment) for moment in moments})
    assert seen[1:] == list(following(schedule, moments))


def following(schedule: Schedule, moments: Sequence[datetime]) -> Iterator[datetime]:
    tick_at = schedule.next(moments[0])
    while tick_at <= moments[-1]:
        yield tick_at
        tick_at = schedule.next(tick_at)


def test_a_tick_is_had_once(known: Database) -> None:
    assert taken(known, NOON)
    assert not taken(known, NOON)
    assert not taken(known, NOON, node="there")
    assert taken(known, NOON + timedelta(minutes=1), node="there")


def test_a_task_never_seen_before_begins_with_its_next_tick(database: Database) -> None:
    assert not taken(database, NOON)
    assert not taken(database, NOON)
    assert taken(database, NOON + timedelta(minutes=1))


def test_a_tick_whose_transaction_is_rolled_back_is_still_there(known: Database) -> None:
    def take_and_fail() -> None:
        with known.transaction() as connection:
            assert take(connection, "backup", NOON, node="here")
            connection.execute("select 1 / 0")

    with pytest.raises(DivisionByZero):
        take_and_fail()
    assert taken(known, NOON)


def test_a_tick_whose_daemon_is_killed_before_its_commit_is_taken_by_another(known: Database) -> None:
    argv = [sys.executable, "-c", DIES_IN_THE_TRANSACTION, known.dsn, NOON.isoformat()]
    assert subprocess.run(argv, timeout=30).returncode == -9
    assert taken(known, NOON)


def test_clocks_that_jump_repeat_no_tick_and_stop_none(known: Database) -> None:
    hourly = Interval(every_s=3600.0)

    def is_due(now: datetime) -> bool:
        return taken(known, hourly.latest(now))

    assert is_due(NOON)
    assert is_due(NOON + timedelta(days=365)), "the clock jumps forward: what was missed is one tick"
    assert not is_due(NOON), "it is put right"
    assert is_due(NOON + timedelta(hours=1)), "and goes on"
    assert not is_due(NOON - timedelta(minutes=0))
    assert not is_due(NOON + timedelta(days=365))


def test_two_daemons_share_a_thousand_ticks_and_each_happens_once(known: Database) -> None:
    ticks = [NOON + timedelta(minutes=n) for n in range(1000)]

    start = Barrier(2)

    def run(node: str) -> list[datetime]:
        start.wait()
        return [tick_at for tick_at in ticks if taken(known, tick_at, node=node)]

    with ThreadPoolExecutor(2) as daemons:
        mine, others = daemons.map(run, ["one", "two"])
    assert sorted(mine + others) == ticks


def test_the_newest_rows_of_each_task_are_kept(known: Database) -> None:
    for n in range(KEPT_TICKS + 20):
        assert taken(known, NOON + timedelta(minutes=n))
    taken(known, NOON, task="another")
    with known.transaction() as connection:
        assert schedules.prune(connection) == 21
        assert schedules.prune(connection) == 0
    oldest = "select min(tick_at)::text from ticks where task = 'backup'"
    assert ask(known.dsn, oldest) == ["2026-05-01 12:20:00+00"]
    assert ask(known.dsn, "select count(*) from ticks where task = 'another'") == [1]


def test_how_a_task_went_is_known_to_all(database: Database) -> None:
    def outcome() -> Outcome | None:
        with database.transaction() as connection:
            return schedules.outcome(connection, "backup")

    assert outcome() is None
    taken(database, NOON)
    first = outcome()
    assert first is not None
    assert (first.succeeded_ago_s, first.error) == (None, None)
    with database.transaction() as connection:
        schedules.failed(connection, "backup", "disk full")
    second = outcome()
    assert second is not None
    assert (second.succeeded_ago_s, second.error) == (None, "disk full")
    with database.transaction() as connection:
        schedules.succeeded(connection, "backup")
    execute(database.dsn, "update tasks set created_at = created_at - interval '3 h'")
    third = outcome()
    assert third is not None
    assert third.error is None
    assert third.succeeded_ago_s is not None
    assert 0 <= third.succeeded_ago_s < 60
    assert third.known_for_s > 3 * 3600
