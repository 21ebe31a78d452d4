"""Many jobs in one transaction: enqueued by one statement, ended by one for each fencing token.

A commit costs more than a hundred rows do, so batches are what makes speed predictable. What the database refuses must
not take its neighbours along: a batch that fails is halved, within savepoints, until the bad row stands alone. An
outage is nobody's fault and ends the whole transaction as usual. Batches are claimed by `jobs.claim` with many slots.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import scalar_row

from movies.movie import JobId, MovieId
from storage.database import OUTAGES, Connection
from storage.jobs import ONCE, Claim

Item = TypeVar("Item")
Made = TypeVar("Made")


class NewJob(NamedTuple):
    """The arguments of `jobs.enqueue`, by name; a tuple, for a thousand of them are made and read at once."""

    kind: str
    lane: str
    correlation_id: str
    payload: Mapping[str, Any] = {}
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

    done: Set[JobId]
    fenced: Set[JobId]
    refused: Sequence[tuple[Claim, str]]


Results = Callable[[Connection, Sequence[Claim]], None]
"""Writes what came of these jobs, in the transaction that acknowledges them."""


def enqueue_many(connection: Connection, new: Iterable[NewJob]) -> Enqueued:
    """New ready jobs, the good ones of them. 1,000 in one commit is a good number."""
    ids, refused = _by_halves(connection, list(new), _enqueue)
    return Enqueued(ids=ids, refused=refused)


def enqueue_each(connection: Connection, like: NewJob, payloads: Iterable[Mapping[str, Any]]) -> Enqueued:
    """One job `like` this for each payload: what differs in nothing else is written faster."""
    ids, refused = _by_halves(connection, list(payloads), partial(_enqueue_payloads, like=like))
    return Enqueued(ids=ids, refused=[(like._replace(payload=payload), words) for payload, words in refused])


def finish_many(connection: Connection, claims: Iterable[Claim], *, results: Results | None = None) -> Finished:
    """The jobs are done, those that are still this worker's.

    `results` is called with those only, after their rows are locked; it may be called again with fewer of them when the
    database refuses what it wrote, so it must write to `connection` and nowhere else. None: their rows are all they
    leave, and there is nothing to refuse.
    """
    held = {claim.job_id: claim for claim in claims}
    if results is None:
        ended = _acknowledge(connection, held.values())
        return Finished(done=ended, fenced=held.keys() - ended, refused=())
    done, refused = _by_halves(connection, list(held.values()), partial(_finish, results=results))
    left = held.keys() - set(done) - {claim.job_id for claim, _ in refused}
    return Finished(done=frozenset(done), fenced=frozenset(left), refused=refused)


COLUMNS = {
    "kind": "text",
    "lane": "text",
    "correlation_id": "text",
    "payload": "jsonb",
    "unique_key": "text",
    "movie_id": "bigint",
    "node": "text",
    "delay_s": "float8",
    "attempt": "int",
    "priority": "smallint",
}
"""As `NewJob` has them, with their types."""


def _enqueue(connection: Connection, new: Sequence[NewJob]) -> list[JobId]:
    """What all jobs share goes once."""
    values = dict(zip(NewJob._fields, zip(*new, strict=True), strict=True))
    shared = {column: all_[0] for column, all_ in values.items() if all_.count(all_[0]) == len(all_)}
    shared.pop("payload", None)
    own = [column for column in values if column not in shared]
    return _insert(connection, shared, own, list(zip(*(values[column] for column in own), strict=True)))


def _enqueue_payloads(connection: Connection, payloads: Sequence[Mapping[str, Any]], *, like: NewJob) -> list[JobId]:
    shared = like._asdict()
    del shared["payload"]
    return _insert(connection, shared, ["payload"], [(payload,) for payload in payloads])


def _insert(
    connection: Connection, shared: Mapping[str, Any], own: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> list[JobId]:
    """As one JSON document, which is made and read twice as fast as an array for each column."""
    has_keys = shared.get("unique_key", "various") is not None
    with connection.cursor(row_factory=scalar_row) as cursor:
        documents = json.dumps(rows, default=dict)
        cursor.execute(_insertion(own, has_keys=has_keys), {**shared, "documents": documents})
        return cursor.fetchall()


def _insertion(own: Sequence[str], *, has_keys: bool) -> bytes:
    """The columns that are each job's `own` come from its place in the document, the others are parameters."""
    chosen = {column: f"%({column})s::{kind}" for column, kind in COLUMNS.items()}
    chosen |= {column: f"(document ->> {place})::{COLUMNS[column]}" for place, column in enumerate(own)}
    chosen["payload"] = f"document -> {own.index('payload')}"
    chosen["run_at"] = f"now() + make_interval(secs => {chosen.pop('delay_s')})"
    keys = ONCE if has_keys else ""
    return f"""insert into jobs ({", ".join(chosen)}) select {", ".join(chosen.values())}
               from jsonb_array_elements(%(documents)s::jsonb) as document {keys} returning id""".encode()


def _finish(connection: Connection, claims: Sequence[Claim], *, results: Results) -> list[JobId]:
    done = _acknowledge(connection, claims)
    if ours := [claim for claim in claims if claim.job_id in done]:
        results(connection, ours)
    return list(done)


def _acknowledge(connection: Connection, claims: Iterable[Claim]) -> set[JobId]:
    """By id and token alone: the state would let the planner take the lease's index, which is full of dead entries."""
    by_owner: dict[UUID, list[JobId]] = {}
    for claim in claims:
        by_owner.setdefault(claim.owner, []).append(claim.job_id)
    done: set[JobId] = set()
    with connection.cursor(row_factory=scalar_row) as cursor:
        for owner, ids in by_owner.items():
            cursor.execute(
                """update jobs set state = 'done', ended_at = now(), reason = null,
                                   owner = null, worker_node = null, lease_until = null
                   where id = any(%s) and owner = %s returning id""",
                (ids, owner),
            )
            done.update(cursor.fetchall())
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
