"""The Scheduler: a job for each tick, once, however many of them look, and whatever happens to the database."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.errors import CheckViolation

from actors.address import Address
from actors.messages import Tick
from actors.scheduler import LOOK_EVERY_S, Scheduler
from storage.database import Connection, Database
from storage.schedules import Interval, Task
from tests.database_outage import database_away
from tests.storage.databases import ask, execute
from tests.supervision.manual_clock import ManualClock
from tests.supervision.probe import START_S
from tests.until import until

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
TASKS = [
    Task(name=f"task {n}", schedule=Interval(every_s=60.0), kind="housekeeping", lane="housekeeping", payload={"n": n})
    for n in range(10)
]
DONE_AT_ONCE = """
create function be_done() returns trigger language plpgsql as $$ begin new.state := 'done'; return new; end $$;
create trigger be_done before insert on jobs for each row execute function be_done();
"""


class Bench:
    """A Scheduler whose time is `now`, and which looks when it is told."""

    def __init__(self, database: Database, *, node: str = "here", now: datetime = START) -> None:
        self.database, self.now = database, now
        self.address = Address(f"scheduler of {node}", clock=ManualClock())
        Scheduler.start(self.address, database=database, node=node, tasks=TASKS, now=self._time)
        assert isinstance(self.address.actor, Scheduler)
        self.actor = self.address.actor
        self.actor.ready.get(timeout=START_S)
        self.look()  # so that its own first look is behind it

    def _time(self, connection: Connection) -> datetime:
        return self.now

    def look(self) -> None:
        self.address.ask(Tick(), timeout_s=START_S)

    def stop(self) -> None:
        self.actor.actor_ref.stop(block=False)
        assert self.actor.gone.wait(START_S)


Make = Callable[..., Bench]


@pytest.fixture
def make(database: Database) -> Iterator[Make]:
    """Makes schedulers that are stopped afterwards, on a database where all tasks are known."""
    made: list[Bench] = []

    def one(node: str = "here") -> Bench:
        made.append(Bench(database, node=node))
        return made[-1]

    one("earlier")
    yield one
    for bench in made:
        bench.stop()


def test_a_tick_is_a_job_with_its_own_facts(make: Make, database: Database) -> None:
    bench = make()
    bench.now = START + timedelta(seconds=61)
    bench.look()
    bench.look()
    assert ask(database.dsn, "select payload->>'n' from jobs order by 1") == [str(n) for n in range(10)]
    assert ask(database.dsn, "select distinct kind || ' ' || lane || ' ' || state from jobs") == [
        "housekeeping housekeeping ready"
    ]
    assert ask(database.dsn, "select correlation_id from jobs where payload->>'n' = '3'") == ["task 3-20260501T120100Z"]


def test_a_tick_of_a_task_that_still_waits_adds_no_second_job(make: Make, database: Database) -> None:
    bench = make()
    for minute in (1, 2, 3):
        bench.now = START + timedelta(minutes=minute)
        bench.look()
    assert ask(database.dsn, "select count(*) from jobs") == [10]
    execute(database.dsn, "update jobs set state = 'done'")
    bench.now = START + timedelta(minutes=4)
    bench.look()
    assert ask(database.dsn, "select count(*) from jobs where state = 'ready'") == [10]


def test_ticks_that_were_missed_while_no_daemon_ran_are_one(make: Make, database: Database) -> None:
    execute(database.dsn, DONE_AT_ONCE)
    bench = make("the next start")
    bench.now = START + timedelta(days=3)
    bench.look()
    bench.look()
    assert ask(database.dsn, "select count(*) from jobs") == [10]


def test_two_schedulers_make_each_of_a_thousand_ticks_one_job(make: Make, database: Database) -> None:
    execute(database.dsn, DONE_AT_ONCE)
    benches = [make("one"), make("two")]

    def live(bench: Bench) -> None:
        for minute in range(1, 101):
            bench.now = START + timedelta(minutes=minute)
            bench.look()

    with ThreadPoolExecutor(2) as nodes:
        list(nodes.map(live, benches))
    assert ask(database.dsn, "select count(*) from jobs") == [1000]
    assert ask(database.dsn, "select count(distinct correlation_id) from jobs") == [1000]
    assert ask(database.dsn, "select count(*) from ticks where tick_at > timestamptz '2026-05-01 12:00Z'") == [1000]


def test_a_clock_that_jumps_ahead_and_back_repeats_nothing(make: Make, database: Database) -> None:
    execute(database.dsn, DONE_AT_ONCE)
    bench = make()
    for now in (START + timedelta(days=400), START, START + timedelta(minutes=1), START + timedelta(days=400)):
        bench.now = now
        bench.look()
    assert ask(database.dsn, "select count(*) from jobs") == [20], "the jump, and the minute after it was put right"


def test_while_the_database_is_away_nothing_is_lost(make: Make, database: Database) -> None:
    bench = make()
    bench.now = START + timedelta(minutes=1)
    with database_away(database.dsn):
        bench.look()

    def jobs_after_a_look() -> list[int]:
        bench.look()  # the pool may have one more dead connection to give
        return ask(database.dsn, "select count(*) from jobs")

    until(lambda: jobs_after_a_look() == [10])
    assert jobs_after_a_look() == [10]


def test_the_tick_of_a_job_that_cannot_be_written_is_not_spent(make: Make, database: Database) -> None:
    bench = make()
    bench.look()
    execute(database.dsn, "alter table jobs add constraint refused check (kind <> 'housekeeping')")
    bench.now = START + timedelta(minutes=1)
    with pytest.raises(CheckViolation):
        bench.look()
    execute(database.dsn, "alter table jobs drop constraint refused")
    successor = make("there")
    successor.now = bench.now
    successor.look()
    assert ask(database.dsn, "select count(*) from jobs") == [10]


def test_it_looks_again_by_itself_when_the_next_tick_is_due_and_once_a_minute_anyway(database: Database) -> None:
    clock = ManualClock()
    address = Address("scheduler", clock=clock)
    looks: list[datetime] = []

    def now(connection: Connection) -> datetime:
        looks.append(START + timedelta(seconds=clock()))
        return looks[-1]

    daily = Task(name="daily", schedule=Interval(every_s=86400.0), kind="backup", lane="backup")
    soon = Task(name="soon", schedule=Interval(every_s=10.0), kind="backup", lane="backup")
    for task, wait_s in ((daily, LOOK_EVERY_S), (soon, 10.0)):
        looks.clear()
        Scheduler.start(address, database=database, node="here", tasks=[task], now=now)
        actor = address.actor
        assert isinstance(actor, Scheduler)
        clock.advance(0.0)
        address.ask(Tick(), timeout_s=START_S)
        assert looks
        before = len(looks)
        clock.advance(wait_s + 0.01)
        address.ask(Tick(), timeout_s=START_S)
        assert len(looks) >= before + 2
        actor.actor_ref.stop(block=False)
        assert actor.gone.wait(START_S)
