"""The plans of the queue's statements on a table in which ten of eleven rows are finished, as auto_explain saw them.

Each must come to its rows by the index made for it and touch about as many as it wants: what reads the finished rows
gets slower for ever. A statement is planned for its values and, once it was prepared and used often, without them.
"""

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from storage import events, jobs
from storage.database import Connection
from storage.embedded import EmbeddedPostgres
from storage.events import Cursor
from storage.housekeeping import prune_jobs
from storage.job_batches import finish_many
from storage.jobs import Claim
from tests.postgres import fresh_database
from tests.storage.explained import PLAN_MODES, explained, planning

FINISHED, WAITING, RUNNING = 100_000, 10_000, 50
LANES = [f"indexer:{number}" for number in range(10)]
NODE = "here"
OWNER = UUID(int=1)
FILL = f"""
insert into jobs (kind, lane, payload, correlation_id, state, attempt, started_at, ended_at)
    select 'fetch', 'indexer:' || n % 10, '{{"n": 1}}', 'cid', 'done', 1, now(), now() - n * interval '1 s'
    from generate_series(1, {FINISHED}) as n;
insert into jobs (kind, lane, correlation_id, run_at)
    select 'fetch', 'indexer:' || n % 10, 'cid', now() - n * interval '1 s' from generate_series(1, {WAITING}) as n;
insert into jobs (kind, lane, correlation_id, state, attempt, owner, worker_node, lease_until)
    select 'fetch', 'indexer:' || n % 10, 'cid', 'running', 1, '{OWNER}', '{NODE}', now() + interval '1 min'
    from generate_series(1, {RUNNING}) as n;
"""
PAST = f"insert into events (kind) select 'daemon.started' from generate_series(1, {FINISHED});"
NEWER = "insert into events (kind) select 'daemon.started' from generate_series(1, 10);"


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database with many finished rows, vacuumed and analysed."""
    with fresh_database(postgres) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in (FILL, PAST, "vacuum analyze jobs", "vacuum analyze events", NEWER):
                connection.execute(statement.encode())
        yield dsn


@pytest.fixture(params=PLAN_MODES)
def connection(filled: str, request: pytest.FixtureRequest) -> Iterator[Connection]:
    with planning(filled, request.param) as connection:
        yield connection


def held(connection: Connection) -> list[Claim]:
    return jobs.held_by(connection, NODE)


def claim(connection: Connection, slots: int) -> list[Claim]:
    free = dict.fromkeys(LANES, slots)
    return jobs.claim(connection, node=NODE, owner=uuid4(), slots=free, lease_s=30)


def test_a_claim_reads_the_ready_rows_it_takes(connection: Connection) -> None:
    plan = explained(connection, lambda: claim(connection, 10))
    assert plan.indexes == {"jobs_ready"}
    assert not plan.full_scans
    assert plan.rows_read < 350, "100 in the index, 100 by their places"


def test_a_large_claim_stays_on_the_indexes(connection: Connection) -> None:
    plan = explained(connection, lambda: claim(connection, 100))
    assert plan.indexes == {"jobs_ready"}
    assert not plan.full_scans
    assert plan.rows_read < 3_500


def test_a_claim_in_lanes_where_nothing_waits_reads_nothing(connection: Connection) -> None:
    slots = {"nothing:here": 100}
    plan = explained(connection, lambda: jobs.claim(connection, node=NODE, owner=uuid4(), slots=slots, lease_s=30))
    assert not plan.full_scans
    assert plan.rows_read == 0


def test_an_end_finds_its_row_by_the_id(connection: Connection) -> None:
    (one, *_) = held(connection)
    plan = explained(connection, lambda: jobs.finish(connection, one))
    assert plan.indexes == {"jobs_pkey"}
    assert plan.rows_read <= 1


@pytest.mark.parametrize("size", [10, 50])
def test_a_batch_is_acknowledged_by_its_ids(connection: Connection, size: int) -> None:
    claims = held(connection)[:size]
    plan = explained(connection, lambda: finish_many(connection, claims))
    assert plan.indexes == {"jobs_pkey"}
    assert not plan.full_scans
    assert plan.rows_read <= size


def test_a_batch_of_five_hundred_is_acknowledged_by_its_ids(connection: Connection) -> None:
    claims = claim(connection, 50)
    assert len(claims) == 500
    plan = explained(connection, lambda: finish_many(connection, claims))
    assert plan.indexes == {"jobs_pkey"}
    assert not plan.full_scans
    assert plan.rows_read <= 500


def test_a_heartbeat_finds_its_rows_by_their_ids(connection: Connection) -> None:
    claims = held(connection)
    plan = explained(connection, lambda: jobs.extend_leases(connection, claims, lease_s=30))
    assert plan.indexes <= {"jobs_pkey", "jobs_lease"}
    assert not plan.full_scans
    assert plan.rows_read <= 2 * RUNNING


def test_giving_back_finds_its_rows_by_their_ids(connection: Connection) -> None:
    claims = held(connection)
    plan = explained(connection, lambda: jobs.release(connection, claims))
    assert plan.indexes <= {"jobs_pkey", "jobs_lease"}
    assert not plan.full_scans
    assert plan.rows_read <= 2 * RUNNING


def test_a_sweep_that_finds_nothing_reads_no_row(connection: Connection) -> None:
    plan = explained(connection, lambda: jobs.sweep(connection))
    assert "jobs_lease" in plan.indexes
    assert not plan.full_scans
    assert plan.rows_read == 0


def test_a_sweep_reads_what_ran_out(connection: Connection) -> None:
    connection.execute("update jobs set lease_until = now() - interval '1 s' where state = 'running' and id % 2 = 0")
    plan = explained(connection, lambda: jobs.sweep(connection))
    assert {"jobs_lease", "jobs_pkey"} <= plan.indexes
    assert not plan.full_scans
    assert plan.rows_read <= 3 * RUNNING


def test_what_a_node_holds_is_looked_for_among_the_running_only(connection: Connection) -> None:
    plan = explained(connection, lambda: jobs.reclaim_node(connection, "another"))
    assert "jobs_lease" in plan.indexes
    assert not plan.full_scans
    assert plan.rows_read <= RUNNING


def test_the_next_due_time_is_no_walk_through_the_finished(connection: Connection) -> None:
    plan = explained(connection, lambda: jobs.seconds_to_next(connection, LANES, node=NODE))
    assert plan.indexes == {"jobs_ready"}
    assert not plan.full_scans
    assert plan.rows_read <= WAITING


def test_pruning_reads_what_is_old(connection: Connection) -> None:
    plan = explained(connection, lambda: prune_jobs(connection, older_than_s=FINISHED - 100))
    assert {"jobs_ended", "jobs_pkey"} <= plan.indexes
    assert "jobs" not in plan.full_scans
    assert plan.rows_read <= 500


def test_the_next_events_are_read_from_where_the_reader_stands(connection: Connection) -> None:
    row = connection.execute(
        "select xid::text::bigint as number, max(id) as id from events group by xid order by xid limit 1"
    ).fetchone()
    assert row is not None
    cursor = Cursor(xid=row["number"], id=row["id"])
    assert len(events.after(connection, cursor)) == 10
    plan = explained(connection, lambda: events.after(connection, cursor))
    assert "events_order" in plan.indexes
    assert not plan.full_scans
    assert plan.rows_read <= 20
