"""The Housekeeper: one job does all tables, page by page, and a stop does not wait for the end."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.housekeeper import HOUSEKEEPING, Housekeeper
from actors.messages import Work, WorkEnded
from metrics.catalogue import Catalogue
from movies.failure import RetryPolicy
from storage import schedules
from storage.database import Database
from storage.housekeeping import Keep
from tests.actors import job_rows
from tests.actors.job_rows import NODE, next_message
from tests.storage.databases import ask, execute
from tests.supervision.probe import START_S

OLD = """insert into jobs (kind, lane, state, correlation_id, ended_at)
         select 'search', 'x', 'done', 'c', now() - interval '8 days' from generate_series(1, 2500)"""


class Bench:
    def __init__(self, database: Database) -> None:
        self.database, self.metrics = database, Catalogue(CollectorRegistry())
        self.address, self.queue = Address("housekeeper"), Address("queue")
        Housekeeper.start(
            self.address,
            keep=Keep(jobs_s=7 * 86400.0, events_s=60.0, history_s=86400.0),
            database=database,
            queue=self.queue,
            metrics=self.metrics,
            policy=RetryPolicy(),
            node=NODE,
        )
        assert isinstance(self.address.actor, Housekeeper)
        self.actor = self.address.actor
        self.actor.ready.get(timeout=START_S)

    def work(self) -> str:
        """Have it do a job; what that is then."""
        job_id = job_rows.enqueue(self.database, HOUSEKEEPING, lane=HOUSEKEEPING)
        self.address.tell(Work(claim=job_rows.claim(self.database, lane=HOUSEKEEPING)))
        assert isinstance(next_message(self.queue), WorkEnded)
        return job_rows.state(self.database, job_id)


@pytest.fixture
def bench(database: Database) -> Iterator[Bench]:
    bench = Bench(database)
    yield bench
    bench.actor.actor_ref.stop(block=False)
    assert bench.actor.gone.wait(START_S)


def test_all_that_is_old_goes_in_one_job_and_is_counted(bench: Bench, database: Database) -> None:
    execute(database.dsn, OLD)
    execute(database.dsn, "insert into events (kind, happened_at) values ('old', now() - interval '1 h')")
    assert bench.work() == "done"
    assert ask(database.dsn, "select count(*) from jobs where lane = 'x'") == [0]
    assert ask(database.dsn, "select count(*) from events where kind = 'old'") == [0]
    assert pruned(bench, "jobs") == 2500
    assert pruned(bench, "events") == 1
    assert pruned(bench, "releases") == 0
    with database.transaction() as connection:
        outcome = schedules.outcome(connection, HOUSEKEEPING)
    assert outcome is not None
    assert outcome.succeeded_ago_s is not None


def pruned(bench: Bench, table: str) -> float | None:
    return bench.metrics.registry.get_sample_value("understudy_pruned_rows_total", {"table": table})


def test_a_stop_leaves_the_rest_for_the_next_start(bench: Bench, database: Database) -> None:
    execute(database.dsn, OLD)
    bench.actor.interrupt()
    assert bench.work() == "ready"
    assert ask(database.dsn, "select attempt from jobs where lane = 'housekeeping'") == [0]
    assert ask(database.dsn, "select count(*) from jobs where lane = 'x'") == [2500]
