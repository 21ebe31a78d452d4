"""The Archivist: a failed backup is said, tried again and no dead letter; an old one is said, too."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.archivist import BACKUP, RETRY_S, Archivist, Make
from actors.health import HealthBoard
from actors.messages import Tick, Work, WorkEnded
from metrics.catalogue import Catalogue
from movies.failure import RetryPolicy
from movies.movie import JobId
from storage.backup import OnStep
from storage.database import Database
from storage.errors import BackupFailed, DatabaseUnavailable
from storage.file_errors import NoSpace
from storage.progress_writer import ProgressWriter
from tests.actors import job_rows
from tests.actors.job_rows import NODE, next_message
from tests.storage.databases import ask, execute
from tests.supervision.manual_clock import ManualClock
from tests.supervision.probe import START_S
from tests.until import until


class Bench:
    """An Archivist that makes backups by `make`."""

    def __init__(self, database: Database) -> None:
        self.database, self.metrics, self.health = database, Catalogue(CollectorRegistry()), HealthBoard()
        self.clock = ManualClock()
        self.error: Exception | None = None
        self.address, self.queue = Address("archivist", clock=self.clock), Address("queue")
        self.make: Make = self._make
        self.progress = ProgressWriter(database)
        Archivist.start(
            self.address,
            make=lambda is_stopping, on_step: self.make(is_stopping, on_step),
            health=self.health,
            progress_writer=self.progress,
            clock=self.clock,
            database=database,
            queue=self.queue,
            metrics=self.metrics,
            policy=RetryPolicy(),
            node=NODE,
        )
        assert isinstance(self.address.actor, Archivist)
        self.actor = self.address.actor
        self.actor.ready.get(timeout=START_S)

    def _make(self, is_stopping: Callable[[], bool], on_step: OnStep) -> Path:
        if self.error is not None:
            raise self.error
        return Path("backup.dump")

    def begin(self) -> JobId:
        job_id = job_rows.enqueue(self.database, BACKUP, lane=BACKUP)
        self.address.tell(Work(claim=job_rows.claim(self.database, lane=BACKUP)))
        return job_id

    def work(self) -> JobId:
        job_id = self.begin()
        assert isinstance(next_message(self.queue), WorkEnded)
        return job_id

    def look(self) -> str:
        """Its item of health after a look; "" for none."""
        self.address.ask(Tick(), timeout_s=START_S)
        return "".join(item.text for item in self.health.items() if item.source == BACKUP)

    def value(self, name: str) -> float:
        value = self.metrics.registry.get_sample_value(name)
        assert value is not None
        return value


@pytest.fixture
def bench(database: Database) -> Iterator[Bench]:
    bench = Bench(database)
    yield bench
    bench.actor.actor_ref.stop(block=False)
    assert bench.actor.gone.wait(START_S)
    bench.progress.close()


def test_before_the_first_backup_its_age_is_not_known(bench: Bench) -> None:
    assert bench.look() == ""
    assert math.isnan(bench.value("understudy_backup_age_seconds"))
    assert bench.value("understudy_backup_failing") == 0


def test_a_backup_ends_its_job_and_its_age_grows(bench: Bench, database: Database) -> None:
    assert job_rows.state(database, bench.work()) == "done"
    assert 0 <= bench.value("understudy_backup_age_seconds") < 30
    bench.clock.advance(3600.0)
    assert 3600 <= bench.value("understudy_backup_age_seconds") < 3630
    assert bench.look() == ""


@pytest.mark.parametrize("error", [BackupFailed("pg_dump: no"), NoSpace("disk full"), DatabaseUnavailable("refused")])
def test_a_backup_that_fails_is_said_and_tried_again_without_end(
    bench: Bench, database: Database, error: Exception
) -> None:
    bench.error = error
    job = job_rows.row(database, bench.work())
    assert (job["state"], job["attempt"], job["waiting_for"]) == ("ready", 0, BACKUP)
    assert RETRY_S - 10 < job["due_in_s"] <= RETRY_S
    assert str(error) in bench.look()
    assert bench.value("understudy_backup_failing") == 1
    execute(database.dsn, "delete from jobs")
    bench.error = None
    bench.work()
    assert bench.look() == ""
    assert bench.value("understudy_backup_failing") == 0


def test_no_backup_for_two_days_is_said_whichever_node_should_have_made_it(bench: Bench, database: Database) -> None:
    execute(database.dsn, "insert into tasks (name, created_at) values ('backup', now() - interval '47 h')")
    assert bench.look() == ""
    execute(database.dsn, "update tasks set created_at = now() - interval '3 days'")
    assert "no backup was made for 3 days" in bench.look()
    execute(database.dsn, "update tasks set succeeded_at = now() - interval '1 h'")
    assert bench.look() == ""
    assert 3600 <= bench.value("understudy_backup_age_seconds") < 3660
    execute(database.dsn, "update tasks set succeeded_at = now() - interval '49 h'")
    assert "no backup was made for 2 days" in bench.look()
    execute(database.dsn, "update tasks set error = 'the other node says no'")
    assert "the other node says no" in bench.look()


def test_a_stop_ends_a_backup_which_is_no_failure_and_goes_on_at_the_next_start(
    bench: Bench, database: Database
) -> None:
    has_begun = Event()

    def make(is_stopping: Callable[[], bool], on_step: OnStep) -> Path:
        has_begun.set()
        until(is_stopping)
        raise BackupFailed("pg_dump was ended by the stop")

    bench.make = make
    job_id = bench.begin()
    assert has_begun.wait(START_S)
    bench.actor.interrupt()
    next_message(bench.queue)
    job = job_rows.row(database, job_id)
    assert (job["state"], job["attempt"]) == ("ready", 0)
    assert job["due_in_s"] < 2
    assert bench.look() == ""
    assert ask(database.dsn, "select count(*) from tasks where error is not null") == [0]


def test_a_backup_that_goes_on_is_not_taken_for_hung(bench: Bench) -> None:
    seen: list[float | None] = []

    def make(is_stopping: Callable[[], bool], on_step: OnStep) -> Path:
        for _ in range(2):
            bench.clock.advance(200.0)
            is_stopping()
            seen.append(bench.actor.inbox.silent_since)
        return Path("backup.dump")

    bench.make = make
    bench.work()
    assert seen == [1200.0, 1400.0]


def test_what_it_is_at_is_shown_with_the_bytes_until_it_ends(bench: Bench, database: Database) -> None:
    shown_with = "select step || ' ' || done_bytes from progress where operation = 'backup'"

    def make(is_stopping: Callable[[], bool], on_step: OnStep) -> Path:
        on_step("saving", 4096)
        until(lambda: ask(database.dsn, shown_with) == ["saving 4096"])
        on_step("sealing", 8192)
        until(lambda: ask(database.dsn, shown_with) == ["sealing 8192"])
        return Path("backup.dump")

    bench.make = make
    bench.work()
    assert ask(database.dsn, shown_with) == []
