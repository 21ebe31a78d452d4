"""The queue over HTTP: jobs by cause, and what is decided about dead letters."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from movies.failure import RetryPolicy
from movies.movie import JobId
from storage import jobs
from storage.database import Database
from tests.actors import job_rows
from tests.api.running import Api

LANE = "client:api"


@pytest.fixture(autouse=True)
def empty(module_database: Database) -> Iterator[None]:
    yield
    with module_database.transaction() as connection:
        connection.execute("delete from jobs")


def letter(database: Database, *, kind: str = "add", reason: str = "server error", lane: str = LANE) -> JobId:
    job_id = job_rows.enqueue(database, kind, lane=lane, payload={"download_id": 1})
    with database.transaction() as connection:
        connection.execute(
            "update jobs set state = 'dead', ended_at = now(), reason = %s where id = %s", (reason, job_id)
        )
    return job_id


def states(api: Api) -> dict[int, str]:
    return {row["id"]: row["state"] for row in api.ask("/api/queue").json["jobs"]}


def test_jobs_are_listed_by_kind_lane_and_reason(api: Api, module_database: Database) -> None:
    first = letter(module_database)
    second = letter(module_database, kind="remove", reason="network error", lane="client:other")
    assert [row["id"] for row in api.ask("/api/queue?state=dead").json["jobs"]] == [second, first]
    for query in ("kind=add", "lane=client:api", "reason=server%20error", "kind=add&lane=client:api"):
        assert [row["id"] for row in api.ask(f"/api/queue?{query}").json["jobs"]] == [first]
    assert api.ask("/api/queue?kind=add&reason=network%20error").json == {"jobs": []}


def test_dead_letters_of_one_cause_are_retried_together(api: Api, module_database: Database) -> None:
    ids = [letter(module_database), letter(module_database), letter(module_database, reason="gone")]
    answer = api.ask("/api/queue/dead/retry?reason=server%20error&lane=client:api", method="POST")
    assert (answer.status, answer.json) == (200, {"retried": 2, "waiting already": 0})
    assert states(api) == {ids[0]: "ready", ids[1]: "ready", ids[2]: "dead"}


def test_dead_letters_of_one_cause_are_discarded_together(api: Api, module_database: Database) -> None:
    ids = [letter(module_database), letter(module_database, kind="remove")]
    assert api.ask("/api/queue/dead/discard?kind=add", method="POST").json == {"discarded": 1}
    assert states(api) == {ids[0]: "done", ids[1]: "dead"}


@pytest.mark.parametrize("decision", ["retry", "discard"])
def test_all_at_once_wants_a_cause(api: Api, module_database: Database, decision: str) -> None:
    job_id = letter(module_database)
    answer = api.ask(f"/api/queue/dead/{decision}", method="POST")
    assert (answer.status, answer.json) == (400, {"error": "say which: by kind, lane or reason"})
    assert states(api) == {job_id: "dead"}


def test_of_many_who_retry_a_letter_at_once_one_does(api: Api, module_database: Database) -> None:
    job_id = letter(module_database)
    with ThreadPoolExecutor(8) as people:
        asked = [people.submit(api.ask, f"/api/queue/{job_id}/retry", method="POST") for _ in range(8)]
    assert sorted(future.result().status for future in asked) == [200] + [409] * 7


def test_a_letter_is_discarded_once(api: Api, module_database: Database) -> None:
    job_id = letter(module_database)
    answers = [api.ask(f"/api/queue/{job_id}/discard", method="POST") for _ in range(2)]
    assert [(answer.status, answer.json["outcome"]) for answer in answers] == [(200, "discarded"), (409, "not dead")]
    assert api.ask("/api/queue/999999/discard", method="POST").status == 404


def test_a_letter_is_replayed_with_another_payload(api: Api, module_database: Database) -> None:
    job_id = letter(module_database)
    answer = api.ask(f"/api/queue/{job_id}/replay", method="POST", body=b'{"payload": {"download_id": 2}}')
    assert (answer.status, answer.json) == (200, {"job": job_id, "outcome": "replayed"})
    shown = api.ask(f"/api/queue/{job_id}").json
    assert (shown["state"], shown["payload"]) == ("ready", {"download_id": 2})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"payload": {}}', "the payload of this add lacks download_id"),
        (b'{"payload": {"download_id": true}}', "download_id of this add is True, and no int"),
        (b"", 'expected {"payload": {...}}'),
        (b"no json", 'expected {"payload": {...}}'),
        (b"\xff", 'expected {"payload": {...}}'),
        (b"[]", 'expected {"payload": {...}}'),
        (b"[" * 100_000, 'expected {"payload": {...}}'),
        (b'{"payload": [1]}', 'expected {"payload": {...}}'),
        (b'{"payload": {"download_id": 1, "x": "\\u0000"}}', 'expected {"payload": {...}}'),
        (b'{"payload": {"download_id": 1, "x": "\\ud800"}}', 'expected {"payload": {...}}'),
        (b'{"payload": {"download_id": 1, "x": NaN}}', 'expected {"payload": {...}}'),
    ],
)
def test_a_payload_that_cannot_be_is_refused(api: Api, module_database: Database, body: bytes, error: str) -> None:
    job_id = letter(module_database)
    answer = api.ask(f"/api/queue/{job_id}/replay", method="POST", body=body)
    assert (answer.status, answer.json) == (400, {"error": error})
    assert states(api) == {job_id: "dead"}


def test_text_that_no_database_takes_is_refused(api: Api) -> None:
    assert api.ask("/api/queue?reason=%00").status == 400
    assert api.ask("/api/queue/dead/retry?lane=%00", method="POST").status == 400


def test_a_letter_is_shown_with_its_history_and_correlation(api: Api, module_database: Database) -> None:
    job_id = job_rows.enqueue(module_database, lane=LANE)
    for error in ("first", "second"):
        with module_database.transaction() as connection:
            claim = job_rows.claim(module_database, lane=LANE)
            jobs.fail(connection, claim, reason="gone", error=error, policy=RetryPolicy(base_s=0.0), jitter=0.0)
    shown: dict[str, Any] = api.ask(f"/api/queue/{job_id}").json
    assert shown["correlation_id"] == "cid"
    assert [(error["reason"], error["error"]) for error in shown["errors"]] == [("gone", "first"), ("gone", "second")]
