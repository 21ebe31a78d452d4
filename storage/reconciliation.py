"""What the start of a daemon puts right: work for indexers, clients and roots that are no longer configured.

Only where no other node shares the database, since what this one does not know may be another's.
"""

from collections.abc import Iterable, Sequence

from movies.movie import DownloadId, DownloadState, MovieId
from storage import acquisition, downloads, jobs, movies
from storage.acquisition import root_lane
from storage.database import Connection

GONE = "is no longer configured"


def reconcile(
    connection: Connection, *, node: str, lanes: Iterable[str], clients: Sequence[str], roots: Sequence[str]
) -> list[MovieId]:
    """End what nobody can do any more; the movies concerned, each with a new `select` that looks for another way."""
    concerned: set[MovieId] = set()
    rows = connection.execute(
        "delete from jobs where state = 'ready' and kind <> 'import' and lane <> all(%s) returning kind, movie_id",
        (list(lanes),),
    ).fetchall()
    concerned |= {row["movie_id"] for row in rows if row["movie_id"] is not None and row["kind"] in ("fetch", "add")}
    rows = connection.execute(
        "select id, movie_id, client from downloads where state = any(%s) and (client <> all(%s) or node <> %s)",
        (list(acquisition.RUNNING), list(clients), node),
    ).fetchall()
    for row in rows:
        error = f"download client {row['client']} {GONE} here"
        downloads.move(
            connection, DownloadId(row["id"]), DownloadState.FAILED, expected=acquisition.RUNNING, error=error
        )
        concerned.add(row["movie_id"])
    _move_imports(connection, node=node, roots=roots)
    for movie_id in concerned:
        movies.settle(connection, movie_id, reason=f"what it was being got by {GONE}")
        acquisition.select(connection, movie_id, correlation_id=f"start-{movie_id}", is_retry=True)
    return sorted(concerned)


def _move_imports(connection: Connection, *, node: str, roots: Sequence[str]) -> None:
    """An import goes to the root that its movie has now, on this node."""
    rows = connection.execute(
        """select jobs.id, movies.root from jobs join movies on movies.id = jobs.movie_id
           where kind = 'import' and jobs.state = 'ready' and movies.root = any(%s)
               and (lane <> 'root:' || movies.root or node is distinct from %s)""",
        (list(roots), node),
    ).fetchall()
    for row in rows:
        connection.execute(
            "update jobs set lane = %s, node = %s where id = %s", (root_lane(row["root"]), node, row["id"])
        )
    jobs.wake(connection)
