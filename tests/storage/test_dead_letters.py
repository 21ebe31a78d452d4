"""What a dead letter does to its movie and its download, and what people do with dead letters."""

from typing import Any
from uuid import uuid4

import pytest

from movies.job import Unfit
from movies.movie import DownloadId, JobId, MovieId, MovieState, WantedMovie
from storage import breakers, dead_letters, downloads, job_list, jobs, movies
from storage.database import Connection, Database
from storage.dead_letters import Cause, job_died
from storage.housekeeping import prune_jobs
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
        died(connection, kind, {"download_id": download_id}, movie_id)
        assert states(connection, movie_id, download_id) == (state, movie)


@pytest.mark.parametrize("kind", ["add", "import", "search", "remove", "fetch", "select", "transcode"])
@pytest.mark.parametrize("payload", [{}, {"download_id": "7"}, {"download_id": None}])
def test_a_job_that_died_of_its_payload_shows_in_its_movie_as_far_as_can_be(
    database: Database, kind: str, payload: dict[str, Any]
) -> None:
    with database.transaction() as connection:
        movie_id, download_id = a_download(connection, "completed")
        died(connection, kind, payload, movie_id)
        is_movies = kind not in ("search", "remove")
        assert states(connection, movie_id, download_id) == ("completed", "failed" if is_movies else "wanted")


def test_a_dead_letter_is_an_event_with_its_correlation(database: Database) -> None:
    with database.transaction() as connection:
        movie_id, download_id = a_download(connection, "completed")
        died(connection, "import", {"download_id": download_id}, movie_id)
        (event,) = connection.execute("select kind, movie_id, correlation_id, payload from events").fetchall()
    assert event == {
        "kind": "job.died",
        "movie_id": movie_id,
        "correlation_id": "c",
        "payload": {"job_kind": "import", "reason": "gone"},
    }


def test_a_download_of_a_client_that_is_gone_is_tried_another_way(database: Database) -> None:
    with database.transaction() as connection:
        movie_id, download_id = a_download(connection, "downloading")
        concerned = reconcile(connection, node="here", lanes=["select"], homes={"other": "here"}, roots=["/library"])
        assert concerned == [movie_id]
        assert states(connection, movie_id, download_id) == ("failed", "wanted")
        (job,) = connection.execute("select kind, payload from jobs").fetchall()
        assert (job["kind"], job["payload"]["is_retry"]) == ("select", True)


def test_a_download_of_a_client_that_is_there_goes_on(database: Database) -> None:
    with database.transaction() as connection:
        movie_id, download_id = a_download(connection, "downloading")
        assert reconcile(connection, node="here", lanes=["select"], homes={"builtin": "here"}, roots=["/library"]) == []
        assert states(connection, movie_id, download_id)[0] == "downloading"


def test_an_import_follows_its_movie_to_another_root(database: Database) -> None:
    with database.transaction() as connection:
        movie_id, _ = a_download(connection, "completed")
        connection.execute(
            """insert into jobs (kind, lane, node, movie_id, correlation_id)
               values ('import', 'root:/old', 'x', %s, '')""",
            (movie_id,),
        )
        reconcile(connection, node="here", lanes=["root:/library"], homes={"builtin": "here"}, roots=["/library"])
        (job,) = connection.execute("select lane, node from jobs where kind = 'import'").fetchall()
        assert (job["lane"], job["node"]) == ("root:/library", "here")


def died(connection: Connection, kind: str, payload: dict[str, Any], movie_id: MovieId) -> None:
    job_died(
        connection, kind=kind, payload=payload, movie_id=movie_id, correlation_id="c", reason="gone", error="broken"
    )


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


LANE = "client:builtin"


def letter(
    connection: Connection, *, kind: str = "add", lane: str = LANE, reason: str = "server error", key: str | None = None
) -> JobId:
    row = connection.execute(
        """insert into jobs (kind, lane, payload, reason, unique_key, correlation_id, state, attempt, lost, ended_at)
           values (%s, %s, '{"download_id": 1}', %s, %s, 'c', 'dead', 4, 1, now()) returning id""",
        (kind, lane, reason, key),
    ).fetchone()
    assert row is not None
    return JobId(row["id"])


def ready(connection: Connection) -> list[JobId]:
    rows = connection.execute(
        "select id from jobs where state = 'ready' and attempt = 0 and lost = 0 and run_at <= now() order by id"
    ).fetchall()
    return [JobId(row["id"]) for row in rows]


def dead(connection: Connection) -> list[JobId]:
    return [JobId(row["id"]) for row in reversed(job_list.listed(connection, states=["dead"]))]


@pytest.mark.parametrize(
    ("cause", "which"),
    [
        (Cause(reason="server error"), [0, 1]),
        (Cause(lane=LANE), [0, 2]),
        (Cause(kind="fetch"), [1]),
        (Cause(lane=LANE, reason="server error"), [0]),
        (Cause(lane="client:other"), []),
    ],
)
def test_dead_letters_that_share_a_cause_are_retried_or_discarded_together(
    database: Database, cause: Cause, which: list[int]
) -> None:
    with database.transaction() as connection:
        letters = [
            letter(connection),
            letter(connection, kind="fetch", lane="indexer:one"),
            letter(connection, kind="remove", reason="download client error"),
        ]
        chosen = [letters[index] for index in which]
        rest = [job_id for job_id in letters if job_id not in chosen]
        assert [row["id"] for row in job_list.listed(connection, states=["dead"], **vars(cause))] == chosen[::-1]
        assert dead_letters.retry_all(connection, cause) == {"retried": len(which), "waiting already": 0}
        assert (ready(connection), dead(connection)) == (chosen, rest)
        connection.execute("update jobs set state = 'dead', ended_at = now()")
        assert dead_letters.discard_all(connection, cause) == len(which)
        assert (ready(connection), dead(connection)) == ([], rest)


