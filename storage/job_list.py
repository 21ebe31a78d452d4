"""What people ask of the queue: how much is there, which jobs, and what happened to one."""

from collections.abc import Sequence
from typing import Any

from movies.movie import JobId
from storage.database import Connection
from storage.jobs import STATES, JobState

COLUMNS = """id, kind, lane, state, attempt, lost, movie_id, waiting_for, reason, last_error, run_at, created_at,
             started_at, ended_at, correlation_id, payload"""


def counts(connection: Connection) -> dict[JobState, int]:
    """Jobs per state, every state named; each is counted by its own small index."""
    parts = ", ".join(f"(select count(*) from jobs where state = '{state}') as {state}" for state in STATES)
    row = connection.execute(f"select {parts}".encode()).fetchone()
    assert row is not None
    return {state: int(row[state]) for state in STATES}


def listed(
    connection: Connection,
    *,
    states: Sequence[JobState],
    kind: str | None = None,
    lane: str | None = None,
    reason: str | None = None,
    limit: int = 100,
    after: JobId | None = None,
) -> list[dict[str, Any]]:
    """Jobs in any of `states`, of one kind, lane or reason if given, newest first.

    `after` is the last id of the page before.
    """
    return connection.execute(
        f"""select {COLUMNS} from jobs where state = any(%(states)s) and (%(after)s::bigint is null or id < %(after)s)
                and (%(kind)s::text is null or kind = %(kind)s) and (%(lane)s::text is null or lane = %(lane)s)
                and (%(reason)s::text is null or reason = %(reason)s)
            order by id desc limit %(limit)s""".encode(),
        {"states": list(states), "kind": kind, "lane": lane, "reason": reason, "limit": limit, "after": after},
    ).fetchall()


def shown(connection: Connection, job_id: JobId) -> dict[str, Any] | None:
    """One job with its whole error history, oldest first; None if there is no such job."""
    job = connection.execute(f"select {COLUMNS} from jobs where id = %s".encode(), (job_id,)).fetchone()
    if job is None:
        return None
    errors = connection.execute(
        "select attempt, reason, error, happened_at from job_errors where job_id = %s order by happened_at", (job_id,)
    ).fetchall()
    return {**job, "errors": errors}
