"""The path of one movie as transitions of the database, each called inside the transaction that ends the job before it.

wanted -> searching -> grabbing -> downloading -> importing -> imported
search (each indexer) -> select (the best stored release) -> fetch (its torrent) -> add (to a client) -> import

The retries of an acquisition travel with it: a download that fails spends one attempt of the `select` job that chose it
and comes back as the next `select`, which takes the next best release; when all are spent it is a dead letter there.
"""

from collections.abc import Mapping
from typing import Any, Literal

from movies.events import (
    AcquisitionFailed,
    DownloadCompleted,
    DownloadGrabbed,
    DownloadStarted,
    JobDied,
    MovieImported,
    MovieSearching,
    ReleaseChosen,
)
from movies.failure import RetryPolicy
from movies.movie import DownloadId, DownloadState, MovieId, MovieState, ReleaseId
from storage import acquisition_errors, downloads, events, jobs, movies, progress
from storage.database import Connection
from storage.nodes import root_place

SELECT_LANE = "select"
ANY_CLIENT = "a download client"
"""What a grab waits for that no download client can take."""
A_PENDING_RELEASE = "a pending release"
"""What a choice waits for when all that speaks against a release will pass."""
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
IMPORTABLE = (DownloadState.COMPLETED, DownloadState.IMPORTING, DownloadState.BLOCKED)


def indexer_lane(name: str) -> str:
    return f"indexer:{name}"


def client_lane(name: str) -> str:
    return f"client:{name}"


def client_duty(name: str, home: str) -> str:
    """The standing duty of polling the client at `home`, a node or an address."""
    return f"{client_lane(name)}@{home}"


def rss_duty(indexer: str) -> str:
    return f"rss:{indexer}"


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
    events.emit(connection, MovieSearching(), movie_id=movie_id, correlation_id=correlation_id)


