"""How far every running operation is: one row each, the newest values only; the stream reads what changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from movies.movie import MovieId
from storage.database import Connection


@dataclass(frozen=True, kw_only=True)
class Progress:
    """`operation` is "download:ID" or "import:ID"; `eta_s` None means unknown."""

    operation: str
    movie_id: MovieId | None
    step: str
    done_bytes: int
    total_bytes: int
    rate_bytes_s: int = 0
    eta_s: int | None = None


def write(connection: Connection, all_progress: Iterable[Progress]) -> None:
    """Set the newest values of many operations in one statement."""
    rows = list(all_progress)
    if not rows:
        return
    connection.execute(
        """insert into progress (operation, movie_id, step, done_bytes, total_bytes, rate_bytes_s, eta_s)
           select * from unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
                                %s::bigint[])
           on conflict (operation) do update set step = excluded.step, done_bytes = excluded.done_bytes,
               total_bytes = excluded.total_bytes, rate_bytes_s = excluded.rate_bytes_s, eta_s = excluded.eta_s,
               changed_at = clock_timestamp()""",
        (
            [row.operation for row in rows],
            [row.movie_id for row in rows],
            [row.step for row in rows],
            [row.done_bytes for row in rows],
            [row.total_bytes for row in rows],
            [row.rate_bytes_s for row in rows],
            [row.eta_s for row in rows],
        ),
    )


def end(connection: Connection, operation: str) -> None:
    connection.execute("delete from progress where operation = %s", (operation,))


def changed_since(connection: Connection, since: datetime | None) -> list[dict[str, Any]]:
    """Rows changed after `since` (None: all), oldest change first."""
    return connection.execute(
        """select operation, movie_id, step, done_bytes, total_bytes, rate_bytes_s, eta_s, changed_at from progress
           where %s::timestamptz is null or changed_at > %s order by changed_at""",
        (since, since),
    ).fetchall()
