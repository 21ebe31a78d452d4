"""The path of one movie on a real database: every step in the transaction that ends the job before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from movies.failure import RetryPolicy
from movies.movie import DownloadId, DownloadState, MovieId, WantedMovie
from storage import acquisition, dead_letters, downloads, events, imports, job_list, jobs, movies, nodes, progress
from storage.database import Connection, Database
from storage.events import Cursor
from storage.files import Identity
from storage.jobs import Claim
from storage.progress import Progress
from tests.storage.rows import RELEASE, add_release, intend

POLICY = RetryPolicy(retries=3, base_s=10, cap_s=3600)
FILM = "/library/Sintel (2010)/Sintel (2010).mkv"
IDENTITY = Identity(device=1, inode=2, size_bytes=1000, mtime_ns=4)


@pytest.fixture
def movie_id(database: Database) -> MovieId:
    with database.transaction() as connection:
        nodes.register(connection, node="here", lanes=[], homes={"builtin": "here"}, roots=["/library"])
        sintel = WantedMovie(title="Sintel", year=2010, profile="hd")
        return movies.claim_movie(connection, sintel, source="api", root="/library")


def search(database: Database, movie_id: MovieId, *indexers: str) -> None:
    with database.transaction() as connection:
        acquisition.search(connection, movie_id, indexers=list(indexers), correlation_id="c")


def claim(database: Database, lane: str) -> list[Claim]:
    with database.transaction() as connection:
        return jobs.claim(connection, node="here", owner=uuid4(), slots={lane: 1}, lease_s=30)


@contextmanager
def finishing(database: Database, lane: str, *, kind: str) -> Iterator[tuple[Connection, Claim]]:
    """The transaction that finishes the one job that is due in `lane`."""
    (claimed,) = claim(database, lane)
    assert claimed.kind == kind
    with database.transaction() as connection:
        jobs.finish(connection, claimed)
        yield connection, claimed


def state(database: Database, movie_id: MovieId) -> str:
    with database.transaction() as connection:
        movie = movies.one(connection, movie_id)
    assert movie is not None
    return str(movie["state"])


def kinds(database: Database) -> list[str]:
    with database.transaction() as connection:
        return [event.kind for event in events.after(connection, Cursor(xid=0, id=0))]


def waiting(database: Database, lane: str) -> float | None:
    with database.transaction() as connection:
        return jobs.seconds_to_next(connection, [lane])


def give_up(database: Database, movie_id: MovieId, *, attempt: int) -> str:
    with database.transaction() as connection:
        return acquisition.failed(
            connection,
            movie_id,
            attempt=attempt,
            reason="stalled",
            error="nothing came for 30 min",
            policy=POLICY,
            jitter=1.0,
            correlation_id="c",
        )


def search_and_choose(database: Database, movie_id: MovieId) -> None:
    search(database, movie_id, "one")
    assert state(database, movie_id) == "searching"
    with finishing(database, "indexer:one", kind="search") as (connection, _):
        release_id = add_release(connection)
        acquisition.search_ended(connection, movie_id)
    with finishing(database, "select", kind="select") as (connection, claimed):
        acquisition.chosen(
            connection,
            movie_id,
            release_id=release_id,
            indexer="one",
            title=RELEASE,
            attempt=claimed.attempt,
            correlation_id="c",
        )
    assert state(database, movie_id) == "grabbing"


def fetch_and_add(database: Database, movie_id: MovieId) -> DownloadId:
    with finishing(database, "indexer:one", kind="fetch") as (connection, claimed):
        download_id = intend(connection, movie_id, attempt=claimed.payload["attempt"])
        assert download_id is not None
        acquisition.grabbed(connection, movie_id, download_id, client="builtin", node="here", correlation_id="c")
    assert state(database, movie_id) == "grabbing"
    with finishing(database, "client:builtin", kind="add") as (connection, claimed):
        assert claimed.payload == {"download_id": download_id}
        acquisition.started(connection, movie_id, download_id, correlation_id="c")
    assert state(database, movie_id) == "downloading"
    return download_id


def complete(database: Database, movie_id: MovieId, download_id: DownloadId) -> bool:
    with database.transaction() as connection:
        return acquisition.completed(
            connection,
            movie_id,
            download_id,
            content_path="/downloads/Sintel",
            size_bytes=1000,
            root="/library",
            node="here",
            correlation_id="c",
        )


def bring_in(database: Database, movie_id: MovieId, download_id: DownloadId) -> None:
    """The importer's steps: planned, staged, done."""
    (claimed,) = claim(database, "root:/library")
    with database.transaction() as connection:
        imports.plan(
            connection,
            download_id=download_id,
            movie_id=movie_id,
            source_path="/downloads/Sintel/film.mkv",
            temp_path=f"{FILM}.part",
            target_path=FILM,
            old_path=None,
            recycle_path="/library/.understudy/recycle",
        )
    with database.transaction() as connection:
        imports.staged(connection, download_id, identity=IDENTITY, method="hardlink")
    with database.transaction() as connection:
        jobs.finish(connection, claimed)
        imports.done(
            connection,
            download_id,
            movie_id=movie_id,
            path=FILM,
            identity=IDENTITY,
            method="hardlink",
            quality="Bluray-1080p",
            revision={"version": 1, "real": 0},
            release_title=RELEASE,
        )
        acquisition.imported(connection, movie_id, download_id, path=FILM, correlation_id="c", method="hardlink")


