"""The real HTTP process, started as the daemon starts it, with a test in the daemon's place."""

import contextlib
import email.message
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.local import UnixConnection
from daemon.run import listen_in
from metrics import control_channel
from metrics.control_channel import Answer
from tests.until import until

KEY = "0123456789abcdef0123456789abcdef"
REPOSITORY = Path(__file__).parents[2]
TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Response:
    status: int
    headers: email.message.Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of the event stream; `id` is None for progress."""

    event: str
    id: str | None
    data: Any


class Stream:
    """An open event stream; iterate over its messages, comments left out."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection, self._response = connection, response

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Message:
        fields: dict[str, str] = {}
        while line := self._response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name in ("event", "id", "data"):
                fields[name] = value
            elif not name and "data" in fields:
                return Message(event=fields["event"], id=fields.get("id"), data=json.loads(fields["data"]))
        raise StopIteration

    def take(self, count: int, *, event: str | None = None) -> list[Message]:
        """The next `count` messages (of that event)."""
        found: list[Message] = []
        while len(found) < count:
            message = next(self)
            if event is None or message.event == event:
                found.append(message)
        return found

    def close(self) -> None:
        self._response.close()
        self._connection.close()


class Api:
    """The process on a free port and a unix socket. `answers` is the daemon; None is a daemon that says nothing.

    `settings` are times in seconds, in place of the usual ones.
    """

    def __init__(self, dsn: str, folder: Path, *, answers: Mapping[str, Answer] | None, **settings: float) -> None:
        self.unix_socket = folder / "api.sock"
        self.channel_closed = threading.Event()
        self.channel, theirs = socket.socketpair()
        tcp = socket.create_server(("127.0.0.1", 0), backlog=64)
        local = listen_in(self.unix_socket)
        self.port: int = tcp.getsockname()[1]
        fds = [theirs.fileno(), tcp.fileno(), local.fileno()]
        argv = [sys.executable, "-P", "-m", "api.server", "--channel", str(fds[0])]
        argv += ["--listen", str(fds[1]), "--listen", str(fds[2])]
        self.process = subprocess.Popen(argv, pass_fds=fds, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})
        for end in (theirs, tcp, local):
            end.close()
        usual = {"dsn": dsn, "api_key": KEY, "call_limit_s": 5.0, "heartbeat_every_s": 2.0}
        control_channel.send(self.channel, {**usual, **settings})
        if answers is not None:
            control_channel.serve(self.channel, answers, on_closed=self.channel_closed.set)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        key: str | bytes | None = KEY,
        headers: Mapping[str, str | bytes] | None = None,
        is_local: bool = False,
        body: bytes | None = None,
    ) -> Response:
        """The answer to one request, with the right key unless another is given; None sends no key."""
        connection: http.client.HTTPConnection
        if is_local:
            connection = UnixConnection(self.unix_socket, timeout_s=TIMEOUT_S)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.putrequest(method, path)
            for name, value in ({"X-Api-Key": key} if key is not None else {}).items():
                connection.putheader(name, value)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Response(status=answer.status, headers=answer.headers, body=answer.read())

    @contextlib.contextmanager
    def stream(self, *, after: str | None = None) -> Iterator[Stream]:
        """The event stream, open and past its greeting."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        headers = {"X-Api-Key": KEY} | ({"Last-Event-ID": after} if after is not None else {})
        connection.request("GET", "/api/events", headers=headers)
        response = connection.getresponse()
        assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        stream = Stream(connection, response)
        try:
            yield stream
        finally:
            stream.close()

    def await_ready(self) -> None:
        until(lambda: self.ask("/readyz", key=None).status == 200)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)
        self.channel.close()
        self.process.terminate()
        self.process.wait(TIMEOUT_S)


@contextlib.contextmanager
def running_api(
    dsn: str, folder: Path, *, answers: Mapping[str, Answer] | None = None, **settings: float
) -> Iterator[Api]:
    api = Api(dsn, folder, answers=answers, **settings)
    try:
        yield api
    finally:
        api.stop()
