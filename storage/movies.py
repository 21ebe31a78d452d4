"""The wanted movies and who claims them.

A movie is wanted while a claim on it remains; losing the last one unmonitors it and touches neither file nor torrent.
A tombstone (a deletion through the API) beats every claim until it is lifted.
"""

from collections.abc import Sequence
from typing import Any

from movies.movie import MovieId, MovieState, WantedMovie
from storage import movie_titles
from storage.database import Connection

CLAIM_LOCK = 0x436C6169  # "Clai"


def claim_movie(connection: Connection, wanted: WantedMovie, *, source: str, root: str) -> MovieId:
    """Find or make the movie's row and add the claim; title, ids, profile, root and tags follow the newest claim.

    Of the files of several nodes, `file:NODE:...`, the first that claimed the movie says all but title and ids.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))  # nodes that start together want the same
    row = connection.execute(
        """select id from movies
           where version = '' and (
               tmdb_id = %(tmdb_id)s or imdb_id = %(imdb_id)s
               or (%(tmdb_id)s::int is null and %(imdb_id)s::text is null
                   and lower(title) = lower(%(title)s) and coalesce(year, 0) = coalesce(%(year)s, 0)))
           order by id limit 1 for update""",
        _identity(wanted),
    ).fetchone()
    values = _identity(wanted) | {"id": row and row["id"], "root": wanted.root or root, **_wishes(wanted)}
    if row is None:
        row = connection.execute(
            """insert into movies (title, year, tmdb_id, imdb_id, profile, root, tags, minimum_availability)
               values (%(title)s, %(year)s, %(tmdb_id)s, %(imdb_id)s, %(profile)s, %(root)s, %(tags)s,
                       %(minimum_availability)s)
               returning id, keyed_by""",
            values,
        ).fetchone()
    else:
        if _is_another_nodes(connection, MovieId(row["id"]), source):
            values |= dict.fromkeys(("root", *_wishes(wanted)))
        row = connection.execute(
            """update movies set keyed_by = case when title is distinct from coalesce(%(title)s, title) then ''
                   else keyed_by end,
                   title = coalesce(%(title)s, title), year = coalesce(%(year)s, year),
                   tmdb_id = coalesce(%(tmdb_id)s, tmdb_id), imdb_id = coalesce(%(imdb_id)s, imdb_id),
                   profile = coalesce(%(profile)s, profile), root = coalesce(%(root)s, root),
                   tags = coalesce(%(tags)s, tags),
                   minimum_availability = coalesce(%(minimum_availability)s, minimum_availability),
                   is_monitored = tombstoned_at is null
               where id = %(id)s returning id, keyed_by""",
            values,
        ).fetchone()
    assert row is not None
    movie_id = MovieId(row["id"])
    if row["keyed_by"] != movie_titles.maker():
        movie_titles.enter(connection, movie_id)
    connection.execute(
        "insert into claims (movie_id, source) values (%s, %s) on conflict do nothing", (movie_id, source)
    )
    return movie_id


def _is_another_nodes(connection: Connection, movie_id: MovieId, source: str) -> bool:
    """Whether the file of another node than that of `source` claimed the movie before."""
    row = connection.execute(
        """select split_part(source, ':', 2) as node from claims
           where movie_id = %s and source like 'file:%%:%%' order by claimed_at, source limit 1""",
        (movie_id,),
    ).fetchone()
    kind, _, rest = source.partition(":")
    return kind == "file" and row is not None and row["node"] != rest.partition(":")[0]


def wanted_table(connection: Connection, movie_id: MovieId) -> str | None:
    """The table [wanted.NAME] of a file that asks for the movie; None: no file does."""
    row = connection.execute(
        """select substring(source from '.*:wanted[.](.*)$') as name from claims
           where movie_id = %s and source ~ '^file:.*:wanted[.]' order by claimed_at, source limit 1""",
        (movie_id,),
    ).fetchone()
    return row["name"] if row else None


def drop_claims(connection: Connection, *, prefix: str, keep: Sequence[tuple[MovieId, str]]) -> list[MovieId]:
    """Remove the claims of sources that begin with `prefix` but for `keep`; returns the movies left without any."""
    connection.execute(
        """delete from claims where starts_with(source, %s) and (movie_id, source) not in (
               select * from unnest(%s::bigint[], %s::text[]))""",
        (prefix, [movie_id for movie_id, _ in keep], [source for _, source in keep]),
    )
    rows = connection.execute(
        """update movies set is_monitored = false, changed_at = now()
           where is_monitored and not exists (select from claims where movie_id = movies.id) returning id"""
    ).fetchall()
    return [MovieId(row["id"]) for row in rows]


def unsearched(connection: Connection) -> list[MovieId]:
    """Monitored movies without a file or a failure, for which nothing is waiting, running or being downloaded."""
    rows = connection.execute(
        """select id from movies
           where is_monitored and state in ('wanted', 'searching', 'grabbing', 'downloading', 'importing')
               and not exists (select from jobs where movie_id = movies.id and jobs.state in ('ready', 'running'))
               and not exists (select from downloads where movie_id = movies.id and ended_at is null
                               and downloads.state not in ('imported', 'blocked'))
           order by id"""
    ).fetchall()
    return [MovieId(row["id"]) for row in rows]


def lock(connection: Connection, movie_id: MovieId) -> None:
    """Until the transaction ends, others who lock the movie wait; who only writes rows that belong to it does not.

    Else two who have both written such rows, and then lock the movie, would wait for each other.
    """
    connection.execute("select from movies where id = %s for no key update", (movie_id,))


def set_state(connection: Connection, movie_id: MovieId, state: MovieState, *, reason: str = "") -> None:
    connection.execute(
        "update movies set state = %s, reason = %s, changed_at = now() where id = %s", (state, reason, movie_id)
    )


def fail(connection: Connection, movie_id: MovieId, *, reason: str) -> None:
    """What was tried for the movie failed for good; one that has a file is still imported."""
    connection.execute(
        """update movies set reason = %s, changed_at = now(),
               state = case when exists (select from movie_files where movie_id = movies.id) then 'imported'
                       else 'failed' end
           where id = %s""",
        (reason, movie_id),
    )


def settle(connection: Connection, movie_id: MovieId, *, reason: str) -> None:
    """Put the movie into the state that its downloads and its file show."""
    connection.execute(
        """update movies set reason = %(reason)s, changed_at = now(), state = case
               when exists (select from downloads where movie_id = %(id)s and state in (
                   'grabbing', 'queued', 'metadata', 'downloading', 'stalled', 'paused')) then 'downloading'
               when exists (select from downloads where movie_id = %(id)s
                            and state in ('completed', 'importing')) then 'importing'
               when exists (select from movie_files where movie_id = %(id)s) then 'imported'
               else 'wanted' end
           where id = %(id)s""",
        {"id": movie_id, "reason": reason},
    )


def rest(connection: Connection, movie_id: MovieId, *, reason: str) -> None:
    """Nothing more can be done for the movie now: it is imported if it has a file, else still wanted.

    A movie that is being grabbed, downloaded or imported, or that failed, stays what it is.
    """
    connection.execute(
        """update movies set reason = %s, changed_at = now(),
               state = case when exists (select from movie_files where movie_id = movies.id) then 'imported'
                       else 'wanted' end
           where id = %s and state in ('wanted', 'searching', 'imported')""",
        (reason, movie_id),
    )


def name_if_unnamed(connection: Connection, movie_id: MovieId, *, title: str, year: int | None) -> None:
    """A movie known by a bare id takes the title of the first release that carries the id."""
    is_new = connection.execute(
        "update movies set title = %s, year = coalesce(year, %s) where id = %s and title is null",
        (title, year, movie_id),
    ).rowcount
    if is_new:
        movie_titles.enter(connection, movie_id)


def count(connection: Connection, state: MovieState) -> int:
    row = connection.execute("select count(*) as number from movies where state = %s", (state,)).fetchone()
    return int(row["number"]) if row else 0


def counts(connection: Connection) -> dict[str, int]:
    """How many movies are in each state."""
    found = {state.value: 0 for state in MovieState}
    for row in connection.execute("select state, count(*) as number from movies group by state").fetchall():
        found[row["state"]] = row["number"]
    return found


def one(connection: Connection, movie_id: MovieId) -> dict[str, Any] | None:
    return connection.execute("select * from movies where id = %s", (movie_id,)).fetchone()


def listed(connection: Connection, *, limit: int = 100, after: MovieId | None = None) -> list[dict[str, Any]]:
    """A page of movies with file and claims, by id; `after` is the last id of the page before."""
    return connection.execute(
        """select movies.id, title, year, tmdb_id, imdb_id, profile, root, state, reason, is_monitored, changed_at,
                  movie_files.path, movie_files.quality, movie_files.size_bytes,
                  array(select source from claims where movie_id = movies.id order by source) as claims
           from movies left join movie_files on movie_files.movie_id = movies.id
           where %s::bigint is null or movies.id > %s order by movies.id limit %s""",
        (after, after, limit),
    ).fetchall()


def _identity(wanted: WantedMovie) -> dict[str, Any]:
    return {"title": wanted.title, "year": wanted.year, "tmdb_id": wanted.tmdb_id, "imdb_id": wanted.imdb_id}


def _wishes(wanted: WantedMovie) -> dict[str, Any]:
    return {
        "profile": wanted.profile,
        "tags": list(wanted.tags),
        "minimum_availability": wanted.minimum_availability,
    }
