from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from metrics.control_channel import Answer
from movies.failure import RetryPolicy
from movies.movie import JobId
from storage import jobs, movies
from storage.database import Database
from tests.actors import job_rows
from tests.api.running import Api

LANE = "indexer:api"


@contextmanager
def answering(answers: dict[str, Answer], what: str, value: Any) -> Iterator[None]:
    """Inside, the daemon answers `what` so."""
    before = answers[what]
    answers[what] = lambda question: value
    try:
        yield
    finally:
        answers[what] = before


def dead_letter(database: Database) -> JobId:
    job_id = job_rows.enqueue(database, lane=LANE, unique_key="same work")
    with database.transaction() as connection:
        claim = job_rows.claim(database, lane=LANE)
        jobs.fail(connection, claim, reason="parse error", error="no XML", policy=RetryPolicy(retries=0), jitter=0.0)
    return job_id


@pytest.fixture
def dead(module_database: Database) -> Iterator[JobId]:
    """A dead letter, with no other job beside it."""
    yield dead_letter(module_database)
    with module_database.transaction() as connection:
        connection.execute("delete from jobs")


@pytest.mark.parametrize("path", ["/", "/api", "/api/nothing", "/api/queue/x", "/api/queue/-1"])
def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    answer = api.ask(path)
    assert (answer.status, answer.json) == (404, {"error": "Not Found"})


@pytest.mark.parametrize("number", ["999999", "9" * 18, "9" * 40])
def test_an_unknown_job_is_not_found(api: Api, number: str) -> None:
    assert (api.ask(f"/api/queue/{number}").status, api.ask(f"/api/queue/{number}/retry", method="POST").status) == (
        404,
        404,
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/movies"), ("DELETE", "/api/movies"), ("GET", "/api/queue/1/retry"), ("PUT", "/healthz")],
)
def test_a_method_that_is_not_offered_is_said_so(api: Api, method: str, path: str) -> None:
    answer = api.ask(path, method=method)
    assert answer.status == 405
    assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "query",
    [
        *(
            "limit=0",
            "limit=-1",
            "limit=501",
            "limit=abc",
            "limit=1e2",
            "limit=",
            "limit=%C2%B2",
            "limit=" + "9" * 5000,
        ),
        *("after=x", "after=-1", "after=", "after=1.5", "after=%D9%A1", "after=" + "9" * 19),
    ],
)
@pytest.mark.parametrize("path", ["/api/movies", "/api/queue", "/api/downloads"])
def test_a_page_that_makes_no_sense_is_refused(api: Api, path: str, query: str) -> None:
    answer = api.ask(f"{path}?{query}")
    assert (answer.status, list(answer.json)) == (400, ["error"])


def test_a_state_that_no_job_has_is_refused_with_those_there_are(api: Api) -> None:
    answer = api.ask("/api/queue?state=bogus")
    assert (answer.status, answer.json) == (400, {"error": "state is one of ready, running, done, dead"})


def test_a_live_daemon_with_its_database_is_live_and_ready(api: Api) -> None:
    assert api.ask("/healthz").json == {"status": "ok", "version": "1.2.3"}
    assert api.ask("/readyz").json == {"status": "ready", "database": "ok"}


def test_a_daemon_whose_queue_is_stuck_is_not_live(api: Api, answers: dict[str, Answer]) -> None:
    with answering(answers, "heartbeat", {"status": "stuck"}):
        answer = api.ask("/healthz")
    assert (answer.status, answer.json) == (503, {"status": "stuck"})


def test_metrics_are_the_daemons_and_the_processs_own(api: Api) -> None:
    answer = api.ask("/metrics")
    lines = answer.body.decode().splitlines()
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert {"understudy_up 1", "understudy_jobs 3.0"} <= set(lines)
    assert any(line.startswith("understudy_api_process_resident_memory_bytes ") for line in lines)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/health", "health"),
        ("/api/supervision", "tree"),
        ("/api/supervision/dead-letters", "dead_letters"),
        ("/api/supervision/stacks", "stacks"),
        ("/api/breakers", "breakers"),
    ],
)
def test_what_the_daemon_knows_is_passed_on(api: Api, answers: dict[str, Answer], path: str, name: str) -> None:
    assert api.ask(path).json == {name: answers[name]({})}


