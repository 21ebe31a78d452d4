"""Nodes that share a database: whose work is whose, what moves with a client, and whose wish counts."""

from typing import Any
from uuid import uuid4

import pytest

from movies.movie import DownloadId, MovieId, WantedMovie
from storage import acquisition, breakers, downloads, jobs, movies, nodes
from storage.database import Connection, Database
from storage.errors import Fenced
from storage.reconciliation import reconcile
from tests.storage.rows import INFOHASH, intend

SHARED = "http://nas:8080"
SINTEL = WantedMovie(title="Sintel", year=2010, profile="hd")
LANES = ["client:qbit", "root:/library", "indexer:one", "select"]


def register(connection: Connection, node: str, home: str = SHARED, *, root: str = "/library") -> list[MovieId]:
    return nodes.register(connection, node=node, lanes=LANES, homes={"qbit": home}, roots=[root])


def a_download(
    connection: Connection, *, home: str, client: str = "qbit", title: str = "Sintel", infohash: str = INFOHASH
) -> tuple[MovieId, DownloadId]:
    """One that is in this client."""
    wanted = WantedMovie(title=title, year=2010, profile="hd")
    movie_id = movies.claim_movie(connection, wanted, source="api", root="/library")
    download_id = intend(connection, movie_id, title=f"{title} {home}", infohash=infohash)
    assert download_id is not None
    connection.execute(
        "update downloads set node = %s, client = %s, state = 'downloading' where id = %s", (home, client, download_id)
    )
    return movie_id, download_id


def complete(connection: Connection, movie_id: MovieId, download_id: DownloadId, *, home: str) -> None:
    facts: dict[str, Any] = {"content_path": "/downloads/x", "size_bytes": 1, "root": "/library", "correlation_id": ""}
    assert acquisition.completed(connection, movie_id, download_id, node=home, **facts)


def claimed(connection: Connection, node: str) -> list[str]:
    """The kinds of what a node's queue takes."""
    slots = dict.fromkeys(LANES, 5)
    return [claim.kind for claim in jobs.claim(connection, node=node, owner=uuid4(), slots=slots, lease_s=30)]


def wait_s(connection: Connection, node: str) -> float | None:
    return jobs.seconds_to_next(connection, LANES, node=node)


def state(connection: Connection, download_id: DownloadId) -> str:
    row = downloads.one(connection, download_id)
    assert row is not None
    return str(row["state"])


def test_a_film_from_a_shared_client_is_imported_by_a_node_that_has_the_client_and_no_other(database: Database) -> None:
    with database.transaction() as connection:
        register(connection, "stage")
        register(connection, "wings")
        register(connection, "cellar", "http://cellar:8080")
        complete(connection, *a_download(connection, home=SHARED), home=SHARED)
        assert wait_s(connection, "cellar") is None
        assert claimed(connection, "cellar") == []
        assert wait_s(connection, "wings") == 0
        assert claimed(connection, "wings") == ["import"]


def test_a_film_from_a_nodes_own_client_is_imported_by_that_node(database: Database) -> None:
    with database.transaction() as connection:
        register(connection, "stage", "stage")
        register(connection, "wings", "wings")
        complete(connection, *a_download(connection, home="stage"), home="stage")
        assert claimed(connection, "wings") == []
        assert claimed(connection, "stage") == ["import"]


def test_a_release_is_fetched_by_a_node_that_has_the_root_and_a_client(database: Database) -> None:
    with database.transaction() as connection:
        register(connection, "wings", root="/other")
        nodes.register(connection, node="usher", lanes=LANES, homes={}, roots=["/library"])
        movie_id, download_id = a_download(connection, home=SHARED)
        row = downloads.one(connection, download_id)
        assert row is not None
        facts = {"release_id": row["release_id"], "title": "x", "attempt": 1, "correlation_id": ""}
        acquisition.chosen(connection, movie_id, indexer="one", **facts)
        assert claimed(connection, "wings") == claimed(connection, "usher") == []
        register(connection, "stage")
        assert claimed(connection, "stage") == ["fetch"]


def test_a_client_that_moves_takes_its_downloads_and_their_jobs_along(database: Database) -> None:
    with database.transaction() as connection:
        register(connection, "stage", "stage")
        movie_id, download_id = a_download(connection, home="stage")
        complete(connection, movie_id, download_id, home="stage")
        assert register(connection, "stage", SHARED) == []
        row = downloads.one(connection, download_id)
        assert row is not None
        assert row["node"] == SHARED
        register(connection, "wings")
        assert claimed(connection, "wings") == ["import"]


def test_what_an_older_version_called_the_nodes_own_is_the_shared_clients_now(database: Database) -> None:
    with database.transaction() as connection:
        _, download_id = a_download(connection, home="stage")
        _, other = a_download(connection, home="stage", client="builtin", title="Other", infohash="0" * 40)
        nodes.register(connection, node="stage", lanes=LANES, homes={"qbit": SHARED, "builtin": "stage"})
        assert [(downloads.one(connection, one) or {})["node"] for one in (download_id, other)] == [SHARED, "stage"]


def test_a_client_that_another_node_still_has_at_the_old_address_leaves_its_downloads_there(database: Database) -> None:
    with database.transaction() as connection:
        register(connection, "stage")
        register(connection, "wings")
        _, download_id = a_download(connection, home=SHARED)
        register(connection, "stage", "http://elsewhere:8080")
        row = downloads.one(connection, download_id)
        assert row is not None
        assert row["node"] == SHARED


