"""A node that is forgotten by hand: others have at once what it had, unless it is there after all."""

from uuid import uuid4

import pytest

from movies.movie import WantedMovie
from storage import downloads, duties, jobs, movies, nodes, reconciliation
from storage.database import Database
from tests.storage.rows import intend

LANES = ["client:qbit", "root:/library", "indexer:one", "select"]
SINTEL = WantedMovie(title="Sintel", year=2010, profile="hd")


@pytest.fixture
def shared(database: Database) -> Database:
    """Two nodes; the first was last there a minute ago."""
    with database.transaction() as connection:
        for name in ("stage", "wings"):
            nodes.register(connection, node=name, lanes=LANES, homes={"qbit": name}, roots=["/library"])
        connection.execute("update nodes set seen_at = now() - interval '1 min' where name = 'stage'")
    return database


def test_its_jobs_and_duties_are_anothers_at_once(shared: Database) -> None:
    with shared.transaction() as connection:
        duties.take(connection, "rss:one", node="stage", token=uuid4(), lease_s=3600)
        jobs.enqueue(connection, "search", lane="indexer:one", payload={"movie_id": 1}, correlation_id="")
        assert jobs.claim(connection, node="stage", owner=uuid4(), slots={"indexer:one": 1}, lease_s=3600)
    with shared.transaction() as connection:
        assert reconciliation.forget(connection, "stage") == []
        assert [row["name"] for row in nodes.listed(connection)] == ["wings"]
        assert duties.take(connection, "rss:one", node="wings", token=uuid4(), lease_s=3600)
        assert jobs.claim(connection, node="wings", owner=uuid4(), slots={"indexer:one": 1}, lease_s=3600)


def test_what_only_it_had_is_got_another_way_and_what_only_its_file_wanted_is_wanted_no_more(shared: Database) -> None:
    with shared.transaction() as connection:
        source = "file:stage:config.toml:wanted.hd"
        kept = movies.claim_movie(connection, SINTEL, source="api", root="/library")
        dropped = WantedMovie(title="Nosferatu", year=1922, profile="hd")
        movies.claim_movie(connection, dropped, source=source, root="/library")
        download_id = intend(connection, kept)
        assert download_id is not None
        connection.execute("update downloads set node = 'stage', client = 'qbit', state = 'downloading'")
        assert reconciliation.forget(connection, "stage") == [kept]
        row = downloads.one(connection, download_id)
        assert row is not None
        assert row["state"] == "failed"
        wanted = connection.execute("select id from movies where is_monitored").fetchall()
        assert [row["id"] for row in wanted] == [kept]


def test_a_node_that_is_there_is_not_forgotten(shared: Database) -> None:
    with shared.transaction() as connection:
        assert reconciliation.forget(connection, "wings") == "alive", "it was seen a moment ago"
        assert reconciliation.forget(connection, "nobody") == "unknown"
    stage = Database(shared.dsn, application="stage")
    stage.open()
    try:
        stage.prepare(node="stage")
        with shared.transaction() as connection:
            assert reconciliation.forget(connection, "stage") == "alive", "a daemon holds its name"
    finally:
        stage.close()
