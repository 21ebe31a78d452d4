"""Jobs as tests put them into the database, and as they find them there."""

import uuid
from typing import Any

import psycopg
from psycopg.rows import dict_row

from actors.address import Address
from actors.messages import Work
from movies.movie import JobId, MovieId, WantedMovie
from storage import jobs, movies
from storage.database import Connection, Database
from storage.jobs import Claim
from tests.until import until

LANE = "indexer:open"
NODE = "here"
FETCH = {"movie_id": 1, "release_id": 1, "attempt": 1}


def enqueue(database: Database, kind: str = "fetch", *, lane: str = LANE, **facts: Any) -> JobId:
    with database.transaction() as connection:
        job_id = jobs.enqueue(connection, kind, lane=lane, correlation_id="cid", **{"payload": FETCH, **facts})
    assert job_id is not None
    return job_id


def row(database: Database, job_id: JobId) -> dict[str, Any]:
    """The job's row, with `due_in_s` and `lease_s`; over a connection of its own, which no outage before has cut."""
    with psycopg.connect(database.dsn, row_factory=dict_row) as connection:
        found = connection.execute(
            """select *, extract(epoch from run_at - now())::float8 as due_in_s,
                      extract(epoch from lease_until - now())::float8 as lease_s from jobs where id = %s""",
            (job_id,),
        ).fetchone()
    assert found is not None
    return found


def state(database: Database, job_id: JobId) -> str:
    return str(row(database, job_id)["state"])


def claim(database: Database, *, lane: str = LANE) -> Claim:
    """Take the next due job of `lane`."""
    with database.transaction() as connection:
        (taken,) = jobs.claim(connection, node=NODE, owner=uuid.uuid4(), slots={lane: 1}, lease_s=30.0)
    return taken


def wanted_movie(connection: Connection, *, title: str = "Sintel") -> MovieId:
    wanted = WantedMovie(title=title, year=2010, profile="hd")
    return movies.claim_movie(connection, wanted, source="file:config.toml", root="/library")


def movie_state(database: Database, movie_id: MovieId) -> str:
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute("select state from movies where id = %s", (movie_id,)).fetchone()
    assert found is not None
    return str(found[0])


def next_message(address: Address, *, timeout_s: float = 10.0) -> Any:
    """What comes to an address that no actor reads."""
    until(lambda: address.depth, timeout_s=timeout_s, what=f"a message to {address.name}")
    with address.lock:
        letter = address.take(0.0)
    assert letter is not None
    return letter.message


def next_claim(address: Address, *, timeout_s: float = 10.0) -> Claim:
    message = next_message(address, timeout_s=timeout_s)
    assert isinstance(message, Work)
    return message.claim
