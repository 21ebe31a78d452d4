"""When recurring tasks are due, and the rows that make each of their ticks happen once, whoever takes it.

There is no leader: every daemon asks which tick was the last, and whoever inserts its row has it, together with what
the tick sets going in the same transaction. The latest tick is all that counts, so those missed while no daemon ran
come to one. A clock that is put back finds the rows of the ticks that it lives through again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from cronsim import CronSim

from storage.database import Connection

KEPT_TICKS = 100
"""Rows of ticks that stay, of each task: a clock may go back so many ticks without repeating one."""

CHANGE = timedelta(hours=3)
"""More than any change of the clocks: cronsim goes back by the clock's face, which shows some hours twice."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Every `every_s` seconds, counted from 1970, so that all daemons mean the same moments."""

    every_s: float

    def latest(self, now: datetime) -> datetime:
        """The last tick up to `now`."""
        every = timedelta(seconds=self.every_s)
        return _EPOCH + (now - _EPOCH) // every * every

    def next(self, now: datetime) -> datetime:
        """The first tick after `now`."""
        return self.latest(now) + timedelta(seconds=self.every_s)


@dataclass(frozen=True, kw_only=True)
class Cron:
    """A cron expression by the clocks of `zone`, as Debian's cron has it.

    A time of day that a change of the clocks skips is made up for at once, and one that it repeats counts once.
    """

    expression: str
    zone: tzinfo = UTC

    def latest(self, now: datetime) -> datetime:
        """The last tick up to `now`."""
        return next(tick for tick in self._from(now + CHANGE, is_reverse=True) if tick <= now)

    def next(self, now: datetime) -> datetime:
        """The first tick after `now`."""
        return next(tick for tick in self._from(now) if tick > now)

    def _from(self, moment: datetime, *, is_reverse: bool = False) -> Iterator[datetime]:
        for tick in CronSim(self.expression, moment.astimezone(self.zone), reverse=is_reverse):
            yield tick.astimezone(UTC)


Schedule = Interval | Cron


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be done again and again: at each tick of `schedule` a job, unless the last one still waits."""

    name: str
    schedule: Schedule
    kind: str
    lane: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a task went: seconds since it was first scheduled, since it last succeeded (None: never), and its error."""

    known_for_s: float
    succeeded_ago_s: float | None
    error: str | None


def take(connection: Connection, task: str, tick_at: datetime, *, node: str) -> bool:
    """Whether the tick is the caller's, once this transaction commits.

    A task that was never seen before begins with its next tick.
    """
    is_new = connection.execute("insert into tasks (name) values (%s) on conflict do nothing", (task,)).rowcount == 1
    taken = connection.execute(
        "insert into ticks (task, tick_at, node) values (%s, %s, %s) on conflict do nothing", (task, tick_at, node)
    ).rowcount
    return taken == 1 and not is_new


def succeeded(connection: Connection, task: str) -> None:
    """It has been done, and its last error is over."""
    connection.execute(
        """insert into tasks (name, succeeded_at) values (%s, clock_timestamp())
           on conflict (name) do update set succeeded_at = excluded.succeeded_at, error = null""",
        (task,),
    )


def failed(connection: Connection, task: str, error: str) -> None:
    connection.execute(
        """insert into tasks (name, failed_at, error) values (%s, clock_timestamp(), %s)
           on conflict (name) do update set failed_at = excluded.failed_at, error = excluded.error""",
        (task, error),
    )


def outcome(connection: Connection, task: str) -> Outcome | None:
    """How it went last; None for a task that no daemon has scheduled yet."""
    row = connection.execute(
        """select extract(epoch from clock_timestamp() - created_at)::float8 as known_for_s,
                  extract(epoch from clock_timestamp() - succeeded_at)::float8 as succeeded_ago_s, error
           from tasks where name = %s""",
        (task,),
    ).fetchone()
    return Outcome(**row) if row else None


def prune(connection: Connection) -> int:
    """Forget all but the ticks of each task that were taken last; how many."""
    return connection.execute(
        """delete from ticks using (
               select task, tick_at, row_number() over (partition by task order by taken_at desc, tick_at desc) as n
               from ticks) as numbered
           where numbered.n > %s and ticks.task = numbered.task and ticks.tick_at = numbered.tick_at""",
        (KEPT_TICKS,),
    ).rowcount
