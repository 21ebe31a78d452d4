"""Breaker states for display and for the next start; the call path never reads them."""

from typing import Any

from storage.database import Connection


def save(connection: Connection, *, node: str, dependency: str, state: str, retry_in_s: float, reason: str) -> None:
    connection.execute(
        """insert into breakers (node, dependency, state, retry_at, reason)
           values (%(node)s, %(dependency)s, %(state)s, now() + make_interval(secs => %(retry_in_s)s), %(reason)s)
           on conflict (node, dependency) do update set state = excluded.state, retry_at = excluded.retry_at,
               reason = excluded.reason, changed_at = now()""",
        {"node": node, "dependency": dependency, "state": state, "retry_in_s": retry_in_s, "reason": reason},
    )


def listed(connection: Connection, *, node: str | None = None) -> list[dict[str, Any]]:
    return connection.execute(
        "select * from breakers where %s::text is null or node = %s order by node, dependency", (node, node)
    ).fetchall()
