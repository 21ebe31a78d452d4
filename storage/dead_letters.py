"""Dead letters: jobs that failed for good and stay until a person decides, by one or by all that share a cause.

When a job becomes one, its movie and its download say so, whoever found it dead. A decision is one row's change and
happens once, however many ask for it at the same time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from movies.events import JobDied
from movies.failure import OUTSIDE, RetryPolicy
from movies.job import require_fit
from movies.movie import DownloadId, DownloadState, JobId, MovieId, MovieState
from storage import downloads, events, jobs, movies, progress
from storage.acquisition import RUNNING
from storage.database import Connection
from storage.jobs import Claim, JobState

Refusal = Literal["not dead", "unknown"]
DISCARDED: Literal["discarded"] = "discarded"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What dead letters have in common; None: any."""

    kind: str | None = None
    lane: str | None = None
    reason: str | None = None


_OF_CAUSE = """state = 'dead' and (%(kind)s::text is null or kind = %(kind)s)
    and (%(lane)s::text is null or lane = %(lane)s) and (%(reason)s::text is null or reason = %(reason)s)"""


def fail(
    connection: Connection,
    claim: Claim,
    *,
    reason: str,
    error: str,
    policy: RetryPolicy,
    jitter: float,
    is_permanent: bool = False,
    retry_after_s: float | None = None,
) -> JobState:
    """`jobs.fail`, and what follows if that attempt was the last. Raises Fenced."""
    state = jobs.fail(
        connection,
        claim,
        reason=reason,
        error=error,
        policy=policy,
        jitter=jitter,
        is_permanent=is_permanent,
        retry_after_s=retry_after_s,
    )
    if state == "dead":
        job_died(
            connection,
            kind=claim.kind,
            payload=claim.payload,
            movie_id=claim.movie_id,
            correlation_id=claim.correlation_id,
            reason=reason,
            error=error,
        )
    return state


def job_died(
    connection: Connection,
    *,
    kind: str,
    payload: Mapping[str, Any],
    movie_id: MovieId | None,
    correlation_id: str,
    reason: str,
    error: str,
) -> None:
    """Called in the transaction that made the job a dead letter; `error` is for people."""
    if movie_id is not None:
        movies.lock(connection, movie_id)
        _show_in_movie(connection, kind, payload, movie_id, error)
    what = JobDied(job_kind=kind, reason=reason)
    events.emit(connection, what, movie_id=movie_id, correlation_id=correlation_id)


def _show_in_movie(
    connection: Connection, kind: str, payload: Mapping[str, Any], movie_id: MovieId, error: str
) -> None:
    number = payload.get("download_id")
    download_id = DownloadId(number) if isinstance(number, int) else None  # the payload may be what was wrong
    match kind:
        case "search":
            movies.rest(connection, movie_id, reason=error)  # other indexers still search
        case "remove":
            pass  # the movie has what it needs; a torrent stays in its client
        case "import" if download_id is not None:
            _import_died(connection, download_id, movie_id, error)
        case "add" if download_id is not None:
            downloads.move(connection, download_id, DownloadState.FAILED, expected=tuple(RUNNING), error=error)
            movies.fail(connection, movie_id, reason=error)
        case _:
            movies.fail(connection, movie_id, reason=error)


def retry(connection: Connection, job_id: JobId) -> Refusal | Literal["retried", "waiting already"]:
    """Make a dead letter ready again with fresh counts, unless the same work is waiting already."""
    return _dead(connection, job_id) or _revive(connection, job_id)


def replay(
    connection: Connection, job_id: JobId, *, payload: Mapping[str, Any]
) -> Refusal | Literal["replayed", "waiting already"]:
    """Retry a dead letter with another payload. Raises Unfit when its kind of job cannot be done with that."""
    if (refusal := _dead(connection, job_id)) is not None:
        return refusal
    row = connection.execute("select kind from jobs where id = %s", (job_id,)).fetchone()
    assert row is not None
    require_fit(row["kind"], payload)
    if _revive(connection, job_id, payload=payload) != "retried":
        return "waiting already"
    return "replayed"


def retry_all(connection: Connection, cause: Cause) -> dict[str, int]:
    """Retry those of one cause, oldest first: how many were retried, and how many are waiting already."""
    rows = connection.execute(
        f"select id from jobs where {_OF_CAUSE} order by id for update skip locked".encode(), vars(cause)
    ).fetchall()
    outcomes = [_revive(connection, row["id"]) for row in rows]
    return {outcome: outcomes.count(outcome) for outcome in ("retried", "waiting already")}


def discard(connection: Connection, job_id: JobId) -> Refusal | Literal["discarded"]:
    """Nobody will do it: it counts as done, keeps its errors, and is pruned with the done ones."""
    if (refusal := _dead(connection, job_id)) is not None:
        return refusal
    connection.execute(
        "update jobs set state = 'done', reason = %s, ended_at = now() where id = %s", (DISCARDED, job_id)
    )
    return DISCARDED


def discard_all(connection: Connection, cause: Cause) -> int:
    """Discard those of one cause; how many."""
    return connection.execute(
        f"update jobs set state = 'done', reason = %(discarded)s, ended_at = now() where {_OF_CAUSE}".encode(),
        {**vars(cause), "discarded": DISCARDED},
    ).rowcount


def count_by_cause(connection: Connection) -> dict[tuple[str, str], int]:
    """Dead letters per (kind, reason)."""
    rows = connection.execute(
        "select kind, coalesce(reason, '') as reason, count(*) as n from jobs where state = 'dead' group by 1, 2"
    ).fetchall()
    return {(row["kind"], row["reason"]): int(row["n"]) for row in rows}


def cleared(connection: Connection, *, node: str) -> list[tuple[Cause, int]]:
    """Causes whose dependency was away and has answered `node` again since their dead letters failed."""
    rows = connection.execute(
        """select lane, jobs.reason, count(*) as n
           from jobs join breakers on breakers.dependency = lane and breakers.node = %s
           where jobs.state = 'dead' and breakers.state = 'closed' and breakers.changed_at > ended_at
               and jobs.reason = any(%s)
           group by 1, 2 order by 1, 2""",
        (node, list(OUTSIDE)),
    ).fetchall()
    return [(Cause(lane=row["lane"], reason=row["reason"]), int(row["n"])) for row in rows]


def _dead(connection: Connection, job_id: JobId) -> Refusal | None:
    """Lock the job; why it is no dead letter, None if it is."""
    row = connection.execute("select state from jobs where id = %s for update", (job_id,)).fetchone()
    if row is None:
        return "unknown"
    return None if row["state"] == "dead" else "not dead"


def _revive(
    connection: Connection, job_id: JobId, *, payload: Mapping[str, Any] | None = None
) -> Literal["retried", "waiting already"]:
    try:
        with connection.transaction():
            connection.execute(
                """update jobs set state = 'ready', attempt = 0, lost = 0, run_at = now(), ended_at = null,
                          payload = coalesce(%s, payload) where id = %s""",
                (None if payload is None else Jsonb(dict(payload)), job_id),
            )
    except psycopg.errors.UniqueViolation:
        return "waiting already"
    jobs.wake(connection)
    return "retried"


def _import_died(connection: Connection, download_id: DownloadId, movie_id: MovieId, error: str) -> None:
    """A person must look; the downloaded file stays where it is."""
    waiting = (DownloadState.COMPLETED, DownloadState.IMPORTING)
    downloads.move(connection, download_id, DownloadState.BLOCKED, expected=waiting, error=error)
    progress.end(connection, f"import:{download_id}")
    movies.set_state(connection, movie_id, MovieState.BLOCKED, reason=error)
