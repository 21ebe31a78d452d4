"""What people ask of the queue: how much is there, which jobs, and what happened to one."""

from collections.abc import Sequence
from typing import Any

from movies.movie import JobId
from storage.database import Connection
from storage.jobs import STATES, JobState

COLUMNS = """id, kind, lane, state, attempt, lost, movie_id, waiting_for, reason, last_error, run_at, created_at,
             started_at, ended_at, correlation_id, payload"""


def counts(connection: Connection) -> dict[JobState, int]:
    """Jobs per state, every state named."""
    rows = connection.execute("select state, count(*) as n from jobs group by state").fetchall()
    found = {row["state"]: int(row["n"]) for row in rows}
    return {state: found.get(state, 0) for state in STATES}


def listed(
    connection: Connection, *, states: Sequence[JobState], limit: int = 100, after: JobId | None = None
) -> list[dict[str, Any]]:
    """Jobs in any of `states`, newest first; `after` is the last id of the page before."""
    return connection.execute(
        f"""select {COLUMNS} from jobs where state = any(%s) and (%s::bigint is null or id < %s)
            order by id desc limit %s""".encode(),
        (list(states), after, after, limit),
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
