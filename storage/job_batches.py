"""Many jobs in one transaction: enqueued by one statement, ended by one for each fencing token.

A commit costs more than a hundred rows do, so batches are what makes speed predictable. What the database refuses must
not take its neighbours along: a batch that fails is halved, within savepoints, until the bad row stands alone. An
outage is nobody's fault and ends the whole transaction as usual. Batches are claimed by `jobs.claim` with many slots.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import scalar_row

from movies.movie import JobId, MovieId
from storage.database import OUTAGES, Connection
from storage.jobs import ONCE, Claim

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """The arguments of `jobs.enqueue`."""

    kind: str
    lane: str
    correlation_id: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    unique_key: str | None = None
    movie_id: MovieId | None = None
    node: str | None = None
    delay_s: float = 0.0
    attempt: int = 0
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class Enqueued:
    """`ids` of the new jobs, in their order; who has a unique key that is ready or running already gets none."""

    ids: Sequence[JobId]
    refused: Sequence[tuple[NewJob, str]]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """`done` is acknowledged; `fenced` was no longer this worker's; what is `refused`, and why, is still running."""

    done: frozenset[JobId]
    fenced: frozenset[JobId]
    refused: Sequence[tuple[Claim, str]]


Results = Callable[[Connection, Sequence[Claim]], None]
"""Writes what came of these jobs, in the transaction that acknowledges them."""


def no_results(connection: Connection, claims: Sequence[Claim]) -> None:
    """For jobs whose row is all they leave."""


def enqueue_many(connection: Connection, new: Iterable[NewJob]) -> Enqueued:
    """New ready jobs, the good ones of them. 1,000 in one commit is a good number."""
    ids, refused = _by_halves(connection, list(new), _enqueue)
    return Enqueued(ids=ids, refused=refused)


def finish_many(connection: Connection, claims: Iterable[Claim], *, results: Results = no_results) -> Finished:
    """The jobs are done, those that are still this worker's.

    `results` is called with those only, after their rows are locked; it may be called again with fewer of them when the
    database refuses what it wrote, so it must write to `connection` and nowhere else.
    """

    def finish(connection: Connection, claims: Sequence[Claim]) -> list[JobId]:
        done = _acknowledge(connection, claims)
        ours = [claim for claim in claims if claim.job_id in done]
        if ours:
            results(connection, ours)
        return list(done)

    held = {claim.job_id: claim for claim in claims}
    done, refused = _by_halves(connection, list(held.values()), finish)
    left = held.keys() - set(done) - {claim.job_id for claim, _ in refused}
    return Finished(done=frozenset(done), fenced=frozenset(left), refused=refused)


COLUMNS = {
    "kind": "text",
    "payload": "jsonb",
    "lane": "text",
    "correlation_id": "text",
    "unique_key": "text",
    "movie_id": "bigint",
    "node": "text",
    "delay_s": "float8",
    "attempt": "int",
    "priority": "smallint",
}


def _enqueue(connection: Connection, new: Sequence[NewJob]) -> list[JobId]:
    """As one JSON document, which is made and read twice as fast as arrays; what all jobs share goes once."""
    values = {column: [getattr(job, column) for job in new] for column in COLUMNS.keys() - {"payload"}}
    shared = {column: all_[0] for column, all_ in values.items() if all_.count(all_[0]) == len(all_)}
    own = values.keys() - shared.keys()
    documents = [{"payload": dict(job.payload)} | {column: getattr(job, column) for column in own} for job in new]
    has_keys = shared.get("unique_key", "various") is not None
    with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(_insertion(shared, has_keys=has_keys), {**shared, "documents": json.dumps(documents)})
        return [JobId(number) for number in cursor]


def _insertion(shared: Collection[str], *, has_keys: bool) -> bytes:
    """The columns `shared` are parameters, the others come from each job's document."""
    chosen = {
        column: f"%({column})s::{kind}" if column in shared else f"(document ->> '{column}')::{kind}"
        for column, kind in COLUMNS.items()
    }
    chosen["payload"] = "document -> 'payload'"
    chosen["run_at"] = f"now() + make_interval(secs => {chosen.pop('delay_s')})"
    keys = ONCE if has_keys else ""
    return f"""insert into jobs ({", ".join(chosen)}) select {", ".join(chosen.values())}
               from jsonb_array_elements(%(documents)s::jsonb) as document {keys} returning id""".encode()


def _acknowledge(connection: Connection, claims: Sequence[Claim]) -> set[JobId]:
    """By id and token alone: the state would let the planner take the lease's index, which is full of dead entries."""
    by_owner: dict[UUID, list[JobId]] = {}
    for claim in claims:
        by_owner.setdefault(claim.owner, []).append(claim.job_id)
    done = set()
    for owner, ids in by_owner.items():
        rows = connection.execute(
            """update jobs set state = 'done', ended_at = now(), reason = null,
                               owner = null, worker_node = null, lease_until = null
               where id = any(%s) and owner = %s returning id""",
            (ids, owner),
        ).fetchall()
        done |= {JobId(row["id"]) for row in rows}
    return done


def _by_halves(
    connection: Connection, items: Sequence[Item], write: Callable[[Connection, Sequence[Item]], list[Made]]
) -> tuple[list[Made], list[tuple[Item, str]]]:
    """What `write` makes of the items, and those it cannot be done with, each with the database's words."""
    if not items:
        return [], []
    try:
        with connection.transaction():
            return write(connection, items), []
    except psycopg.errors.ProgramLimitExceeded as error:
        refusal = str(error)  # a value that is too large, though psycopg counts it among the outages
    except OUTAGES:
        raise
    except psycopg.Error as error:
        refusal = str(error)
    if len(items) == 1:
        return [], [(items[0], refusal)]
    middle = len(items) // 2
    first, bad = _by_halves(connection, items[:middle], write)
    second, more_bad = _by_halves(connection, items[middle:], write)
    return first + second, bad + more_bad
