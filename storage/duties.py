"""Standing duties: what one daemon at a time does for all that share the database, such as following a client.

A duty is held under a fencing token until a time by the database's clock, and is to be renewed before. One that ran out
is anybody's; one of the same node is its next holder's at once, since only one daemon bears a node's name. Whoever
writes what came of a duty calls `require` first in the same transaction, so that a holder who overslept writes nothing.
"""

from typing import Any
from uuid import UUID

from storage.database import Connection
from storage.errors import Fenced


def take(connection: Connection, name: str, *, node: str, token: UUID, lease_s: float) -> bool:
    """Have the duty for `lease_s` seconds from now, if nobody else has it; also renews one's own."""
    row = connection.execute(
        """insert into duties as held (name, node, token, until, taken_at)
           select %(name)s, %(node)s, %(token)s, clock_timestamp() + make_interval(secs => %(lease_s)s),
                  clock_timestamp()
           where not exists (select from duties where name = %(name)s and node <> %(node)s
                             and until > clock_timestamp())
           on conflict (name) do update set node = excluded.node, token = excluded.token,
               until = clock_timestamp() + make_interval(secs => %(lease_s)s),
               taken_at = case when held.token = excluded.token then held.taken_at else clock_timestamp() end
           where held.node = excluded.node or held.until <= clock_timestamp()
           returning name""",
        {"name": name, "node": node, "token": token, "lease_s": lease_s},
    ).fetchone()
    return row is not None


def renew(connection: Connection, name: str, *, token: UUID, lease_s: float) -> bool:
    """Have it for `lease_s` seconds from now, also where it ran out and nobody took it; false: it is another's."""
    return (
        connection.execute(
            """update duties set until = clock_timestamp() + make_interval(secs => %s)
               where name = %s and token = %s""",
            (lease_s, name, token),
        ).rowcount
        == 1
    )


def require(connection: Connection, name: str, *, token: UUID) -> None:
    """Nobody takes the duty before this transaction ends. Raises Fenced when somebody has."""
    row = connection.execute("select from duties where name = %s and token = %s for share", (name, token)).fetchone()
    if row is None:
        raise Fenced(f"the duty {name} is no longer this daemon's")


def give_up(connection: Connection, name: str, *, token: UUID) -> bool:
    """Let another have it at once; false when it is another's already."""
    return connection.execute("delete from duties where name = %s and token = %s", (name, token)).rowcount == 1


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Every duty with its node, since when and until when; `is_held`: not run out."""
    return connection.execute(
        "select name, node, taken_at, until, until > clock_timestamp() as is_held from duties order by name"
    ).fetchall()
