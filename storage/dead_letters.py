"""What follows when a job becomes a dead letter: its movie and its download say so, whoever found it dead."""

from collections.abc import Mapping
from typing import Any

from movies.movie import DownloadId, DownloadState, MovieId, MovieState
from storage import downloads, movies, progress
from storage.acquisition import RUNNING
from storage.database import Connection


def job_died(
    connection: Connection, *, kind: str, payload: Mapping[str, Any], movie_id: MovieId | None, reason: str
) -> None:
    """Called in the transaction that made the job a dead letter."""
    if movie_id is None:
        return
    match kind:
        case "search":
            movies.rest(connection, movie_id, reason=reason)  # other indexers still search
        case "remove":
            pass  # the movie has what it needs; a torrent stays in its client
        case "import":
            _import_died(connection, DownloadId(payload["download_id"]), movie_id, reason)
        case "add":
            downloads.move(
                connection, payload["download_id"], DownloadState.FAILED, expected=tuple(RUNNING), error=reason
            )
            movies.fail(connection, movie_id, reason=reason)
        case _:
            movies.fail(connection, movie_id, reason=reason)


def _import_died(connection: Connection, download_id: DownloadId, movie_id: MovieId, reason: str) -> None:
    """A person must look; the downloaded file stays where it is."""
    waiting = (DownloadState.COMPLETED, DownloadState.IMPORTING)
    downloads.move(connection, download_id, DownloadState.BLOCKED, expected=waiting, error=reason)
    progress.end(connection, f"import:{download_id}")
    movies.set_state(connection, movie_id, MovieState.BLOCKED, reason=reason)
