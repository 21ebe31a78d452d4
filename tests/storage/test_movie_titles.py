"""Releases find movies by title keys and ids, each by a look into an index."""

import hashlib
from collections.abc import Iterator

import psycopg
import pytest

from movies.movie import MovieId, WantedMovie
from movies.title import title_keys
from storage import movie_titles, movies
from storage.database import Connection, Database
from storage.embedded import EmbeddedPostgres
from tests.postgres import fresh_database
from tests.storage.explained import PLAN_MODES, explained, planning

MANY = 100_000


def claim(
    database: Database, title: str | None = None, *, year: int | None = None, tmdb_id: int | None = None
) -> MovieId:
    wanted = WantedMovie(title=title, year=year, tmdb_id=tmdb_id, profile="hd")
    with database.transaction() as connection:
        return movies.claim_movie(connection, wanted, source="api", root="/library")


def found(database: Database, title: str) -> dict[str, set[MovieId]]:
    with database.transaction() as connection:
        return movie_titles.matching(connection, keys=title_keys(title))


def test_a_movie_is_found_by_any_spelling_of_its_title(database: Database) -> None:
    movie_id = claim(database, "Göthe & the Ring, Part II", year=2010)
    claim(database, "Another", year=2010)
    assert list(found(database, "Goethe and the Ring Part 2").values()) == [{movie_id}]
    assert found(database, "No Such Title") == {}


def test_a_movie_is_found_by_its_alternative_titles(database: Database) -> None:
    movie_id = claim(database, "Spirited Away", year=2001)
    with database.transaction() as connection:
        connection.execute(
            "update movies set alternative_titles = '{Chihiros Reise ins Zauberland}', keyed_by = '' where id = %s",
            (movie_id,),
        )
        assert movie_titles.refresh(connection) == 1
        assert movie_titles.refresh(connection) == 0
    for title in ("Spirited Away", "Chihiros Reise ins Zauberland"):
        assert list(found(database, title).values()) == [{movie_id}]


def test_a_movie_named_later_is_found_by_its_name_and_no_longer_by_another(database: Database) -> None:
    movie_id = claim(database, tmdb_id=45745)
    with database.transaction() as connection:
        movies.name_if_unnamed(connection, movie_id, title="Sintle", year=2010)
    assert list(found(database, "Sintle").values()) == [{movie_id}]
    claim(database, "Sintel", year=2010, tmdb_id=45745)
    assert list(found(database, "Sintel").values()) == [{movie_id}]
    assert found(database, "Sintle") == {}


def test_keys_that_other_rules_made_are_made_anew(database: Database) -> None:
    movie_id = claim(database, "Sintel", year=2010)
    with database.transaction() as connection:
        connection.execute("update movie_titles set key = 'old rules'")
        connection.execute("update movies set keyed_by = 'old rules'")
        assert movie_titles.refresh(connection) == 1
    assert list(found(database, "Sintel").values()) == [{movie_id}]
    assert found(database, "old rules") == {}


def test_ids_find_a_movie_whatever_its_titles(database: Database) -> None:
    movie_id = claim(database, tmdb_id=603)
    with database.transaction() as connection:
        connection.execute("update movies set imdb_id = 'tt0133093'")
        matches = movie_titles.matching(connection, keys=(), tmdb_ids=[603, 604], imdb_ids=["tt0133093"])
    assert matches == {"tmdb 603": {movie_id}, "imdb tt0133093": {movie_id}}


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database with very many movies."""
    with fresh_database(postgres) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                f"""insert into movies (title, year, tmdb_id, imdb_id, profile, root)
                    select 'Movie ' || n, 2000, n, 'tt' || lpad(n::text, 7, '0'), 'hd', '/library'
                    from generate_series(1, {MANY}) as n""".encode()
            )
            connection.execute("insert into movie_titles (key, movie_id) select 'movie' || tmdb_id, id from movies")
            for table in ("movies", "movie_titles"):
                connection.execute(f"vacuum analyze {table}".encode())
        yield dsn


@pytest.fixture(params=PLAN_MODES)
def connection(filled: str, request: pytest.FixtureRequest) -> Iterator[Connection]:
    with planning(filled, request.param) as connection:
        yield connection


def test_a_page_of_a_feed_reads_the_movies_that_are_in_it_and_no_others(connection: Connection) -> None:
    numbers = [int(hashlib.sha256(b"%d" % n).hexdigest()[:4], 16) + 1 for n in range(100)]
    keys = {key for number in numbers for key in title_keys(f"Movie {number}")} | {"unknown"}
    imdb_ids = [f"tt{number:07}" for number in numbers]

    def look() -> None:
        assert len(movie_titles.matching(connection, keys=keys, tmdb_ids=numbers, imdb_ids=imdb_ids)) == 300

    plan = explained(connection, look)
    assert not plan.full_scans
    assert plan.rows_read <= 300