def test_of_several_for_the_same_work_the_oldest_is_retried(database: Database) -> None:
    with database.transaction() as connection:
        oldest, *others = [letter(connection, key="same") for _ in range(3)]
        assert dead_letters.retry_all(connection, Cause(kind="add")) == {"retried": 1, "waiting already": 2}
        assert (ready(connection), dead(connection)) == ([oldest], others)


def test_a_discarded_letter_is_done_keeps_its_errors_and_is_pruned(database: Database) -> None:
    with database.transaction() as connection:
        job_id = letter(connection)
        connection.execute(
            "insert into job_errors (job_id, attempt, reason, error) values (%s, 1, 'x', 'y')", (job_id,)
        )
        assert dead_letters.discard(connection, job_id) == "discarded"
        assert dead_letters.discard(connection, job_id) == "not dead"
        shown = job_list.shown(connection, job_id)
        assert shown is not None
        assert (shown["state"], shown["reason"], len(shown["errors"])) == ("done", "discarded", 1)
        assert prune_jobs(connection, older_than_s=-1.0) == 1
        assert dead_letters.discard(connection, JobId(999_999)) == "unknown"


def test_a_letter_is_replayed_with_another_payload(database: Database) -> None:
    with database.transaction() as connection:
        job_id = letter(connection)
        assert dead_letters.replay(connection, job_id, payload={"download_id": 2}) == "replayed"
        assert ready(connection) == [job_id]
        shown = job_list.shown(connection, job_id)
        assert shown is not None
        assert (shown["payload"], shown["ended_at"]) == ({"download_id": 2}, None)
        assert dead_letters.replay(connection, job_id, payload={"download_id": 2}) == "not dead"
        assert dead_letters.replay(connection, JobId(999_999), payload={}) == "unknown"


@pytest.mark.parametrize(
    ("kind", "payload"), [("add", {}), ("add", {"download_id": "2"}), ("transcode", {"download_id": 2})]
)
def test_a_payload_that_does_not_suit_the_kind_changes_nothing(
    database: Database, kind: str, payload: dict[str, Any]
) -> None:
    with database.transaction() as connection:
        job_id = letter(connection, kind=kind)
    with pytest.raises(Unfit), database.transaction() as connection:
        dead_letters.replay(connection, job_id, payload=payload)
    with database.transaction() as connection:
        assert dead(connection) == [job_id]


def test_a_replay_whose_work_waits_already_keeps_its_payload(database: Database) -> None:
    with database.transaction() as connection:
        job_id = letter(connection, key="same")
        jobs.enqueue(connection, "add", lane=LANE, payload={}, unique_key="same", correlation_id="c")
        assert dead_letters.replay(connection, job_id, payload={"download_id": 2}) == "waiting already"
        shown = job_list.shown(connection, job_id)
        assert shown is not None
        assert (shown["state"], shown["payload"]) == ("dead", {"download_id": 1})


def test_letters_are_counted_by_kind_and_reason(database: Database) -> None:
    with database.transaction() as connection:
        for reason in ("server error", "server error", "parse error"):
            letter(connection, reason=reason)
        jobs.enqueue(connection, "add", lane=LANE, payload={}, correlation_id="c")
        assert dead_letters.count_by_cause(connection) == {("add", "server error"): 2, ("add", "parse error"): 1}


def test_a_cause_has_cleared_when_its_dependency_came_back_after_the_letters_died(database: Database) -> None:
    def save(state: str) -> None:
        with database.transaction() as connection:
            breakers.save(
                connection, node="here", dependency=LANE, state=state, retry_in_s=0.0, opened_count=0, reason=""
            )

    def cleared(node: str = "here") -> list[tuple[Cause, int]]:
        with database.transaction() as connection:
            return dead_letters.cleared(connection, node=node)

    save("closed")
    with database.transaction() as connection:
        letter(connection)
        letter(connection)
        letter(connection, reason="gone")
    assert cleared() == []
    save("open")
    assert cleared() == []
    save("closed")
    assert cleared() == [(Cause(lane=LANE, reason="server error"), 2)]
    assert cleared("there") == []
    with database.transaction() as connection:
        letter(connection, reason="parse error")
    assert [number for _, number in cleared()] == [2]


def test_nothing_leaves_the_dead_letters_by_itself(database: Database) -> None:
    with database.transaction() as connection:
        job_id = letter(connection)
        connection.execute("update jobs set ended_at = now() - interval '10 years', run_at = '1970-01-01'")
        prune_jobs(connection, older_than_s=0.0)
        jobs.sweep(connection)
        jobs.reclaim_node(connection, "here")
        jobs.wake_waiting(connection, [LANE])
        assert jobs.claim(connection, node="here", owner=uuid4(), slots={LANE: 9}, lease_s=30) == []
        assert dead(connection) == [job_id]