def test_a_movie_goes_all_the_way_from_wanted_to_imported(database: Database, movie_id: MovieId) -> None:
    assert state(database, movie_id) == "wanted"
    search_and_choose(database, movie_id)
    download_id = fetch_and_add(database, movie_id)
    assert complete(database, movie_id, download_id)
    assert state(database, movie_id) == "importing"
    bring_in(database, movie_id, download_id)
    assert state(database, movie_id) == "imported"
    assert kinds(database) == [
        "movie.searching",
        "release.chosen",
        "download.grabbed",
        "download.started",
        "download.completed",
        "movie.imported",
    ]
    with database.transaction() as connection:
        assert job_list.counts(connection) == {"ready": 0, "running": 0, "done": 5, "dead": 0}
        download, journal = downloads.one(connection, download_id), imports.one(connection, download_id)
        film = imports.file_of(connection, movie_id)
    assert download is not None
    assert journal is not None
    assert film is not None
    assert (download["state"], download["ended_at"], download["content_path"]) == (
        "imported",
        None,
        "/downloads/Sintel",
    )
    assert (journal["state"], journal["mtime_ns"], journal["method"]) == ("done", 4, "hardlink")
    assert (film["path"], film["inode"], film["mtime_ns"], film["size_bytes"]) == (FILM, 2, 4, 1000)


def test_a_better_film_takes_the_place_of_the_one_before(database: Database, movie_id: MovieId) -> None:
    with database.transaction() as connection:
        first, second = (intend(connection, movie_id, infohash=letter * 40) for letter in "ab")
        for number, download_id in enumerate((first, second)):
            assert download_id is not None
            imports.done(
                connection,
                download_id,
                movie_id=movie_id,
                path=FILM,
                identity=Identity(device=1, inode=10 + number, size_bytes=1000 + number, mtime_ns=20 + number),
                method="copy",
                quality="Bluray-1080p",
                revision={"version": 1, "real": 0},
                release_title=RELEASE,
            )
        film = imports.file_of(connection, movie_id)
    assert film is not None
    assert (film["inode"], film["size_bytes"], film["mtime_ns"]) == (11, 1001, 21)


def test_a_completion_reported_twice_is_imported_once(database: Database, movie_id: MovieId) -> None:
    search_and_choose(database, movie_id)
    download_id = fetch_and_add(database, movie_id)
    with database.transaction() as connection:
        progress.write(
            connection,
            [Progress(operation=f"download:{download_id}", movie_id=movie_id, step="", done_bytes=1, total_bytes=1)],
        )
    assert [complete(database, movie_id, download_id) for _ in range(2)] == [True, False]
    assert len(claim(database, "root:/library")) == 1
    assert claim(database, "root:/library") == []
    with database.transaction() as connection:
        assert progress.running(connection) == []


def test_a_start_reported_late_moves_nothing_back(database: Database, movie_id: MovieId) -> None:
    search_and_choose(database, movie_id)
    download_id = fetch_and_add(database, movie_id)
    complete(database, movie_id, download_id)
    with database.transaction() as connection:
        acquisition.started(connection, movie_id, download_id, correlation_id="c")
    assert state(database, movie_id) == "importing"
    assert kinds(database).count("download.started") == 1


def test_a_torrent_is_grabbed_once_unless_it_failed(database: Database, movie_id: MovieId) -> None:
    with database.transaction() as connection:
        download_id = intend(connection, movie_id)
        assert download_id is not None
        assert intend(connection, movie_id) is None
        assert downloads.move(connection, download_id, DownloadState.FAILED, expected=(DownloadState.GRABBING,))
        assert not downloads.move(connection, download_id, DownloadState.QUEUED, expected=(DownloadState.GRABBING,))
        assert intend(connection, movie_id) is not None


def test_a_movie_searched_twice_has_each_search_once(database: Database, movie_id: MovieId) -> None:
    search(database, movie_id, "one", "two")
    search(database, movie_id, "one", "two")
    with database.transaction() as connection:
        assert job_list.counts(connection)["ready"] == 3


