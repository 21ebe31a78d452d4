"""Forgets what is old, a page of rows at a time, so that no table grows for ever and no transaction is long.

Dead letters, the blocklist, and what a movie that is not there yet may still need all stay.
"""

from collections.abc import Callable
from dataclasses import dataclass

from storage import decisions, events, progress, schedules
from storage.database import Connection

PAGE_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Keep:
    """For how many seconds finished jobs, events, and the history of releases and downloads are kept."""

    jobs_s: float
    events_s: float
    history_s: float


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """One page: how many rows went, and the place behind it (None: that was all)."""

    rows: int
    after: int | None


Prune = Callable[[Connection, int], Pruned]
"""Prunes the page behind a place; the first is 0."""


def prunings(keep: Keep) -> dict[str, Prune]:
    """What is to be pruned, by table."""
    return {
        "jobs": lambda connection, after: _again(prune_jobs(connection, older_than_s=keep.jobs_s)),
        "job_errors": lambda connection, after: _again(_prune_job_errors(connection, keep.history_s)),
        "events": lambda connection, after: _until_none(events.prune(connection, older_than_s=keep.events_s)),
        "releases": lambda connection, after: _prune_releases(connection, after, keep.history_s),
        "decisions": lambda connection, after: _again(
            decisions.prune(connection, older_than_s=keep.history_s, limit=PAGE_ROWS)
        ),
        "downloads": lambda connection, after: _again(_prune_downloads(connection, keep.history_s)),
        "progress": lambda connection, after: Pruned(rows=progress.sweep(connection), after=None),
        "ticks": lambda connection, after: Pruned(rows=schedules.prune(connection), after=None),
    }


def _again(rows: int) -> Pruned:
    """A page by a condition: the next one is asked for in the same way, while they are full."""
    return Pruned(rows=rows, after=0 if rows == PAGE_ROWS else None)


def _until_none(rows: int) -> Pruned:
    """A page of a size that is not ours to choose."""
    return Pruned(rows=rows, after=0 if rows else None)


def prune_jobs(connection: Connection, *, older_than_s: float) -> int:
    """Delete a page of done jobs that ended before; dead letters stay until somebody decides."""
    return connection.execute(
        """delete from jobs where id = any(array(
               select id from jobs where state = 'done' and ended_at < now() - make_interval(secs => %s) limit %s))""",
        (older_than_s, PAGE_ROWS),
    ).rowcount


def _prune_job_errors(connection: Connection, older_than_s: float) -> int:
    """Of jobs that go on; a dead letter keeps its whole history, and a done job takes it along."""
    return connection.execute(
        """delete from job_errors where ctid = any(array(
               select job_errors.ctid from job_errors join jobs on jobs.id = job_id
               where happened_at < now() - make_interval(secs => %s) and jobs.state <> 'dead' limit %s))""",
        (older_than_s, PAGE_ROWS),
    ).rowcount


def _prune_releases(connection: Connection, after: int, older_than_s: float) -> Pruned:
    """Those that no feed and no search has shown for so long and nobody took, with what was thought of them.

    In the order of ids, up to the first page of which none is old enough even by when it was first seen.
    """
    row = connection.execute(
        """with page as (
               select id, first_seen_at < now() - make_interval(secs => %(older_than_s)s) as is_old,
                      last_seen_at < now() - make_interval(secs => %(older_than_s)s) as is_gone
               from releases where id > %(after)s order by id limit %(rows)s),
           gone as (
               delete from releases using page where releases.id = page.id and is_gone
                   and not exists (select from downloads where release_id = releases.id)
                   and not exists (select from blocklist where release_id = releases.id)
               returning 1)
           select count(*) as seen, bool_or(is_old) as has_old, max(id) as after, (select count(*) from gone) as gone
           from page""",
        {"after": after, "older_than_s": older_than_s, "rows": PAGE_ROWS},
    ).fetchone()
    assert row is not None
    goes_on = row["seen"] == PAGE_ROWS and row["has_old"]
    return Pruned(rows=int(row["gone"]), after=int(row["after"]) if goes_on else None)


def _prune_downloads(connection: Connection, older_than_s: float) -> int:
    """What failed or was removed, of movies that are there; others count their failures."""
    return connection.execute(
        """delete from downloads where id = any(array(
               select downloads.id from downloads join movies on movies.id = movie_id
               where ended_at < now() - make_interval(secs => %s) and downloads.state in ('failed', 'removed')
                     and movies.state = 'imported' limit %s))""",
        (older_than_s, PAGE_ROWS),
    ).rowcount
