"""Batches of jobs: one transaction for all, and no job suffers from another."""

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from movies.movie import JobId, MovieId
from storage import jobs
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable
from storage.job_batches import NewJob, enqueue_each, enqueue_many, finish_many
from storage.jobs import Claim
from tests.storage.test_jobs import lose

LANE = "indexer:one"
NOBODY = MovieId(10**9)
NUL = {"text": "\0"}
"""A payload that jsonb refuses."""


def new(number: int = 0, **more: Any) -> NewJob:
    return NewJob(kind="fetch", lane=LANE, correlation_id="cid", **{"payload": {"n": number}, **more})


def add(database: Database, count: int) -> Sequence[JobId]:
    with database.transaction() as connection:
        return enqueue_many(connection, [new(number) for number in range(count)]).ids


def take(database: Database, slots: int, *, owner: UUID | None = None) -> list[Claim]:
    with database.transaction() as connection:
        return jobs.claim(connection, node="here", owner=owner or uuid4(), slots={LANE: slots}, lease_s=30)


def rows(database: Database, sql: str = "select * from jobs order by id") -> list[dict[str, Any]]:
    with database.transaction() as connection:
        return connection.execute(sql.encode()).fetchall()


def states(database: Database) -> list[str]:
    return [row["state"] for row in rows(database)]


def test_a_batch_writes_the_rows_that_single_calls_write(database: Database) -> None:
    with database.transaction() as connection:
        movie = connection.execute(
            "insert into movies (title, profile, root) values ('Sintel', 'hd', '/library') returning id"
        ).fetchone()
        assert movie is not None
        plain: dict[str, Any] = {"lane": LANE, "payload": {"text": 'a "quoted" \\ ü'}, "correlation_id": "cid"}
        full = plain | {
            "movie_id": MovieId(movie["id"]),
            "unique_key": "key",
            "node": "there",
            "delay_s": 60.5,
            "attempt": 2,
            "priority": -3,
        }
        jobs.enqueue(connection, "fetch", **plain)
        jobs.enqueue(connection, "search", **full)
        singles = connection.execute("select * from jobs order by id").fetchall()
        connection.execute("delete from jobs")
        made = enqueue_many(connection, [NewJob(kind="fetch", **plain), NewJob(kind="search", **full)])
        batch = connection.execute("select * from jobs order by id").fetchall()
    assert [row["id"] for row in batch] == list(made.ids)
    for row in singles + batch:
        del row["id"]
    assert batch == singles
    assert not made.refused


def test_one_job_for_each_payload_is_what_so_many_single_calls_write(database: Database) -> None:
    like: dict[str, Any] = {"lane": LANE, "correlation_id": "cid", "node": "there", "delay_s": 60.5, "priority": 2}
    payloads = [{"n": number, "text": 'a "quoted" \\ ü'} for number in range(3)]
    with database.transaction() as connection:
        for payload in payloads:
            jobs.enqueue(connection, "fetch", payload=payload, **like)
        singles = connection.execute("select * from jobs order by id").fetchall()
        connection.execute("delete from jobs")
        made = enqueue_each(connection, NewJob(kind="fetch", **like), payloads)
        batch = connection.execute("select * from jobs order by id").fetchall()
    assert [row["id"] for row in batch] == list(made.ids) == sorted(made.ids)
    for row in singles + batch:
        del row["id"]
    assert batch == singles


def test_a_payload_that_cannot_be_written_stands_alone(database: Database) -> None:
    with database.transaction() as connection:
        made = enqueue_each(connection, new(7), [{"n": 1}, NUL, {"n": 2}])
    assert [job for job, _ in made.refused] == [new(7)._replace(payload=NUL)]
    assert [row["payload"]["n"] for row in rows(database)] == [1, 2]


def test_of_many_jobs_under_one_key_the_first_is_enqueued(database: Database) -> None:
    with database.transaction() as connection:
        assert len(enqueue_each(connection, new(unique_key="one"), [{"n": 1}, {"n": 2}]).ids) == 1
    assert [row["payload"]["n"] for row in rows(database)] == [1]


def test_ids_grow_in_the_order_of_the_batch(database: Database) -> None:
    ids = add(database, 50)
    assert list(ids) == sorted(ids)
    assert [row["payload"]["n"] for row in rows(database)] == list(range(50))


def test_an_empty_batch_is_nothing(database: Database) -> None:
    with database.transaction() as connection:
        assert enqueue_many(connection, []).ids == []
        assert enqueue_each(connection, new(), []).ids == []
        assert not finish_many(connection, []).done


def test_a_job_whose_key_is_in_the_queue_or_earlier_in_the_batch_is_left_out(database: Database) -> None:
    with database.transaction() as connection:
        enqueue_many(connection, [new(unique_key="there")])
        made = enqueue_many(connection, [new(unique_key=key) for key in ("there", "new", "new", None)])
    assert len(made.ids) == 2
    assert [row["unique_key"] for row in rows(database)] == ["there", "new", None]


