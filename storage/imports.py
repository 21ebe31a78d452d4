"""The journal of imports: one row per download, written before the disk is touched and after each step.

planned (nothing final has changed) -> staged (the new file lies complete under its temporary name, its identity known)
-> done (it is the movie's file). After a crash the row says which step to take again.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from psycopg.types.json import Jsonb

from movies.movie import DownloadId, MovieId
from storage.database import Connection
from storage.files import Identity


def plan(
    connection: Connection,
    *,
    download_id: DownloadId,
    movie_id: MovieId,
    source_path: str,
    temp_path: str,
    target_path: str,
    old_path: str | None,
    recycle_path: str,
) -> None:
    """Write the plan over one made before; `old_path` is the movie's present file, to go to `recycle_path`."""
    connection.execute(
        """insert into imports (download_id, movie_id, source_path, temp_path, target_path, old_path, recycle_path)
           values (%s, %s, %s, %s, %s, %s, %s)
           on conflict (download_id) do update set source_path = excluded.source_path,
               temp_path = excluded.temp_path, target_path = excluded.target_path, old_path = excluded.old_path,
               recycle_path = excluded.recycle_path, state = 'planned', changed_at = now()""",
        (download_id, movie_id, source_path, temp_path, target_path, old_path, recycle_path),
    )


def staged(connection: Connection, download_id: DownloadId, *, identity: Identity, method: str) -> None:
    connection.execute(
        """update imports set state = 'staged', device = %(device)s, inode = %(inode)s, size_bytes = %(size_bytes)s,
               mtime_ns = %(mtime_ns)s, method = %(method)s, changed_at = now()
           where download_id = %(download_id)s""",
        asdict(identity) | {"method": method, "download_id": download_id},
    )


def done(
    connection: Connection,
    download_id: DownloadId,
    *,
    movie_id: MovieId,
    path: str,
    identity: Identity,
    method: str,
    quality: str,
    revision: Mapping[str, Any],
    release_title: str,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """The file is the movie's; the one before is no longer. `facts` are those frozen at its grab."""
    connection.execute("update imports set state = 'done', changed_at = now() where download_id = %s", (download_id,))
    connection.execute("delete from movie_files where path = %s and movie_id <> %s", (path, movie_id))  # it was deleted
    connection.execute(
        """insert into movie_files (movie_id, path, size_bytes, device, inode, mtime_ns, quality, revision,
                                    release_title, facts, method)
           values (%(movie_id)s, %(path)s, %(size_bytes)s, %(device)s, %(inode)s, %(mtime_ns)s, %(quality)s,
                   %(revision)s, %(release_title)s, %(facts)s, %(method)s)
           on conflict (movie_id) do update set path = excluded.path, size_bytes = excluded.size_bytes,
               device = excluded.device, inode = excluded.inode, mtime_ns = excluded.mtime_ns,
               quality = excluded.quality, revision = excluded.revision, release_title = excluded.release_title,
               facts = excluded.facts, method = excluded.method, imported_at = now()""",
        asdict(identity)
        | {
            "movie_id": movie_id,
            "path": path,
            "quality": quality,
            "revision": Jsonb(dict(revision)),
            "release_title": release_title,
            "facts": Jsonb(dict(facts)) if facts else None,
            "method": method,
        },
    )


def one(connection: Connection, download_id: DownloadId) -> dict[str, Any] | None:
    return connection.execute("select * from imports where download_id = %s", (download_id,)).fetchone()


def file_of(connection: Connection, movie_id: MovieId) -> dict[str, Any] | None:
    """The movie's present file, None when it has none."""
    return connection.execute("select * from movie_files where movie_id = %s", (movie_id,)).fetchone()


def has_files_below(connection: Connection, folder: str) -> bool:
    """Whether a movie's file lies, or lay last, below `folder` (with its final slash)."""
    row = connection.execute("select from movie_files where starts_with(path, %s) limit 1", (folder,)).fetchone()
    return row is not None
