"""What was grabbed: known by (node, client, infohash) and written before the client is called."""

from dataclasses import asdict
from typing import Any

from psycopg.types.json import Jsonb

from movies.format_facts import FormatFacts
from movies.movie import DownloadId, DownloadState, MovieId, ReleaseId
from movies.quality import Quality, Revision
from storage.database import Connection

COLUMNS = """id, movie_id, release_id, node, client, infohash, title, quality, revision, facts, magnet, state,
             attempt, content_path, size_bytes, seed_ratio, seed_time_s, error, correlation_id, added_at,
             completed_at, ended_at"""


def intend(
    connection: Connection,
    *,
    movie_id: MovieId,
    release_id: ReleaseId,
    node: str,
    client: str,
    infohash: str,
    title: str,
    quality: Quality,
    revision: Revision,
    facts: FormatFacts | None = None,
    torrent: bytes | None,
    magnet: str | None,
    attempt: int,
    size_bytes: int | None,
    seed_ratio: float | None,
    seed_time_s: int | None,
    correlation_id: str,
) -> DownloadId | None:
    """The grab's intent; None when this client downloads this torrent already.

    `facts` are frozen here: what is thought of the release later is thought of them.
    """
    row = connection.execute(
        """insert into downloads (movie_id, release_id, node, client, infohash, title, quality, revision, facts,
                                  torrent, magnet, attempt, size_bytes, seed_ratio, seed_time_s, correlation_id)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (node, client, infohash) where state not in ('failed', 'removed') do nothing returning id""",
        (
            movie_id,
            release_id,
            node,
            client,
            infohash,
            title,
            quality.name,
            Jsonb(asdict(revision)),
            Jsonb(facts.as_json()) if facts else None,
            torrent,
            magnet,
            attempt,
            size_bytes,
            seed_ratio,
            seed_time_s,
            correlation_id,
        ),
    ).fetchone()
    return DownloadId(row["id"]) if row else None


def one(connection: Connection, download_id: DownloadId) -> dict[str, Any] | None:
    return connection.execute(f"select {COLUMNS} from downloads where id = %s".encode(), (download_id,)).fetchone()


def torrent_of(connection: Connection, download_id: DownloadId) -> bytes | None:
    row = connection.execute("select torrent from downloads where id = %s", (download_id,)).fetchone()
    return bytes(row["torrent"]) if row and row["torrent"] is not None else None


def watched(connection: Connection, *, node: str, client: str) -> list[dict[str, Any]]:
    """The downloads that the client's poll must follow: not ended, or imported and still seeding."""
    return connection.execute(
        f"select {COLUMNS} from downloads where node = %s and client = %s and ended_at is null order by id".encode(),
        (node, client),
    ).fetchall()


def listed(connection: Connection, *, limit: int = 100, after: DownloadId | None = None) -> list[dict[str, Any]]:
    """A page of downloads with their progress, newest first; `after` is the last id of the page before."""
    return connection.execute(
        """select downloads.id, downloads.movie_id, title, client, infohash, quality, state, attempt, error, added_at,
                  completed_at, content_path, size_bytes, progress.done_bytes, progress.rate_bytes_s, progress.eta_s
           from downloads left join progress on progress.operation = 'download:' || downloads.id
           where %s::bigint is null or downloads.id < %s order by downloads.id desc limit %s""",
        (after, after, limit),
    ).fetchall()


def move(
    connection: Connection,
    download_id: DownloadId,
    state: DownloadState,
    *,
    expected: tuple[DownloadState, ...],
    error: str | None = None,
    content_path: str | None = None,
    size_bytes: int | None = None,
) -> bool:
    """Change the state if it is one of `expected`; whether it was."""
    return (
        connection.execute(
            """update downloads set state = %(state)s, error = %(error)s,
                   content_path = coalesce(%(content_path)s, content_path),
                   size_bytes = coalesce(%(size_bytes)s, size_bytes),
                   completed_at = case when %(state)s = 'completed' then now() else completed_at end,
                   ended_at = case when %(state)s in ('failed', 'removed') then now() else ended_at end
               where id = %(id)s and state = any(%(expected)s)""",
            {
                "state": state,
                "error": error,
                "content_path": content_path,
                "size_bytes": size_bytes,
                "id": download_id,
                "expected": list(expected),
            },
        ).rowcount
        == 1
    )


def owner_of(connection: Connection, *, node: str, client: str, infohash: str) -> MovieId | None:
    """The movie that this torrent is, or was last, downloaded for."""
    row = connection.execute(
        """select movie_id from downloads where node = %s and client = %s and infohash = %s
               and state not in ('failed', 'removed')""",
        (node, client, infohash),
    ).fetchone()
    return MovieId(row["movie_id"]) if row else None


def is_wanted_again(connection: Connection, download_id: DownloadId) -> bool:
    """Whether a later grab uses the same torrent in the same client, so that it must not be taken out there."""
    row = connection.execute(
        """select from downloads as one join downloads as later using (node, client, infohash)
           where one.id = %s and later.id > one.id and later.ended_at is null limit 1""",
        (download_id,),
    ).fetchone()
    return row is not None


def end(connection: Connection, download_id: DownloadId) -> None:
    """An imported download has left its client, or nothing more is to be done with it there."""
    connection.execute("update downloads set ended_at = now(), torrent = null where id = %s", (download_id,))