@pytest.mark.parametrize("bad", [new(payload=NUL), new(movie_id=NOBODY)], ids=["payload", "movie"])
@pytest.mark.parametrize("place", [0, 4, 8])
def test_a_job_that_cannot_be_written_stands_alone(database: Database, place: int, bad: NewJob) -> None:
    batch = [new(number) for number in range(8)]
    batch.insert(place, bad)
    with database.transaction() as connection:
        made = enqueue_many(connection, batch)
    assert [job for job, _ in made.refused] == [bad]
    assert all(words for _, words in made.refused)
    assert [row["payload"]["n"] for row in rows(database)] == list(range(8))
    assert len(made.ids) == 8


def test_a_batch_wakes_the_queues_once(database: Database) -> None:
    with database.listen("jobs") as listener:
        add(database, 100)
        assert len(list(listener.notifies(timeout=0.5))) == 1


def test_a_batch_is_claimed_at_once_and_done_at_once(database: Database) -> None:
    ids = add(database, 100)
    claims = take(database, 100)
    with database.transaction() as connection:
        finished = finish_many(connection, claims)
    assert finished.done == set(ids)
    assert not finished.fenced
    assert all(row["state"] == "done" and row["ended_at"] and row["owner"] is None for row in rows(database))


def test_what_is_no_longer_ours_is_left_as_it_is(database: Database) -> None:
    add(database, 3)
    zombies = take(database, 3)
    lose(database)
    (rightful,) = take(database, 1)
    before = rows(database)
    with database.transaction() as connection:
        finished = finish_many(connection, zombies)
    assert finished.fenced == {claim.job_id for claim in zombies}
    assert not finished.done
    assert rows(database) == before
    with database.transaction() as connection:
        assert finish_many(connection, [rightful]).done == {rightful.job_id}


def test_a_token_opens_only_the_jobs_it_was_given_for(database: Database) -> None:
    """The same worker took the job twice: the first claim's end must not pass for the second's."""
    add(database, 2)
    lost, kept = take(database, 2)
    with database.transaction() as connection:
        jobs.release(connection, [lost])
    (again,) = take(database, 1)
    with database.transaction() as connection:
        finished = finish_many(connection, [lost, kept])
    assert again.job_id == lost.job_id
    assert finished.done == {kept.job_id}
    assert finished.fenced == {lost.job_id}


def test_results_are_written_with_the_acknowledgement_and_only_for_what_is_ours(database: Database) -> None:
    add(database, 4)
    zombies = take(database, 2)
    lose(database)
    held = take(database, 4)

    def follow(connection: Connection, claims: Sequence[Claim]) -> None:
        enqueue_many(connection, [NewJob(kind="next", lane="later", correlation_id="cid") for _ in claims])

    with database.transaction() as connection:
        assert len(finish_many(connection, [*zombies, *held[2:]], results=follow).done) == 2
    assert len(rows(database, "select from jobs where kind = 'next'")) == 2
    with database.transaction() as connection:
        assert len(finish_many(connection, held[:2], results=follow).done) == 2
        raise psycopg.Rollback
    assert states(database).count("running") == 2
    assert len(rows(database, "select from jobs where kind = 'next'")) == 2


@pytest.mark.parametrize("place", [0, 3, 6])
def test_results_that_the_database_refuses_leave_their_job_running_and_the_others_done(
    database: Database, place: int
) -> None:
    add(database, 7)
    claims = take(database, 7)
    bad = claims[place]

    def write(connection: Connection, claims: Sequence[Claim]) -> None:
        for claim in claims:
            connection.execute(
                "insert into job_errors (job_id, attempt, reason, error) values (%s, 1, 'result', %s)",
                (claim.job_id, None if claim == bad else "fine"),
            )

    with database.transaction() as connection:
        finished = finish_many(connection, claims, results=write)
    assert [claim for claim, _ in finished.refused] == [bad]
    assert finished.done == {claim.job_id for claim in claims} - {bad.job_id}
    assert not finished.fenced
    assert [row["id"] for row in rows(database) if row["state"] == "running"] == [bad.job_id]
    assert len(rows(database, "select from job_errors")) == 6


def test_an_outage_is_nobodys_fault_and_ends_nothing(database: Database) -> None:
    add(database, 5)
    claims = take(database, 5)

    def cut(connection: Connection, claims: Sequence[Claim]) -> None:
        connection.execute("select pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseUnavailable), database.transaction() as connection:
        finish_many(connection, claims, results=cut)
    assert states(database) == ["running"] * 5


def test_two_workers_that_take_and_end_batches_at_once_do_every_job_once(database: Database) -> None:
    add(database, 400)
    done: list[JobId] = []

    def work() -> None:
        while claims := take(database, 20):
            with database.transaction() as connection:
                done.extend(finish_many(connection, claims).done)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [row["id"] for row in rows(database)]
    assert set(states(database)) == {"done"}


def test_a_batch_that_was_not_committed_is_not_there(database: Database) -> None:
    with database.transaction() as connection:
        assert len(enqueue_many(connection, [new(1)]).ids) == 1
        raise psycopg.Rollback
    assert rows(database) == []
