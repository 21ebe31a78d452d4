"""Progress is state: one row per operation that runs, the newest values, and none that comes back from the dead."""

import threading
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from movies.movie import DownloadId, DownloadState, MovieId, WantedMovie
from storage import downloads, jobs, movies, progress
from storage.acquisition import RUNNING
from storage.database import Database
from storage.jobs import Claim
from storage.progress import Progress
from tests.storage.rows import intend

HALF = Progress(
    operation="download:1",
    movie_id=MovieId(7),
    step="downloading",
    done_bytes=50,
    total_bytes=100,
    rate_bytes_s=10,
    eta_s=5,
)
DONE = replace(HALF, step="seeding", done_bytes=100, rate_bytes_s=0, eta_s=None)
SCAN = Progress(
    operation="import:2", movie_id=None, step="scanning", done_count=1000, total_count=2000, rate_count_s=500, eta_s=2
)


def write(database: Database, *rows: Progress) -> set[str]:
    with database.transaction() as connection:
        return progress.write(connection, rows)


def written(database: Database) -> list[Progress]:
    with database.transaction() as connection:
        rows = progress.running(connection)
    return [Progress(**{name: row[name] for name in row if name != "changed_at"}) for row in rows]


def claimed(database: Database) -> Claim:
    """A job in work."""
    with database.transaction() as connection:
        jobs.enqueue(connection, "fetch", lane="here", payload={}, correlation_id="c")
        (claim,) = jobs.claim(connection, node="here", owner=uuid4(), slots={"here": 1}, lease_s=60)
    return claim


@pytest.fixture
def download_id(database: Database) -> DownloadId:
    """A download that is with its client."""
    with database.transaction() as connection:
        wanted = WantedMovie(title="Sintel", profile="hd")
        download_id = intend(connection, movies.claim_movie(connection, wanted, source="api", root="/library"))
    assert download_id is not None
    return download_id


def test_the_newest_values_replace_those_before(database: Database) -> None:
    assert write(database, HALF, SCAN) == {"download:1", "import:2"}
    assert written(database) == [HALF, SCAN]
    write(database, DONE)
    assert written(database) == [DONE, SCAN]


def test_nothing_to_write_is_no_error(database: Database) -> None:
    assert write(database) == set()
    assert written(database) == []


def test_an_operation_that_ended_has_no_row(database: Database) -> None:
    write(database, HALF, SCAN)
    with database.transaction() as connection:
        progress.end(connection, "download:1")
    assert written(database) == [SCAN]


def test_a_number_that_no_disk_can_hold_is_shown_as_the_largest(database: Database) -> None:
    write(database, replace(HALF, total_bytes=10**30, eta_s=10**30))
    assert written(database)[0].total_bytes == 2**63 - 1


def test_a_job_that_was_finished_brings_no_row_back(database: Database) -> None:
    claim = claimed(database)
    late = replace(HALF, claim=claim)
    assert write(database, late) == {"download:1"}
    with database.transaction() as connection:
        jobs.finish(connection, claim)
        progress.end_job(connection, claim)
    assert write(database, late) == set()
    assert written(database) == []


def test_a_worker_that_lost_its_job_writes_nothing_though_another_one_is_at_it(database: Database) -> None:
    claim = claimed(database)
    assert write(database, replace(HALF, claim=replace(claim, owner=uuid4()))) == set()
    assert written(database) == []


def test_a_download_that_left_its_client_brings_no_row_back(database: Database, download_id: DownloadId) -> None:
    late = replace(HALF, download_id=download_id)
    assert write(database, late) == {"download:1"}
    with database.transaction() as connection:
        assert downloads.move(connection, download_id, DownloadState.FAILED, expected=RUNNING)
        progress.end(connection, "download:1")
    assert write(database, late) == set()
    assert written(database) == []


@pytest.mark.parametrize("state", DownloadState)
def test_a_download_shows_progress_in_every_state_in_which_it_is_the_clients(
    database: Database, download_id: DownloadId, state: DownloadState
) -> None:
    with database.transaction() as connection:
        connection.execute("update downloads set state = %s", (state,))
    assert bool(write(database, replace(HALF, download_id=download_id))) == (state in RUNNING)


def test_a_value_is_not_written_past_a_transaction_that_is_ending_its_job(database: Database) -> None:
    claim = claimed(database)
    with database.transaction() as ending:
        jobs.finish(ending, claim)
        assert write(database, replace(HALF, claim=claim), SCAN) == {"import:2"}, "nobody waits"
    assert written(database) == [SCAN]


def test_who_ends_a_job_waits_for_a_value_that_is_just_being_written(database: Database) -> None:
    claim = claimed(database)
    ended = threading.Event()

    def end() -> None:
        with database.transaction() as connection:
            jobs.finish(connection, claim)
            progress.end_job(connection, claim)
        ended.set()

    thread = threading.Thread(target=end)
    with psycopg.connect(database.dsn, row_factory=dict_row) as writing:
        assert progress.write(writing, [replace(HALF, claim=claim)])
        thread.start()
        assert not ended.wait(0.2)
    thread.join(10)
    assert ended.is_set()
    assert written(database) == []


def test_the_row_of_a_job_that_nobody_is_at_is_not_shown_and_swept(database: Database) -> None:
    claim = claimed(database)
    write(database, replace(HALF, claim=claim), SCAN)
    with database.transaction() as connection:
        connection.execute("update jobs set state = 'ready', owner = null")
    assert written(database) == [SCAN]
    with database.transaction() as connection:
        assert progress.sweep(connection) == 1
        assert progress.sweep(connection) == 0
    assert written(database) == [SCAN]
