"""The keys by which a release's title finds a movie: made of all its titles, and made anew when the rules change."""

import hashlib
from collections.abc import Collection
from functools import cache
from importlib.resources import files

from movies.movie import MovieId, parse_wanted
from movies.target import keys_of
from movies.title import title_keys
from storage.database import Connection


@cache
def maker() -> str:
    """Names the rules that make keys: another text of theirs may make other keys."""
    return hashlib.sha256(files("movies").joinpath("title.py").read_bytes()).hexdigest()[:16]


def enter(connection: Connection, movie_id: MovieId) -> None:
    """Have the movie found under the titles that its row has now."""
    _enter(connection, "id = %(which)s", movie_id)


def refresh(connection: Connection) -> int:
    """Enter the movies whose keys other rules have made; how many there were."""
    return _enter(connection, "keyed_by <> %(which)s", maker())


def _enter(connection: Connection, condition: str, which: str | int) -> int:
    rows = connection.execute(
        f"select id, array_remove(title || alternative_titles, null) as titles from movies where {condition}".encode(),
        {"which": which},
    ).fetchall()
    found = [(row["id"], key) for row in rows for key in keys_of(row["titles"])]
    ids = [row["id"] for row in rows]
    connection.execute("delete from movie_titles where movie_id = any(%s)", (ids,))
    connection.execute(
        """insert into movie_titles (key, movie_id) select * from unnest(%s::text[], %s::bigint[])
           order by 1, 2 on conflict do nothing""",
        ([key for _, key in found], [movie_id for movie_id, _ in found]),
    )
    connection.execute("update movies set keyed_by = %s where id = any(%s)", (maker(), ids))
    return len(rows)


def matching(
    connection: Connection, *, keys: Collection[str], tmdb_ids: Collection[int] = (), imdb_ids: Collection[str] = ()
) -> dict[str, set[MovieId]]:
    """The movies, monitored or not, by what they share: a title key, "tmdb 603", "imdb tt0133093".

    One look into each index for each of these, whatever the number of movies.
    """
    rows = connection.execute(
        """select 'title ' || key as shared, movie_id as id from movie_titles where key = any(%s)
           union all select 'tmdb ' || tmdb_id, id from movies where tmdb_id is not null and tmdb_id = any(%s)
           union all select 'imdb ' || imdb_id, id from movies where imdb_id is not null and imdb_id = any(%s)""",
        (list(keys), list(tmdb_ids), list(imdb_ids)),
    ).fetchall()
    found: dict[str, set[MovieId]] = {}
    for row in rows:
        found.setdefault(row["shared"], set()).add(MovieId(row["id"]))
    return found


def search(connection: Connection, text: str) -> list[MovieId]:
    """The movies that a person may mean by an id of ours, "tt0133093", "Title" or "Title (Year)"; by id.

    Raises BadWanted when the text has neither letter nor digit.
    """
    if is_number(text):
        row = connection.execute("select id from movies where id = %s", (int(text),)).fetchone()
        if row is not None:
            return [MovieId(row["id"])]
    title, year = parse_wanted(text)
    matches = matching(connection, keys=title_keys(title), imdb_ids=[text])
    rows = connection.execute(
        "select id from movies where id = any(%s) and (%s::int is null or year is null or year = %s) order by id",
        (list(set[MovieId]().union(*matches.values())), year, year),
    ).fetchall()
    return [MovieId(row["id"]) for row in rows]


def is_number(text: str) -> bool:
    """Whether the text may be an id of a row."""
    return text.isascii() and text.isdigit() and len(text) <= 18