def test_an_actor_can_be_made_to_crash(api: Api) -> None:
    assert api.ask("/api/debug/crash/queue", method="POST").json == {"crash": "queue"}
    answer = api.ask("/api/debug/crash/nobody", method="POST")
    assert (answer.status, answer.json) == (404, {"error": "there is no actor nobody; there are queue"})


def test_a_breaker_is_told_what_to_do_by_a_name_that_may_hold_slashes(api: Api) -> None:
    answer = api.ask("/api/breakers/open/root:/films", method="POST")
    assert answer.json == {"breaker": {"dependency": "root:/films", "state": "open"}}
    answer = api.ask("/api/breakers/open/root:/films/old", method="POST")
    assert (answer.status, answer.json) == (404, {"error": "there is no such breaker"})


def test_an_actor_can_be_restarted(api: Api) -> None:
    assert api.ask("/api/supervision/restart/root:/films", method="POST").json == {"restart": "root:/films"}


def test_the_queue_says_whether_it_is_active_and_how_much_it_holds(
    api: Api, answers: dict[str, Answer], dead: JobId
) -> None:
    counts = {"ready": 0, "running": 0, "done": 0, "dead": 1}
    assert api.ask("/api/queue/status").json == {"status": "active", "jobs": counts}
    with answering(answers, "queue", False):
        assert api.ask("/api/queue/status").json == {"status": "stopped", "jobs": counts}


def test_jobs_are_listed_newest_first_by_state_and_page(api: Api, module_database: Database, dead: JobId) -> None:
    older, newer = (job_rows.enqueue(module_database, lane=LANE) for _ in range(2))

    def listed(query: str) -> list[int]:
        return [job["id"] for job in api.ask(f"/api/queue?{query}").json["jobs"]]

    assert listed("") == [newer, older, dead]
    assert listed("state=dead") == [dead]
    assert listed("state=ready,dead&limit=2") == [newer, older]
    assert listed(f"limit=2&after={older}") == [dead]


def test_a_job_is_shown_with_its_errors_and_times_in_utc(api: Api, dead: JobId) -> None:
    job = api.ask(f"/api/queue/{dead}").json
    assert (job["state"], job["attempt"], job["reason"], job["lane"]) == ("dead", 1, "parse error", LANE)
    assert [(error["attempt"], error["error"]) for error in job["errors"]] == [(1, "no XML")]
    assert abs((datetime.now(UTC) - datetime.fromisoformat(job["ended_at"])).total_seconds()) < 60


def test_a_dead_letter_can_be_retried_once(api: Api, dead: JobId) -> None:
    answer = api.ask(f"/api/queue/{dead}/retry", method="POST")
    assert (answer.status, answer.json) == (200, {"job": dead, "outcome": "retried"})
    assert api.ask(f"/api/queue/{dead}").json["state"] == "ready"
    again = api.ask(f"/api/queue/{dead}/retry", method="POST")
    assert (again.status, again.json["outcome"]) == (409, "not dead")


def test_a_dead_letter_is_not_retried_while_the_same_work_waits(
    api: Api, module_database: Database, dead: JobId
) -> None:
    job_rows.enqueue(module_database, lane=LANE, unique_key="same work")
    answer = api.ask(f"/api/queue/{dead}/retry", method="POST")
    assert (answer.status, answer.json["outcome"]) == (409, "waiting already")


def test_movies_are_listed_by_page(api: Api, module_database: Database) -> None:
    with module_database.transaction() as connection:
        first = job_rows.wanted_movie(connection)
        second = job_rows.wanted_movie(connection, title="Ça ira «2»")
    shown = {movie["id"]: movie for movie in api.ask("/api/movies").json["movies"]}
    assert (shown[first]["title"], shown[second]["title"]) == ("Sintel", "Ça ira «2»")
    page = api.ask("/api/movies?limit=1").json["movies"]
    assert len(page) == 1
    rest = api.ask(f"/api/movies?after={page[0]['id']}").json["movies"]
    assert {movie["id"] for movie in page + rest} == {first, second}
    assert api.ask(f"/api/movies/{first}/releases").json == {"releases": []}
    with module_database.transaction() as connection:
        assert len(movies.listed(connection, limit=10)) == 2


def test_downloads_are_listed(api: Api) -> None:
    assert api.ask("/api/downloads").json == {"downloads": []}