def test_an_acquisition_is_tried_again_three_times_and_then_is_a_dead_letter(
    database: Database, movie_id: MovieId
) -> None:
    search_and_choose(database, movie_id)
    waits_s: list[float | None] = []
    attempt = 1
    for _ in range(3):
        assert give_up(database, movie_id, attempt=attempt) == "retried"
        assert state(database, movie_id) == "searching"
        waits_s.append(waiting(database, "select"))
        with database.transaction() as connection:
            connection.execute("update jobs set run_at = now()")
        with finishing(database, "select", kind="select") as (_, claimed):
            attempt = claimed.attempt
            assert claimed.payload["is_retry"]
    assert give_up(database, movie_id, attempt=attempt) == "dead"
    assert waits_s == [pytest.approx(delay_s, abs=5) for delay_s in (10, 20, 40)]
    assert state(database, movie_id) == "failed"
    assert waiting(database, "select") is None
    with database.transaction() as connection:
        (letter,) = job_list.listed(connection, states=["dead"])
        shown = job_list.shown(connection, letter["id"])
        all_told = events.after(connection, Cursor(xid=0, id=0))
    told = [event for event in all_told if event.kind == "acquisition.failed"]
    assert shown is not None
    assert (shown["kind"], shown["attempt"], shown["reason"]) == ("select", 4, "stalled")
    assert [(error["attempt"], error["error"]) for error in shown["errors"]] == [
        (number, "nothing came for 30 min") for number in (1, 2, 3, 4)
    ]
    assert [event.payload for event in all_told if event.kind == "job.died"] == [
        {"job_kind": "select", "reason": "stalled"}
    ]
    assert [event.payload["outcome"] for event in told] == ["retried", "retried", "retried", "dead"]


def test_the_next_stored_release_is_taken_soon_and_the_same_one_after_its_reasons_delay(
    database: Database, movie_id: MovieId
) -> None:
    policy = RetryPolicy(base_s=10, reasons={"download stalled": RetryPolicy(base_s=7200)})
    other = "Sintel.2010.720p.BluRay.x264-OTHER"

    def next_in_s(attempt: int) -> float:
        with database.transaction() as connection:
            acquisition.failed(
                connection,
                movie_id,
                attempt=attempt,
                reason="download stalled",
                error="x",
                policy=policy,
                jitter=1.0,
                correlation_id="c",
            )
            delay_s = jobs.seconds_to_next(connection, ["select"])
            connection.execute("delete from jobs")
        assert delay_s is not None
        return delay_s

    def fail_download(title: str) -> None:
        with database.transaction() as connection:
            download_id = intend(connection, movie_id, title=title, infohash=f"{len(title):040x}")
            connection.execute("update downloads set state = 'failed' where id = %s", (download_id,))

    with database.transaction() as connection:
        for title in (RELEASE, other):
            release_id = add_release(connection, title, infohash=f"{len(title):040x}")
            connection.execute(
                "insert into verdicts (movie_id, release_id, is_accepted, quality) values (%s, %s, true, 'x')",
                (movie_id, release_id),
            )
    fail_download(RELEASE)
    assert next_in_s(1) == pytest.approx(10, abs=2)
    fail_download(other)
    assert next_in_s(2) == pytest.approx(14400, abs=2)
    with database.transaction() as connection:
        connection.execute("delete from downloads")
        acquisition.block(connection, movie_id, release_id=release_id, infohash=None, title=other, reason="x")
    fail_download(RELEASE)
    assert next_in_s(1) == pytest.approx(7200, abs=2)


def test_a_movie_that_has_a_file_does_not_fail_with_a_better_one(database: Database, movie_id: MovieId) -> None:
    search_and_choose(database, movie_id)
    download_id = fetch_and_add(database, movie_id)
    complete(database, movie_id, download_id)
    bring_in(database, movie_id, download_id)
    assert give_up(database, movie_id, attempt=4) == "dead"
    assert state(database, movie_id) == "imported"


def test_a_dead_acquisition_starts_afresh_when_it_is_retried(database: Database, movie_id: MovieId) -> None:
    give_up(database, movie_id, attempt=4)
    with database.transaction() as connection:
        (letter,) = job_list.listed(connection, states=["dead"])
        assert dead_letters.retry(connection, letter["id"]) == "retried"
    (claimed,) = claim(database, "select")
    assert (claimed.attempt, claimed.movie_id) == (1, movie_id)