def select(
    connection: Connection,
    movie_id: MovieId,
    *,
    correlation_id: str,
    delay_s: float = 0.0,
    attempt: int = 0,
    is_retry: bool = False,
    waiting_for: str | None = None,
) -> None:
    """Choose a release for the movie in `delay_s` seconds. A retry may take one again that failed before.

    One that waits for a pending release, `waiting_for`, is done as soon as another asks for it.
    The lock orders this after a `select` that is just ending: either that sees our verdicts, or we see it gone.
    """
    movies.lock(connection, movie_id)
    job_id = jobs.enqueue(
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
    if job_id is None:
        _hurry(connection, movie_id, delay_s=delay_s, attempt=attempt, is_retry=is_retry, waiting_for=waiting_for)
    elif waiting_for is not None:
        connection.execute("update jobs set waiting_for = %s where id = %s", (waiting_for, job_id))


def _hurry(
    connection: Connection,
    movie_id: MovieId,
    *,
    delay_s: float,
    attempt: int,
    is_retry: bool,
    waiting_for: str | None,
) -> None:
    """A `select` that waits for a pending release is also the one that is asked for now."""
    connection.execute(
        """update jobs set run_at = least(run_at, now() + make_interval(secs => %(delay_s)s)),
               waiting_for = %(waiting_for)s, attempt = greatest(attempt, %(attempt)s),
               payload = payload || case when %(is_retry)s then '{"is_retry": true}' else '{}' end::jsonb
           where unique_key = %(key)s and state = 'ready' and waiting_for is not null""",
        {
            "delay_s": delay_s,
            "waiting_for": waiting_for,
            "attempt": attempt,
            "is_retry": is_retry,
            "key": f"select:{movie_id}",
        },
    )
    jobs.wake(connection)


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
    """A release was chosen: fetch its torrent from its indexer, at a node that has the movie's root."""
    movie = movies.one(connection, movie_id)
    jobs.enqueue(
        connection,
        "fetch",
        lane=indexer_lane(indexer),
        node=root_place(movie["root"]) if movie else None,
        payload={"movie_id": movie_id, "release_id": release_id, "attempt": attempt},
        unique_key=f"fetch:{movie_id}",
        movie_id=movie_id,
        correlation_id=correlation_id,
        priority=1,
    )
    movies.set_state(connection, movie_id, MovieState.GRABBING)
    events.emit(
        connection,
        ReleaseChosen(title=title, indexer=indexer, attempt=attempt),
        movie_id=movie_id,
        correlation_id=correlation_id,
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
    movies.lock(connection, movie_id)
    events.emit(
        connection,
        DownloadGrabbed(download_id=download_id, client=client),
        movie_id=movie_id,
        correlation_id=correlation_id,
    )


def started(connection: Connection, movie_id: MovieId, download_id: DownloadId, *, correlation_id: str) -> None:
    """The client has it."""
    if downloads.move(connection, download_id, DownloadState.QUEUED, expected=(DownloadState.GRABBING,)):
        movies.set_state(connection, movie_id, MovieState.DOWNLOADING)
        events.emit(
            connection,
            DownloadStarted(download_id=download_id),
            movie_id=movie_id,
            correlation_id=correlation_id,
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
        DownloadCompleted(download_id=download_id, size_bytes=size_bytes),
        movie_id=movie_id,
        correlation_id=correlation_id,
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
    """An acquisition's attempt came to nothing: choose again, or a dead letter.

    The reason's delay is for taking the same release once more; where another is stored, that comes soon.
    """
    if policy.of(reason).is_spent(attempt):
        letter = jobs.bury(
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
        acquisition_errors.hand_over(connection, movie_id, to=letter)
        died = JobDied(job_kind="select", reason=reason)
        events.emit(connection, died, movie_id=movie_id, correlation_id=correlation_id)
        movies.fail(connection, movie_id, reason=error)
        outcome: Literal["retried", "dead"] = "dead"
    else:
        acquisition_errors.note(connection, movie_id, attempt=attempt, reason=reason, error=error)
        select(
            connection,
            movie_id,
            correlation_id=correlation_id,
            delay_s=(policy if _has_another(connection, movie_id) else policy.of(reason)).delay_s(
                attempt, jitter=jitter
            ),
            attempt=attempt,
            is_retry=True,
        )
        movies.set_state(connection, movie_id, MovieState.SEARCHING, reason=error)
        outcome = "retried"
    events.emit(
        connection,
        AcquisitionFailed(reason=reason, error=error, attempt=attempt, outcome=outcome),
        movie_id=movie_id,
        correlation_id=correlation_id,
    )
    return outcome


def _has_another(connection: Connection, movie_id: MovieId) -> bool:
    """Whether a release is stored that may be taken for the movie and has not failed yet."""
    row = connection.execute(
        """select from verdicts where movie_id = %(id)s and is_accepted
               and not exists (select from blocklist where movie_id = %(id)s and release_id = verdicts.release_id)
               and not exists (select from downloads where movie_id = %(id)s and state = 'failed'
                                   and release_id = verdicts.release_id) limit 1""",
        {"id": movie_id},
    ).fetchone()
    return row is not None


def imported(
    connection: Connection, movie_id: MovieId, download_id: DownloadId, *, path: str, correlation_id: str, method: str
) -> None:
    """The film is in the library."""
    downloads.move(
        connection,
        download_id,
        DownloadState.IMPORTED,
        expected=IMPORTABLE,
    )
    progress.end(connection, f"import:{download_id}")
    movies.set_state(connection, movie_id, MovieState.IMPORTED)
    events.emit(
        connection,
        MovieImported(path=path, download_id=download_id, method=method),
        movie_id=movie_id,
        correlation_id=correlation_id,
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


def is_blocked(connection: Connection, movie_id: MovieId, *, infohash: str) -> bool:
    """Whether this torrent is never to be taken for the movie again."""
    row = connection.execute(
        "select from blocklist where movie_id = %s and infohash = %s limit 1", (movie_id, infohash)
    ).fetchone()
    return row is not None
