"""Breaker states for display and for the next start; the call path never reads them."""

from collections.abc import Collection
from typing import Any

from storage.database import Connection


def save(
    connection: Connection,
    *,
    node: str,
    dependency: str,
    state: str,
    retry_in_s: float,
    opened_count: int,
    reason: str,
) -> None:
    connection.execute(
        """insert into breakers (node, dependency, state, retry_at, opened_count, reason)
           values (%(node)s, %(dependency)s, %(state)s, now() + make_interval(secs => %(retry_in_s)s),
                   %(opened_count)s, %(reason)s)
           on conflict (node, dependency) do update set state = excluded.state, retry_at = excluded.retry_at,
               opened_count = excluded.opened_count, reason = excluded.reason, changed_at = now()""",
        {
            "node": node,
            "dependency": dependency,
            "state": state,
            "retry_in_s": retry_in_s,
            "opened_count": opened_count,
            "reason": reason,
        },
    )


def listed(connection: Connection, *, node: str) -> list[dict[str, Any]]:
    """The rows of one node; `retry_in_s` is from now on, 0 where that has passed."""
    return connection.execute(
        """select *, greatest(0, extract(epoch from retry_at - now()))::float8 as retry_in_s
           from breakers where node = %s order by dependency""",
        (node,),
    ).fetchall()


def keep(connection: Connection, *, node: str, dependencies: Collection[str]) -> None:
    """Forget those of `node` that its configuration does not have any more."""
    connection.execute("delete from breakers where node = %s and dependency <> all(%s)", (node, list(dependencies)))


def open_anywhere(connection: Connection) -> list[str]:
    """The dependencies that some node last saw down."""
    rows = connection.execute(
        "select distinct dependency from breakers where state in ('open', 'forced_open') order by dependency"
    ).fetchall()
    return [row["dependency"] for row in rows]
