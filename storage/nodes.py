"""The daemons that share the database: what each is configured to do, and when it was last there.

A download client has a home. Where it is its node's alone, that is the node; where several nodes share it, that is its
address, and every node that has it works for it.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from psycopg.types.json import Jsonb

from movies.movie import MovieId
from storage.database import NODE_LOCK, Connection

JUST_SEEN_S = 15.0
"""A daemon whose database restarts is without its lock for a moment."""
FORGOTTEN_AFTER_S = 7 * 86400.0
"""What a node that stays away so long had in hand is given up, and got another way."""


def register(
    connection: Connection, *, node: str, lanes: Collection[str], homes: Mapping[str, str], roots: Collection[str] = ()
) -> list[MovieId]:
    """Note what the node does; `homes` by client, `roots` by path. Returns the movies whose downloads that ends."""
    row = connection.execute("select homes from nodes where name = %s for update", (node,)).fetchone()
    grabs_into = [root_place(root) for root in roots] if homes else []
    places = sorted({*homes.values(), *grabs_into} - {node})
    before: Mapping[str, str] = row["homes"] if row else {}
    connection.execute(
        """insert into nodes (name, lanes, homes, places) values (%s, %s, %s, %s) on conflict (name) do update
           set lanes = excluded.lanes, homes = excluded.homes, places = excluded.places, seen_at = now()""",
        (node, list(lanes), Jsonb(dict(homes)), places),
    )
    concerned: list[MovieId] = []
    for client, home in homes.items():
        if (old := before.get(client, node)) != home:
            concerned += _move_in(connection, client, old=old, new=home)
    return concerned


def root_place(path: str) -> str:
    """Of the nodes that can bring a film into this root: they have it, and a client to grab with."""
    return f"root:{path}"


def seen(connection: Connection, node: str) -> None:
    """The node is there; those that have long been away are forgotten."""
    connection.execute("update nodes set seen_at = now() where name = %s", (node,))
    connection.execute("delete from nodes where seen_at < now() - make_interval(secs => %s)", (FORGOTTEN_AFTER_S,))


def forget(connection: Connection, node: str) -> Literal["forgotten", "alive", "unknown"]:
    """Release the node's duties and its name; "alive" while a daemon bears it, or did a moment ago."""
    row = connection.execute(
        """select pg_try_advisory_xact_lock(%s, hashtext(name))
                  and seen_at < now() - make_interval(secs => %s) as is_gone
           from nodes where name = %s for update""",
        (NODE_LOCK, JUST_SEEN_S, node),
    ).fetchone()
    if row is None:
        return "unknown"
    if not row["is_gone"]:
        return "alive"
    connection.execute("delete from nodes where name = %s", (node,))
    connection.execute("delete from duties where node = %s", (node,))
    connection.execute("delete from breakers where node = %s", (node,))
    return "forgotten"


def has_another_that_reaches(connection: Connection, lane: str, *, node: str) -> bool:
    """Whether a node that was seen within the last minute serves the lane too, with a breaker that is not open."""
    row = connection.execute(
        """select from nodes where name <> %(node)s and %(lane)s = any(lanes) and seen_at > now() - interval '1 min'
               and not exists (select from breakers where breakers.node = nodes.name and dependency = %(lane)s
                               and state in ('open', 'forced_open')) limit 1""",
        {"lane": lane, "node": node},
    ).fetchone()
    return row is not None


def away(connection: Connection, *, longer_than_s: float) -> list[dict[str, Any]]:
    """The nodes that have not been seen for so long: `name` and `seen_at`."""
    return connection.execute(
        "select name, seen_at from nodes where seen_at < now() - make_interval(secs => %s) order by name",
        (longer_than_s,),
    ).fetchall()


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Every node: the lanes it serves, the homes of its clients, and when it was last there."""
    return connection.execute("select name, lanes, homes, seen_at from nodes order by name").fetchall()


def _move_in(connection: Connection, client: str, *, old: str, new: str) -> list[MovieId]:
    """A client has another home than before: its address changed, or it is shared now. Its downloads go with it.

    Unless another node still has it at the old one. Of two downloads of one torrent, which only then turn out to be in
    one client, the one that was there goes on; returns the movies of the others.
    """
    names = {"client": client, "old": old, "new": new}
    row = connection.execute("select from nodes where homes->>%(client)s = %(old)s limit 1", names).fetchone()
    if row is not None:
        return []
    ended = connection.execute(
        """update downloads as moved set state = 'failed', ended_at = now(), error = 'it is in this client twice'
           where client = %(client)s and node = %(old)s and state not in ('failed', 'removed')
               and exists (select from downloads where client = %(client)s and node = %(new)s
                           and infohash = moved.infohash and state not in ('failed', 'removed'))
           returning movie_id""",
        names,
    ).fetchall()
    connection.execute(
        """update jobs set node = %(new)s where state = 'ready' and node = %(old)s
               and kind in ('add', 'remove', 'import')
               and (payload->>'download_id')::bigint in (
                   select id from downloads where client = %(client)s and node = %(old)s)""",
        names,
    )
    connection.execute("update downloads set node = %(new)s where client = %(client)s and node = %(old)s", names)
    return [MovieId(row["movie_id"]) for row in ended]
