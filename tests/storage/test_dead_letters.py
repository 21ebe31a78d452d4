"""What a dead letter does to its movie and its download."""

import pytest

from movies.movie import DownloadId, MovieId, MovieState, WantedMovie
from storage import downloads, movies
from storage.database import Connection, Database
from storage.dead_letters import job_died
from storage.reconciliation import reconcile
from tests.storage.rows import intend


@pytest.mark.parametrize(
    ("kind", "state", "movie"),
    [
        ("add", "failed", "failed"),
        ("import", "blocked", "blocked"),
        ("remove", "completed", "importing"),
        ("fetch", "completed", "failed"),
        ("search", "completed", "importing"),
    ],
)
def test_a_dead_job_shows_in_its_download_and_its_movie(database: Database, kind: str, state: str, movie: str) -> None:
    with database.transaction() as connection:
        movie_id, download_id = a_download(connection, "grabbing" if kind == "add" else "completed")
        movies.set_state(connection, movie_id, MovieState.IMPORTING)
        job_died(connection, kind=kind, payload={"download_id": download_id}, movie_id=movie_id, reason="broken")
        assert states(connection, movie_id, download_id) == (state, movie)


def test_a_download_of_a_client_that_is_gone_is_tried_another_way(database: Database) -> None:
    with database.transaction() as connection:
        movie_id, download_id = a_download(connection, "downloading")
        concerned = reconcile(connection, node="here", lanes=["select"], clients=["other"], roots=["/library"])
        assert concerned == [movie_id]
        assert states(connection, movie_id, download_id) == ("failed", "wanted")
        (job,) = connection.execute("select kind, payload from jobs").fetchall()
        assert (job["kind"], job["payload"]["is_retry"]) == ("select", True)


def test_a_download_of_a_client_that_is_there_goes_on(database: Database) -> None:
    with database.transaction() as connection:
        movie_id, download_id = a_download(connection, "downloading")
        assert reconcile(connection, node="here", lanes=["select"], clients=["builtin"], roots=["/library"]) == []
        assert states(connection, movie_id, download_id)[0] == "downloading"


def test_an_import_follows_its_movie_to_another_root(database: Database) -> None:
    with database.transaction() as connection:
        movie_id, _ = a_download(connection, "completed")
        connection.execute(
            """insert into jobs (kind, lane, node, movie_id, correlation_id)
               values ('import', 'root:/old', 'x', %s, '')""",
            (movie_id,),
        )
        reconcile(connection, node="here", lanes=["root:/library"], clients=["builtin"], roots=["/library"])
        (job,) = connection.execute("select lane, node from jobs where kind = 'import'").fetchall()
        assert (job["lane"], job["node"]) == ("root:/library", "here")


def a_download(connection: Connection, state: str) -> tuple[MovieId, DownloadId]:
    sintel = WantedMovie(title="Sintel", year=2010, profile="hd")
    movie_id = movies.claim_movie(connection, sintel, source="api", root="/library")
    download_id = intend(connection, movie_id)
    assert download_id is not None
    connection.execute("update downloads set state = %s where id = %s", (state, download_id))
    return movie_id, download_id


def states(connection: Connection, movie_id: MovieId, download_id: DownloadId) -> tuple[str, str]:
    download, movie = downloads.one(connection, download_id), movies.one(connection, movie_id)
    assert download is not None
    assert movie is not None
    return download["state"], movie["state"]
