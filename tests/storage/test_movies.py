"""Who wants which movie, and what a decision must know of it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from movies.availability import Availability
from movies.movie import DownloadState, MovieId, MovieState, WantedMovie
from movies.profile import Profile
from storage import acquisition, downloads, imports, movies
from storage.database import Database
from tests.storage.rows import import_film, intend

SINTEL = WantedMovie(title="Sintel", year=2010, profile="hd")
MATRIX = WantedMovie(tmdb_id=603, profile="hd")
HD = Profile(name="hd", groups=(("Bluray-1080p",), ("WEBDL-1080p", "WEBRip-1080p")), cutoff="Bluray-1080p")
LINE = "file:config.toml:41"


def claim(database: Database, wanted: WantedMovie, *, source: str = LINE) -> MovieId:
    with database.transaction() as connection:
        return movies.claim_movie(connection, wanted, source=source, root="/library")


def drop(database: Database, *keep: tuple[MovieId, str], prefix: str = "file:") -> list[MovieId]:
    with database.transaction() as connection:
        return movies.drop_claims(connection, prefix=prefix, keep=keep)


def one(database: Database, movie_id: MovieId) -> dict[str, Any]:
    with database.transaction() as connection:
        found = movies.one(connection, movie_id)
    assert found is not None
    return found


def claims(database: Database) -> list[list[str]]:
    with database.transaction() as connection:
        return [row["claims"] for row in movies.listed(connection)]


def put_file(database: Database, movie_id: MovieId) -> None:
    """The movie has been imported from a download."""
    with database.transaction() as connection:
        download_id = intend(connection, movie_id)
        assert download_id is not None
        import_film(connection, movie_id, download_id)
        downloads.move(connection, download_id, DownloadState.IMPORTED, expected=(DownloadState.GRABBING,))


def test_a_movie_claimed_twice_is_one_movie_with_two_claims(database: Database) -> None:
    first = claim(database, SINTEL)
    assert claim(database, SINTEL) == first
    assert claim(database, WantedMovie(title="SINTEL", year=2010, profile="hd"), source="api") == first
    assert claims(database) == [["api", LINE]]


@pytest.mark.parametrize(
    "other",
    [
        WantedMovie(title="Sintel", year=2011, profile="hd"),
        WantedMovie(title="Sintel", profile="hd"),
        WantedMovie(title="Sintel 2", year=2010, profile="hd"),
        MATRIX,
    ],
    ids=["another year", "no year", "another title", "an id"],
)
def test_another_movie_is_another_row(database: Database, other: WantedMovie) -> None:
    assert claim(database, other) != claim(database, SINTEL)
    assert claim(database, other) == claim(database, other)


def test_a_claim_adds_what_it_knows_and_takes_nothing_away(database: Database) -> None:
    movie_id = claim(database, MATRIX)
    named = WantedMovie(title="The Matrix", year=1999, tmdb_id=603, imdb_id="tt0133093", profile="uhd", root="/films")
    assert claim(database, named, source="api") == movie_id
    assert claim(database, WantedMovie(imdb_id="tt0133093", profile="uhd", root="/films"), source="api") == movie_id
    movie = one(database, movie_id)
    assert (movie["title"], movie["year"], movie["tmdb_id"], movie["imdb_id"]) == ("The Matrix", 1999, 603, "tt0133093")
    assert (movie["profile"], movie["root"]) == ("uhd", "/films")


def test_tags_and_availability_follow_the_newest_claim_of_the_same_node(database: Database) -> None:
    def wishes(source: str, *tags: str, availability: Availability) -> tuple[list[str], str]:
        wanted = WantedMovie(title="Sintel", year=2010, profile="hd", tags=tags, minimum_availability=availability)
        movie = one(database, claim(database, wanted, source=source))
        return movie["tags"], movie["minimum_availability"]

    assert wishes("file:a:config.toml:wanted.hd", "4k", availability=Availability.ANNOUNCED) == (["4k"], "announced")
    assert wishes("file:b:config.toml:wanted.hd", "kids", availability=Availability.RELEASED) == (["4k"], "announced")
    assert wishes("file:a:config.toml:wanted.hd", availability=Availability.IN_CINEMAS) == ([], "in_cinemas")


def test_the_table_that_asks_for_a_movie_is_known(database: Database) -> None:
    movie_id = claim(database, SINTEL, source="list:popular")
    with database.transaction() as connection:
        assert movies.wanted_table(connection, movie_id) is None
    claim(database, SINTEL, source="file:here:config.toml:wanted.classics")
    with database.transaction() as connection:
        assert movies.wanted_table(connection, movie_id) == "classics"


def test_daemons_that_claim_the_same_movies_at_once_make_one_row_of_each(database: Database) -> None:
    def bring_in(source: str) -> list[MovieId]:
        return [claim(database, wanted, source=source) for wanted in [SINTEL, MATRIX] * 5]

    with ThreadPoolExecutor(4) as daemons:
        made = list(daemons.map(bring_in, ["file:a", "file:b", "file:c", "file:d"]))
    assert len({movie_id for ids in made for movie_id in ids}) == 2
    assert claims(database) == [["file:a", "file:b", "file:c", "file:d"]] * 2


def test_a_movie_is_wanted_while_any_claim_remains(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    claim(database, SINTEL, source="api")
    assert drop(database) == []
    assert one(database, movie_id)["is_monitored"]
    assert drop(database, prefix="api") == [movie_id]
    assert not one(database, movie_id)["is_monitored"]


def test_the_claims_kept_and_those_of_other_sources_stay(database: Database) -> None:
    kept, dropped, others = claim(database, SINTEL), claim(database, MATRIX), claim(database, MATRIX, source="api")
    assert dropped == others
    claim(database, SINTEL, source="file:old.toml:1")
    assert drop(database, (kept, LINE)) == []
    assert claims(database) == [[LINE], ["api"]]


def test_losing_the_last_claim_touches_neither_file_nor_download(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    put_file(database, movie_id)
    assert drop(database) == [movie_id]
    assert drop(database) == []
    with database.transaction() as connection:
        assert imports.file_of(connection, movie_id) is not None
        assert len(downloads.watched(connection, node="here", client="builtin")) == 1


def test_a_movie_wanted_again_is_monitored_again(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    drop(database)
    assert claim(database, SINTEL) == movie_id
    assert one(database, movie_id)["is_monitored"]


def test_a_tombstone_beats_a_claim(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    with database.transaction() as connection:
        connection.execute("update movies set tombstoned_at = now(), is_monitored = false where id = %s", (movie_id,))
    assert claim(database, SINTEL) == movie_id
    assert not one(database, movie_id)["is_monitored"]


def test_a_movie_is_searched_when_it_is_wanted_and_nothing_is_under_way(database: Database) -> None:
    wanted, working, done, dropped = (
        claim(database, WantedMovie(tmdb_id=number, profile="hd")) for number in (1, 2, 3, 4)
    )
    with database.transaction() as connection:
        acquisition.search(connection, working, indexers=["one"], correlation_id="c")
        movies.set_state(connection, done, MovieState.IMPORTED)
        connection.execute("update movies set is_monitored = false where id = %s", (dropped,))
        assert movies.unsearched(connection) == [wanted]
        connection.execute("update jobs set state = 'done'")
        assert movies.unsearched(connection) == [wanted, working]


def test_a_movie_rests_as_wanted_or_as_imported(database: Database) -> None:
    bare, filed, busy = (
        claim(database, MATRIX),
        claim(database, SINTEL),
        claim(database, WantedMovie(tmdb_id=1, profile="hd")),
    )
    put_file(database, filed)
    with database.transaction() as connection:
        for movie_id, state in (
            (bare, MovieState.SEARCHING),
            (filed, MovieState.SEARCHING),
            (busy, MovieState.DOWNLOADING),
        ):
            movies.set_state(connection, movie_id, state)
            movies.rest(connection, movie_id, reason="nothing fits")
    assert [one(database, movie_id)["state"] for movie_id in (bare, filed, busy)] == [
        "wanted",
        "imported",
        "downloading",
    ]


def test_a_bare_id_takes_the_first_title_it_hears_of(database: Database) -> None:
    movie_id = claim(database, MATRIX)
    with database.transaction() as connection:
        movies.name_if_unnamed(connection, movie_id, title="The Matrix", year=1999)
        movies.name_if_unnamed(connection, movie_id, title="Matriks", year=2000)
    assert (one(database, movie_id)["title"], one(database, movie_id)["year"]) == ("The Matrix", 1999)


def test_movies_are_listed_in_pages(database: Database) -> None:
    ids = [claim(database, WantedMovie(tmdb_id=number, profile="hd")) for number in range(1, 6)]
    with database.transaction() as connection:
        first = movies.listed(connection, limit=2)
        rest = movies.listed(connection, limit=10, after=MovieId(first[-1]["id"]))
    assert [row["id"] for row in first + rest] == ids


def test_who_locks_a_movie_waits_for_who_locked_it_and_not_for_rows_that_belong_to_it(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    with database.transaction() as one, database.transaction() as other:
        other.execute("set local lock_timeout = '200ms'")
        for connection in (one, other):
            connection.execute("insert into claims (movie_id, source) values (%s, pg_backend_pid())", (movie_id,))
        movies.lock(one, movie_id)
        with pytest.raises(psycopg.errors.LockNotAvailable), other.transaction():
            movies.lock(other, movie_id)
