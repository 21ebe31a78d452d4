"""The path of one movie as transitions of the database, each called inside the transaction that ends the job before it.

wanted -> searching -> grabbing -> downloading -> importing -> imported
search (each indexer) -> select (the best stored release) -> fetch (its torrent) -> add (to a client) -> import

The retries of an acquisition travel with it: a download that fails spends one attempt of the `select` job that chose it
and comes back as the next `select`, which takes the next best release; when all are spent it is a dead letter there.
"""

from collections.abc import Mapping
from typing import Any, Literal

from movies.movie import DownloadId, DownloadState, MovieId, MovieState, ReleaseId
from storage import downloads, events, jobs, movies, progress
from storage.database import Connection
from storage.jobs import RetryPolicy

SELECT_LANE = "select"
ANSWERS_WAIT_S = 60.0
"""How long a movie waits for an indexer that does not answer, before it is chosen among what others offered."""
RUNNING = (
    DownloadState.GRABBING,
    DownloadState.QUEUED,
    DownloadState.METADATA,
    DownloadState.DOWNLOADING,
    DownloadState.STALLED,
    DownloadState.PAUSED,
)
"""A download in these states is still the client's: neither complete nor given up."""


def indexer_lane(name: str) -> str:
    return f"indexer:{name}"


def client_lane(name: str) -> str:
    return f"client:{name}"


def root_lane(path: str) -> str:
    return f"root:{path}"


def search(connection: Connection, movie_id: MovieId, *, indexers: list[str], correlation_id: str) -> None:
    """Ask every indexer, and choose among the answers when the last has come or after a while without it."""
    for indexer in indexers:
        jobs.enqueue(
            connection,
            "search",
            lane=indexer_lane(indexer),
            payload={"movie_id": movie_id},
            unique_key=f"search:{movie_id}:{indexer}",
            movie_id=movie_id,
            correlation_id=correlation_id,
        )
    select(connection, movie_id, correlation_id=correlation_id, delay_s=ANSWERS_WAIT_S)
    movies.set_state(connection, movie_id, MovieState.SEARCHING)
    events.emit(connection, "movie.searching", movie_id=movie_id, correlation_id=correlation_id)


def select(
    connection: Connection,
    movie_id: MovieId,
    *,
    correlation_id: str,
    delay_s: float = 0.0,
    attempt: int = 0,
    is_retry: bool = False,
) -> None:
    """Choose a release for the movie in `delay_s` seconds. A retry may take one again that failed before.

    The lock orders this after a `select` that is just ending: either that sees our verdicts, or we see it gone.
    """
    movies.lock(connection, movie_id)
    jobs.enqueue(
        connection,
        "select",
        lane=SELECT_LANE,
        payload={"movie_id": movie_id, "is_retry": is_retry},
        unique_key=f"select:{movie_id}",
        movie_id=movie_id,
        correlation_id=correlation_id,
        delay_s=delay_s,
        attempt=attempt,
    )


def search_ended(connection: Connection, movie_id: MovieId) -> None:
    """A search was finished or put off: choose now unless another indexer is still being asked."""
    movies.lock(connection, movie_id)
    connection.execute(
        """update jobs set run_at = now() where kind = 'select' and movie_id = %(id)s and state = 'ready'
               and not (payload->>'is_retry')::boolean and run_at > now()
               and not exists (select from jobs where kind = 'search' and movie_id = %(id)s and (
                   state = 'running' or (state = 'ready' and run_at <= now() and waiting_for is null)))""",
        {"id": movie_id},
    )
    jobs.wake(connection)


def chosen(
    connection: Connection,
    movie_id: MovieId,
    *,
    release_id: ReleaseId,
    indexer: str,
    title: str,
    attempt: int,
    correlation_id: str,
) -> None:
    """A release was chosen: fetch its torrent from its indexer."""
    jobs.enqueue(
        connection,
        "fetch",
        lane=indexer_lane(indexer),
        payload={"movie_id": movie_id, "release_id": release_id, "attempt": attempt},
        unique_key=f"fetch:{movie_id}",
        movie_id=movie_id,
        correlation_id=correlation_id,
        priority=1,
    )
    movies.set_state(connection, movie_id, MovieState.GRABBING)
    events.emit(
        connection,
        "release.chosen",
        movie_id=movie_id,
        correlation_id=correlation_id,
        payload={"title": title, "indexer": indexer, "attempt": attempt},
    )


def grabbed(
    connection: Connection, movie_id: MovieId, download_id: DownloadId, *, client: str, node: str, correlation_id: str
) -> None:
    """The grab's intent is written: have the client add it."""
    jobs.enqueue(
        connection,
        "add",
        lane=client_lane(client),
        node=node,
        payload={"download_id": download_id},
        unique_key=f"add:{download_id}",
        movie_id=movie_id,
        correlation_id=correlation_id,
        priority=1,
    )
    events.emit(
        connection,
        "download.grabbed",
        movie_id=movie_id,
        correlation_id=correlation_id,
        payload={"download_id": download_id, "client": client},
    )