def test_of_two_downloads_of_one_torrent_that_turn_out_to_be_in_one_client_one_goes_on(database: Database) -> None:
    with database.transaction() as connection:
        register(connection, "stage", "stage")
        movie_id, first = a_download(connection, home="stage")
        _, second = a_download(connection, home=SHARED, title="Other")
        assert register(connection, "stage", SHARED) == [movie_id]
        assert (state(connection, first), state(connection, second)) == ("failed", "downloading")


def test_what_another_node_has_is_left_alone_while_that_is_away(database: Database) -> None:
    with database.transaction() as connection:
        register(connection, "wings", "wings")
        _, download_id = a_download(connection, home="wings")
        jobs.enqueue(connection, "search", lane="indexer:one", payload={"movie_id": 1}, correlation_id="")
        assert reconcile(connection, node="stage", lanes=["select"], homes={}, roots=["/other"]) == []
        assert state(connection, download_id) == "downloading"
        assert claimed(connection, "wings") == ["search"]


def test_what_a_node_had_that_was_long_away_is_got_another_way(database: Database) -> None:
    with database.transaction() as connection:
        register(connection, "stage", "stage")
        register(connection, "wings", "wings")
        movie_id, download_id = a_download(connection, home="wings")
        connection.execute("update nodes set seen_at = now() - interval '8 days'")
        nodes.seen(connection, "stage")
        assert [row["name"] for row in nodes.listed(connection)] == ["stage"]
        concerned = reconcile(connection, node="stage", lanes=LANES, homes={"qbit": "stage"}, roots=["/library"])
        assert concerned == [movie_id]
        assert state(connection, download_id) == "failed"


def test_a_node_is_away_when_it_was_not_seen(database: Database) -> None:
    with database.transaction() as connection:
        register(connection, "stage")
        register(connection, "wings")
        connection.execute("update nodes set seen_at = now() - interval '2 min'")
        nodes.seen(connection, "stage")
        assert [row["name"] for row in nodes.away(connection, longer_than_s=60)] == ["wings"]


def test_a_lane_is_reached_by_another_node_whose_breaker_is_not_open_and_that_is_there(database: Database) -> None:
    with database.transaction() as connection:

        def is_reached() -> bool:
            return nodes.has_another_that_reaches(connection, "indexer:one", node="stage")

        def reached_when(state: str) -> bool:
            facts: dict[str, Any] = {"retry_in_s": 0.0, "opened_count": 1, "reason": ""}
            breakers.save(connection, node="wings", dependency="indexer:one", state=state, **facts)
            return is_reached()

        register(connection, "stage")
        assert not is_reached()
        register(connection, "wings")
        assert is_reached()
        assert [reached_when(state) for state in ("open", "forced_open", "half_open")] == [False, False, True]
        connection.execute("update nodes set seen_at = now() - interval '2 min'")
        assert not is_reached()


def test_a_fetch_follows_its_movie_to_another_root(database: Database) -> None:
    with database.transaction() as connection:
        movie_id, download_id = a_download(connection, home="stage")
        row = downloads.one(connection, download_id)
        assert row is not None
        facts = {"release_id": row["release_id"], "title": "x", "attempt": 1, "correlation_id": ""}
        acquisition.chosen(connection, movie_id, indexer="one", **facts)
        connection.execute("update movies set root = '/new'")
        reconcile(connection, node="stage", lanes=LANES, homes={"qbit": "stage"}, roots=["/new"])
        assert claimed(connection, "stage") == ["fetch"]


def test_of_two_nodes_whose_files_want_a_movie_the_first_says_profile_and_root(database: Database) -> None:
    with database.transaction() as connection:
        stage, wings = "file:stage:config.toml:wanted.hd", "file:wings:config.toml:wanted.sd"
        other = WantedMovie(title="Sintel", year=2010, profile="sd")
        movie_id = movies.claim_movie(connection, SINTEL, source=stage, root="/stage")
        assert movies.claim_movie(connection, other, source=wings, root="/wings") == movie_id
        assert wish(connection, movie_id) == ("hd", "/stage", True)
        movies.claim_movie(connection, other, source=stage, root="/stage")
        assert wish(connection, movie_id) == ("sd", "/stage", True), "its own file may change its mind"


def test_a_movie_is_wanted_while_any_nodes_file_wants_it(database: Database) -> None:
    with database.transaction() as connection:
        stage, wings = "file:stage:config.toml:wanted.hd", "file:wings:config.toml:wanted.hd"
        movie_id = movies.claim_movie(connection, SINTEL, source=stage, root="/stage")
        movies.claim_movie(connection, SINTEL, source=wings, root="/wings")
        assert movies.drop_claims(connection, prefix="file:stage:", keep=[]) == []
        movies.claim_movie(connection, SINTEL, source=wings, root="/wings")
        assert wish(connection, movie_id) == ("hd", "/wings", True)
        assert movies.drop_claims(connection, prefix="file:wings:", keep=[]) == [movie_id]
        assert wish(connection, movie_id) == ("hd", "/wings", False)


def test_work_that_was_taken_from_a_node_is_no_longer_its_to_go_on_with(database: Database) -> None:
    with database.transaction() as connection:
        jobs.enqueue(connection, "select", lane="select", payload={"movie_id": 1, "is_retry": False}, correlation_id="")
        (claim,) = jobs.claim(connection, node="stage", owner=uuid4(), slots={"select": 1}, lease_s=-1)
        jobs.require(connection, claim)
        jobs.sweep(connection)
    with pytest.raises(Fenced), database.transaction() as connection:
        jobs.require(connection, claim)


def wish(connection: Connection, movie_id: MovieId) -> tuple[str, str, bool]:
    movie = movies.one(connection, movie_id)
    assert movie is not None
    return movie["profile"], movie["root"], movie["is_monitored"]
