"""The process as a whole: without its daemon, without its database, and when it must end."""

import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from metrics.control_channel import Answer
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from tests.api.running import Api, running_api
from tests.database_outage import database_away
from tests.outbox import tell
from tests.postgres import fresh_database
from tests.until import until

STOP_S = 2.5
ORDERLY = (0, -signal.SIGTERM)


def test_while_the_database_is_away_answers_are_503_and_never_an_empty_list(
    dsn: str, tmp_path: Path, answers: Mapping[str, Answer]
) -> None:
    paths = [
        "/api/movies",
        "/api/queue",
        "/api/queue/status",
        "/api/queue/1",
        "/api/downloads",
        "/api/movies/1/releases",
    ]
    with running_api(dsn, tmp_path, answers=answers, call_limit_s=0.5) as api:
        api.await_ready()
        with database_away(dsn):
            for path in [*paths, "/readyz"]:
                answer = api.ask(path)
                assert answer.status == 503, path
                assert "the database cannot be used" in str(answer.json), path
            assert api.ask("/api/queue/1/retry", method="POST").status == 503
            assert [api.ask(path).status for path in ("/healthz", "/metrics", "/api/health")] == [200, 200, 200]
        api.await_ready()
        until(lambda: {api.ask(path).status for path in paths} == {200, 404})


def test_an_open_stream_outlasts_an_outage_of_the_database(
    dsn: str, tmp_path: Path, answers: Mapping[str, Answer]
) -> None:
    def emit(title: str) -> None:
        with psycopg.connect(dsn, row_factory=dict_row) as connection:
            tell(connection, title)

    with running_api(dsn, tmp_path, answers=answers, call_limit_s=0.5) as api:
        api.await_ready()
        with api.stream(after="0-0") as stream:
            emit("before")
            assert stream.take(1)[0].data["title"] == "before"
            with database_away(dsn):
                until(lambda: api.ask("/readyz").status == 503)
            emit("after")
            assert stream.take(1)[0].data["title"] == "after"


def test_it_is_ready_once_the_daemon_has_made_the_schema(
    postgres: EmbeddedPostgres, tmp_path: Path, answers: Mapping[str, Answer]
) -> None:
    with fresh_database(postgres, template="template0") as dsn, running_api(dsn, tmp_path, answers=answers) as api:
        answer = api.ask("/readyz", key=None)
        assert (answer.status, answer.json["database"]) == (503, "the database is not prepared yet")
        assert api.ask("/api/movies").status == 503
        database = Database(dsn, application="test")
        database.open()
        database.prepare()
        database.close()
        api.await_ready()
        assert api.ask("/api/movies").json == {"movies": []}


def test_a_daemon_that_says_nothing_is_down_and_not_live(dsn: str, tmp_path: Path) -> None:
    with running_api(dsn, tmp_path, answers=None) as api:
        api.await_ready()
        start = time.monotonic()
        answer = api.ask("/metrics", key=None)
        assert answer.status == 200
        assert "understudy_up 0" in answer.body.decode().splitlines()
        assert time.monotonic() - start < 2.0
        assert [api.ask(path).status for path in ("/healthz", "/api/health", "/api/supervision")] == [503, 503, 503]
        assert api.ask("/api/debug/crash/queue", method="POST").status == 503
        status = api.ask("/api/queue/status")
        assert (status.status, status.json["status"]) == (200, "stopped")


@pytest.mark.parametrize("is_streaming", [False, True], ids=["idle", "with an open stream"])
def test_it_ends_when_its_channel_closes(
    dsn: str, tmp_path: Path, answers: Mapping[str, Answer], is_streaming: bool
) -> None:
    with running_api(dsn, tmp_path, answers=answers) as api:
        api.await_ready()
        if is_streaming:
            with api.stream():
                api.channel.shutdown(socket.SHUT_RDWR)
                api.process.wait(STOP_S)
        else:
            api.channel.shutdown(socket.SHUT_RDWR)
            api.process.wait(STOP_S)
        assert api.process.returncode in ORDERLY


def test_it_ends_on_sigterm_with_an_open_stream(dsn: str, tmp_path: Path, answers: Mapping[str, Answer]) -> None:
    with running_api(dsn, tmp_path, answers=answers) as api:
        api.await_ready()
        with api.stream() as stream:
            api.process.send_signal(signal.SIGTERM)
            assert list(stream) == [], "the stream ends in order"
            api.process.wait(STOP_S)
        assert api.process.returncode in ORDERLY
        assert api.channel_closed.wait(STOP_S)


def test_it_ends_when_what_comes_over_its_channel_is_no_frame(dsn: str, tmp_path: Path) -> None:
    with running_api(dsn, tmp_path) as api:
        api.await_ready()
        api.channel.sendall(b"\xff\xff\xff\xff")  # a frame of 4 GiB
        api.process.wait(STOP_S)


def test_a_slow_request_does_not_keep_others_waiting(api: Api) -> None:
    with socket.create_connection(("127.0.0.1", api.port)) as slow:
        slow.sendall(b"GET /api/movies HTTP/1.1\r\nHost: x\r\nX-Api-")
        assert api.ask("/api/movies").status == 200


def test_clients_that_hang_up_do_no_harm(api: Api) -> None:
    for _ in range(20):
        with api.stream():
            pass
    assert api.ask("/readyz").status == 200