def test_the_choice_waits_for_the_last_indexer_and_then_comes_at_once(database: Database, movie_id: MovieId) -> None:
    search(database, movie_id, "one", "two")
    assert waiting(database, "select") == pytest.approx(60, abs=5)
    with finishing(database, "indexer:one", kind="search") as (connection, _):
        acquisition.search_ended(connection, movie_id)
    assert waiting(database, "select") == pytest.approx(60, abs=5)
    with finishing(database, "indexer:two", kind="search") as (connection, _):
        acquisition.search_ended(connection, movie_id)
    assert waiting(database, "select") == 0


def test_the_choice_waits_for_a_search_that_is_running(database: Database, movie_id: MovieId) -> None:
    search(database, movie_id, "one", "two")
    claim(database, "indexer:two")
    with finishing(database, "indexer:one", kind="search") as (connection, _):
        acquisition.search_ended(connection, movie_id)
    assert waiting(database, "select") == pytest.approx(60, abs=5)


def test_the_choice_does_not_wait_for_an_indexer_that_is_down(database: Database, movie_id: MovieId) -> None:
    search(database, movie_id, "one", "two")
    (down,) = claim(database, "indexer:two")
    with database.transaction() as connection:
        jobs.put_off(connection, down, delay_s=0, waiting_for="indexer:two")
    with finishing(database, "indexer:one", kind="search") as (connection, _):
        acquisition.search_ended(connection, movie_id)
    assert waiting(database, "select") == 0


def test_the_searches_of_another_movie_hold_nothing_up(database: Database, movie_id: MovieId) -> None:
    with database.transaction() as connection:
        other = movies.claim_movie(connection, WantedMovie(tmdb_id=603, profile="hd"), source="api", root="/library")
    search(database, movie_id, "one")
    search(database, other, "two")
    with finishing(database, "indexer:one", kind="search") as (connection, _):
        acquisition.search_ended(connection, movie_id)
    (claimed,) = claim(database, "select")
    assert claimed.movie_id == movie_id


def test_a_retry_keeps_its_delay_when_a_search_ends(database: Database, movie_id: MovieId) -> None:
    give_up(database, movie_id, attempt=1)
    search(database, movie_id, "one")
    with finishing(database, "indexer:one", kind="search") as (connection, _):
        acquisition.search_ended(connection, movie_id)
    assert waiting(database, "select") == pytest.approx(10, abs=5)


def select(database: Database, movie_id: MovieId, **how: Any) -> None:
    with database.transaction() as connection:
        acquisition.select(connection, movie_id, correlation_id="c", **how)


def test_a_choice_that_waits_for_a_pending_release_is_hurried_and_never_held_up(
    database: Database, movie_id: MovieId
) -> None:
    select(database, movie_id, delay_s=3600, waiting_for=acquisition.A_PENDING_RELEASE)
    select(database, movie_id, delay_s=7200, waiting_for=acquisition.A_PENDING_RELEASE)
    assert waiting(database, "select") == pytest.approx(3600, abs=5)
    select(database, movie_id, delay_s=60)
    assert waiting(database, "select") == pytest.approx(60, abs=5)
    select(database, movie_id)
    assert waiting(database, "select") == pytest.approx(60, abs=5), "the search that it waits for now is not over"
    with database.transaction() as connection:
        acquisition.search_ended(connection, movie_id)
    assert waiting(database, "select") == 0


def test_a_torrent_that_is_blocked_for_a_movie_is_not_blocked_for_others(database: Database, movie_id: MovieId) -> None:
    with database.transaction() as connection:
        acquisition.block(
            connection, movie_id, release_id=None, infohash="a" * 40, title=RELEASE, reason="import: dangerous"
        )
        assert acquisition.is_blocked(connection, movie_id, infohash="a" * 40)
        assert not acquisition.is_blocked(connection, movie_id, infohash="b" * 40)
        assert not acquisition.is_blocked(connection, MovieId(movie_id + 1), infohash="a" * 40)


def test_an_import_planned_again_begins_again(database: Database, movie_id: MovieId) -> None:
    plan: dict[str, Any] = {
        "movie_id": movie_id,
        "source_path": "/downloads/film.mkv",
        "temp_path": f"{FILM}.part",
        "target_path": FILM,
        "recycle_path": "/library/.understudy/recycle",
    }
    with database.transaction() as connection:
        download_id = intend(connection, movie_id)
        assert download_id is not None
        imports.plan(connection, download_id=download_id, old_path=None, **plan)
        imports.staged(connection, download_id, identity=IDENTITY, method="copy")
        imports.plan(connection, download_id=download_id, old_path="/library/old.mkv", **plan)
        journal = imports.one(connection, download_id)
    assert journal is not None
    assert (journal["state"], journal["old_path"]) == ("planned", "/library/old.mkv")