def started(connection: Connection, movie_id: MovieId, download_id: DownloadId, *, correlation_id: str) -> None:
    """The client has it."""
    if downloads.move(connection, download_id, DownloadState.QUEUED, expected=(DownloadState.GRABBING,)):
        movies.set_state(connection, movie_id, MovieState.DOWNLOADING)
        events.emit(
            connection,
            "download.started",
            movie_id=movie_id,
            correlation_id=correlation_id,
            payload={"download_id": download_id},
        )


def completed(
    connection: Connection,
    movie_id: MovieId,
    download_id: DownloadId,
    *,
    content_path: str,
    size_bytes: int,
    root: str,
    node: str,
    correlation_id: str,
) -> bool:
    """The client has all of it: import it. False when that was known already."""
    if not downloads.move(
        connection,
        download_id,
        DownloadState.COMPLETED,
        expected=RUNNING,
        content_path=content_path,
        size_bytes=size_bytes,
    ):
        return False
    progress.end(connection, f"download:{download_id}")
    jobs.enqueue(
        connection,
        "import",
        lane=root_lane(root),
        node=node,
        payload={"download_id": download_id},
        unique_key=f"import:{download_id}",
        movie_id=movie_id,
        correlation_id=correlation_id,
    )
    movies.set_state(connection, movie_id, MovieState.IMPORTING)
    events.emit(
        connection,
        "download.completed",
        movie_id=movie_id,
        correlation_id=correlation_id,
        payload={"download_id": download_id, "size_bytes": size_bytes},
    )
    return True


def failed(
    connection: Connection,
    movie_id: MovieId,
    *,
    attempt: int,
    reason: str,
    error: str,
    policy: RetryPolicy,
    jitter: float,
    correlation_id: str,
) -> Literal["retried", "dead"]:
    """An acquisition's attempt came to nothing: choose again after the policy's delay, or a dead letter."""
    if policy.is_spent(attempt):
        jobs.bury(
            connection,
            "select",
            lane=SELECT_LANE,
            payload={"movie_id": movie_id, "is_retry": True},
            unique_key=f"select:{movie_id}",
            movie_id=movie_id,
            correlation_id=correlation_id,
            attempt=attempt,
            reason=reason,
            error=error,
        )
        movies.fail(connection, movie_id, reason=error)
        outcome: Literal["retried", "dead"] = "dead"
    else:
        select(
            connection,
            movie_id,
            correlation_id=correlation_id,
            delay_s=policy.delay_s(attempt, jitter=jitter),
            attempt=attempt,
            is_retry=True,
        )
        movies.set_state(connection, movie_id, MovieState.SEARCHING, reason=error)
        outcome = "retried"
    events.emit(
        connection,
        "acquisition.failed",
        movie_id=movie_id,
        correlation_id=correlation_id,
        payload={"reason": reason, "error": error, "attempt": attempt, "outcome": outcome},
    )
    return outcome


def imported(
    connection: Connection, movie_id: MovieId, download_id: DownloadId, *, path: str, correlation_id: str, method: str
) -> None:
    """The film is in the library."""
    downloads.move(
        connection,
        download_id,
        DownloadState.IMPORTED,
        expected=(DownloadState.COMPLETED, DownloadState.IMPORTING, DownloadState.BLOCKED),
    )
    progress.end(connection, f"import:{download_id}")
    movies.set_state(connection, movie_id, MovieState.IMPORTED)
    events.emit(
        connection,
        "movie.imported",
        movie_id=movie_id,
        correlation_id=correlation_id,
        payload={"path": path, "download_id": download_id, "method": method},
    )


def remove(connection: Connection, download: Mapping[str, Any], *, with_data: bool) -> None:
    """Have the client forget a download, before it adds anything: that may be the same torrent once more."""
    jobs.enqueue(
        connection,
        "remove",
        lane=client_lane(download["client"]),
        node=download["node"],
        payload={"download_id": download["id"], "with_data": with_data},
        unique_key=f"remove:{download['id']}",
        movie_id=MovieId(download["movie_id"]),
        correlation_id=download["correlation_id"],
        priority=2,
    )


def block(
    connection: Connection,
    movie_id: MovieId,
    *,
    release_id: ReleaseId | None,
    infohash: str | None,
    title: str,
    reason: str,
) -> None:
    """Never take this release for this movie again."""
    connection.execute(
        "insert into blocklist (movie_id, release_id, infohash, title, reason) values (%s, %s, %s, %s, %s)",
        (movie_id, release_id, infohash, title, reason),
    )
