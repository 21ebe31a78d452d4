"""What is put right when a daemon starts or a node is forgotten: work for what no node has any more.

What another node has is left alone, also while that is away.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from movies.movie import DownloadId, DownloadState, MovieId
from storage import acquisition, dead_letters, downloads, jobs, movies, nodes
from storage.database import Connection

GONE = "is no longer configured"


def reconcile(
    connection: Connection, *, node: str, lanes: Collection[str], homes: Mapping[str, str], roots: Sequence[str]
) -> list[MovieId]:
    """Note what the node does and end what nobody can do any more; `homes` by client.

    Returns the movies concerned, each with a new `select` that looks for another way.
    """
    concerned = set(nodes.register(connection, node=node, lanes=lanes, homes=homes, roots=roots))
    concerned |= _end_what_nobody_has(connection)
    _follow_roots(connection, node=node, homes=homes, roots=roots)
    return _try_another_way(connection, concerned)


def forget(connection: Connection, node: str) -> list[MovieId] | Literal["alive", "unknown"]:
    """A node that will never return: its jobs, duties and wishes are released, what only it had is got another way.

    Returns the movies concerned, as `reconcile` does; "alive" while a daemon bears that name, or did a moment ago.
    """
    outcome = nodes.forget(connection, node)
    if outcome != "forgotten":
        return outcome
    jobs.reclaim_node(connection, node, on_dead=dead_letters.job_died)
    jobs.wake(connection)
    movies.drop_claims(connection, prefix=f"file:{node}:", keep=[])
    return _try_another_way(connection, _end_what_nobody_has(connection))


def _try_another_way(connection: Connection, concerned: Collection[MovieId]) -> list[MovieId]:
    for movie_id in concerned:
        movies.settle(connection, movie_id, reason=f"what it was being got by {GONE}")
        acquisition.select(connection, movie_id, correlation_id=f"start-{movie_id}", is_retry=True)
    return sorted(concerned)


def _end_what_nobody_has(connection: Connection) -> set[MovieId]:
    """The jobs and downloads of no node's lanes and clients; the movies they were for."""
    rows = connection.execute(
        """delete from jobs where state = 'ready' and kind <> 'import'
               and not exists (select from nodes where jobs.lane = any(lanes)) returning kind, movie_id"""
    ).fetchall()
    concerned = {row["movie_id"] for row in rows if row["movie_id"] is not None and row["kind"] in ("fetch", "add")}
    rows = connection.execute(
        """select id, movie_id, client from downloads
           where state = any(%s) and not exists (select from nodes where homes->>client = downloads.node)""",
        (list(acquisition.RUNNING),),
    ).fetchall()
    for row in rows:
        error = f"download client {row['client']} {GONE} here"
        downloads.move(
            connection, DownloadId(row["id"]), DownloadState.FAILED, expected=acquisition.RUNNING, error=error
        )
        concerned.add(row["movie_id"])
    return concerned


def _follow_roots(connection: Connection, *, node: str, homes: Mapping[str, str], roots: Sequence[str]) -> None:
    """Fetches and this node's imports go to the root that their movie has now; imports of nobody's are this node's."""
    connection.execute(
        """update jobs set node = 'root:' || movies.root from movies
           where movies.id = jobs.movie_id and kind = 'fetch' and jobs.state = 'ready'
               and node <> 'root:' || movies.root"""
    )
    connection.execute(
        """with known as (select name from nodes union select value from nodes, jsonb_each_text(homes))
           update jobs set lane = 'root:' || movies.root,
               node = case when node in (select name from known) then node else %(node)s end
           from movies
           where movies.id = jobs.movie_id and kind = 'import' and jobs.state = 'ready' and movies.root = any(%(roots)s)
               and (node = any(%(ours)s) and lane <> 'root:' || movies.root
                    or coalesce(node not in (select name from known), true))""",
        {"node": node, "roots": list(roots), "ours": [node, *homes.values()]},
    )
    jobs.wake(connection)
