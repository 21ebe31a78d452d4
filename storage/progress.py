"""How far every running operation is: one row each, the newest values only.

A row is written only while its operation runs. The write looks for that at the job, by its fencing token, or at the
download, and holds it until the values are committed; who ends the operation locks the same row first and then deletes
these. So a value that comes late, from a slow thread or a daemon that lost its lease, brings no row back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from movies.movie import DownloadId, MovieId
from storage.database import Connection
from storage.jobs import Claim


@dataclass(frozen=True, kw_only=True)
class Progress:
    """`operation` is "download:ID", "import:ID", "search:ID:INDEXER" or "backup".

    Bytes where bytes are moved, else counts of what `step` goes through. A total of 0 and `eta_s` None mean unknown.
    It runs as long as `claim` is in work, or `download_id` is with its client; with neither until it is ended.
    """

    operation: str
    movie_id: MovieId | None
    step: str
    done_bytes: int = 0
    total_bytes: int = 0
    rate_bytes_s: int = 0
    done_count: int = 0
    total_count: int = 0
    rate_count_s: int = 0
    eta_s: int | None = None
    claim: Claim | None = None
    download_id: DownloadId | None = None


def write(connection: Connection, all_progress: Iterable[Progress]) -> set[str]:
    """Set the newest values of many operations in one statement; of two for one operation, give only the newer.

    Returns the operations written. The others have ended, or somebody has their job or their download locked now.
    """
    rows = list(all_progress)
    if not rows:
        return set()
    found = connection.execute(
        """insert into progress (operation, movie_id, step, done_bytes, total_bytes, rate_bytes_s, done_count,
                                 total_count, rate_count_s, eta_s, job_id)
           select operation, movie_id, step, done_bytes, total_bytes, rate_bytes_s, done_count, total_count,
                  rate_count_s, eta_s, job_id
           from unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                       %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::uuid[], %s::bigint[])
                as shown (operation, movie_id, step, done_bytes, total_bytes, rate_bytes_s, done_count, total_count,
                          rate_count_s, eta_s, job_id, owner, download_id)
           where (job_id is null or exists (
                     select from jobs where jobs.id = shown.job_id and jobs.owner = shown.owner
                     and jobs.state = 'running' for share skip locked))
             and (download_id is null or exists (
                     select from downloads where downloads.id = shown.download_id
                     and downloads.state in ('grabbing', 'queued', 'metadata', 'downloading', 'stalled', 'paused')
                     for share skip locked))
           on conflict (operation) do update set movie_id = excluded.movie_id, step = excluded.step,
               done_bytes = excluded.done_bytes, total_bytes = excluded.total_bytes,
               rate_bytes_s = excluded.rate_bytes_s, done_count = excluded.done_count,
               total_count = excluded.total_count, rate_count_s = excluded.rate_count_s, eta_s = excluded.eta_s,
               job_id = excluded.job_id, changed_at = clock_timestamp()
           returning operation""",
        (
            [row.operation for row in rows],
            [row.movie_id for row in rows],
            [row.step for row in rows],
            [_bigint(row.done_bytes) for row in rows],
            [_bigint(row.total_bytes) for row in rows],
            [_bigint(row.rate_bytes_s) for row in rows],
            [_bigint(row.done_count) for row in rows],
            [_bigint(row.total_count) for row in rows],
            [_bigint(row.rate_count_s) for row in rows],
            [row.eta_s if row.eta_s is None else _bigint(row.eta_s) for row in rows],
            [row.claim and row.claim.job_id for row in rows],
            [row.claim and row.claim.owner for row in rows],
            [row.download_id for row in rows],
        ),
    ).fetchall()
    return {row["operation"] for row in found}


def end(connection: Connection, operation: str) -> None:
    """In the transaction that ends the operation, after its job or its download."""
    connection.execute("delete from progress where operation = %s", (operation,))


def end_job(connection: Connection, claim: Claim) -> None:
    """In the transaction that ends, fails or puts off the job, after that."""
    connection.execute("delete from progress where job_id = %s", (claim.job_id,))


def running(connection: Connection) -> list[dict[str, Any]]:
    """What runs now, in order of operations; a job that was lost or put off is in nobody's work."""
    return connection.execute(
        """select operation, movie_id, step, done_bytes, total_bytes, rate_bytes_s, done_count, total_count,
                  rate_count_s, eta_s, changed_at from progress
           where job_id is null or exists (select from jobs where jobs.id = job_id and jobs.state = 'running')
           order by operation"""
    ).fetchall()


def sweep(connection: Connection) -> int:
    """Forget the rows of jobs that are no longer in work: their worker died before it could; how many."""
    return connection.execute(
        """delete from progress where job_id is not null
           and not exists (select from jobs where jobs.id = job_id and jobs.state = 'running')"""
    ).rowcount


def _bigint(number: int) -> int:
    """A client may report any number: the largest there is stands for all above it."""
    return min(number, 2**63 - 1)
