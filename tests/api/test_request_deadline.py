"""Slow sockets: what does not send a whole request in time is cut, and nothing else is."""

import contextlib
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from metrics.control_channel import Answer
from storage.database import Database
from tests.api.running import KEY, TIMEOUT_S, Api, running_api
from tests.outbox import tell
from tests.until import until

HEADER_LIMIT_S, REQUEST_LIMIT_S = 0.4, 0.8
HEAD = f"Host: x\r\nX-Api-Key: {KEY}\r\n".encode()
HALF_A_HEADER = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Api-"
REFUSED = b"POST /api/debug/crash/queue HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
METRICS = "understudy_jobs 3.0\n" * 400_000  # more than the kernel buffers for a socket
ANSWERED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def impatient(
    module_database: Database, answers: Mapping[str, Answer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    limits = {"header_limit_s": HEADER_LIMIT_S, "request_limit_s": REQUEST_LIMIT_S}
    answers = {**answers, "metrics": lambda question: METRICS}
    with running_api(module_database.dsn, tmp_path_factory.mktemp("api"), answers=answers, **limits) as api:
        api.await_ready()
        yield api


@contextlib.contextmanager
def connected(api: Api, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", api.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(sent)
        yield connection


def rest(connection: socket.socket) -> bytes:
    """All that comes until the connection is cut; TimeoutError if it is not."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return received


def outlast_the_limits(api: Api) -> None:
    """Returns when a request that began after this call was cut."""
    with connected(api, REFUSED) as connection:
        rest(connection)


def answer(connection: socket.socket) -> bytes:
    """One answer with a body, which must be there at once."""
    received = b""
    while not received.endswith(b"}"):
        data = connection.recv(65536)
        assert data, f"cut after {received!r}"
        received += data
    return received


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        HALF_A_HEADER,
        b"GET /api/events HTTP/1.1\r\nContent-Length: 9\r\n" + HEAD + b"\r\nhalf",
        b"GET /api/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n9\r\nhalf",
    ],
    ids=["idle", "blank line", "half a header", "half a body", "half a chunk"],
)
def test_a_request_that_is_not_whole_in_time_is_cut(impatient: Api, sent: bytes) -> None:
    with connected(impatient, sent) as connection:
        rest(connection)


def test_a_body_that_nobody_waits_for_is_cut_too(impatient: Api) -> None:
    with connected(impatient, REFUSED + b"half") as connection:
        assert rest(connection).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("sent", [b"", REFUSED], ids=["header", "body"])
def test_a_byte_now_and_then_does_not_help(impatient: Api, sent: bytes) -> None:
    with connected(impatient, sent) as slow:

        def is_cut() -> bool:
            try:
                slow.sendall(b"x")
            except ConnectionError:
                return True
            return False

        until(is_cut)


def test_the_next_request_of_a_connection_is_watched_too(impatient: Api) -> None:
    with connected(impatient, ANSWERED) as connection:
        assert answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(HALF_A_HEADER)
        assert rest(connection) == b""


def test_half_a_body_that_came_along_with_the_request_before_is_cut(impatient: Api) -> None:
    with connected(impatient, ANSWERED + REFUSED + b"half") as connection:
        assert re.findall(rb"HTTP/1.1 (\d+)", rest(connection)) == [b"200", b"401"]


def test_a_connection_outlives_the_limits_when_each_request_is_in_time(impatient: Api) -> None:
    with connected(impatient) as kept, connected(impatient, REFUSED) as slow:
        slow.setblocking(False)

        def is_slow_cut() -> bool:
            for sent, status in ((ANSWERED, b"200"), (REFUSED + b"x" * 100, b"401")):
                kept.sendall(sent)
                assert answer(kept).startswith(b"HTTP/1.1 " + status)
            with contextlib.suppress(BlockingIOError):
                return not slow.recv(65536)
            return False

        until(is_slow_cut)


def test_the_time_a_header_took_is_not_given_again_to_the_body(
    module_database: Database, answers: Mapping[str, Answer], tmp_path: Path
) -> None:
    limits = {"header_limit_s": 60.0, "request_limit_s": 2.0}
    with running_api(module_database.dsn, tmp_path, answers=answers, **limits) as api:
        api.await_ready()
        with connected(api, REFUSED[:-2]) as slow:
            outlast_the_limits(api)
            with connected(api, REFUSED) as later:
                assert answer(later).startswith(b"HTTP/1.1 401 ")
                slow.sendall(b"\r\n")
                rest(slow)
                later.setblocking(False)
                with pytest.raises(BlockingIOError):
                    later.recv(65536)


def test_an_event_stream_lives_on(impatient: Api, module_database: Database) -> None:
    with impatient.stream(after="0-0") as stream:
        outlast_the_limits(impatient)
        with psycopg.connect(module_database.dsn, row_factory=dict_row) as connection:
            tell(connection, "later")
        assert stream.take(1)[0].data["title"] == "later"


def test_an_answer_that_is_read_slowly_arrives_whole(impatient: Api) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(TIMEOUT_S)
        connection.connect(("127.0.0.1", impatient.port))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        received = connection.recv(1)
        outlast_the_limits(impatient)
        received += rest(connection)
    assert len(received) > len(METRICS)
