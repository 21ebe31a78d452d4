"""An HTTP server that answers exactly the bytes a test gives it, however wrong they are.

with HostileServer() as server:
    server.answers["/api"] = ok(b"<rss/>")          # one answer for every request to that path
    server.answers["/slow"] = drip(b"x", every_s=0.05)
    server.answers["/flaky"] = in_turn(RESET, ok(b"<rss/>"))
"""

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it arrived; header names in lower case."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]


class Stopped(Exception):
    """The server is being closed, or the connection is to be dropped."""


class Connection:
    """The server's side of one connection, for answers that need more than bytes."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopped

    def hang(self) -> None:
        """Says nothing more until the client goes away or the server is stopped."""
        self._sock.settimeout(0.05)
        while not self._stopping.is_set():
            try:
                if not self._sock.recv(1024):
                    return
            except TimeoutError:
                continue

    def reset(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Stopped


Answer = Callable[[Seen, Connection], None]


def raw(data: bytes) -> Answer:
    """Exactly these bytes, head and all."""
    return lambda seen, connection: connection.send(data)


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """A whole answer; `Content_Type="text/html"` becomes that header, and `Content_Length` may lie."""
    return raw(message(status, body, **headers))


def message(status: int, body: bytes = b"", **headers: str) -> bytes:
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} whatever\r\n{head}\r\n".encode() + body


def ok(body: bytes, content_type: str = "application/rss+xml") -> Answer:
    return answer(200, body, Content_Type=content_type)


def redirect(location: str, status: int = 302) -> Answer:
    return answer(status, b"", Location=location)


def in_turn(*answers: Answer) -> Answer:
    """The answers one after the other, then the last one for ever."""
    left = list(answers)
    return lambda seen, connection: (left.pop(0) if len(left) > 1 else left[0])(seen, connection)


def drip(data: bytes, *, head: bytes = b"HTTP/1.1 200 OK\r\n\r\n", every_s: float = 0.02) -> Answer:
    """`head` at once, then `data` byte by byte, again and again for ever."""

    def respond(seen: Seen, connection: Connection) -> None:
        connection.send(head)
        while True:
            for byte in data:
                connection.send(bytes([byte]))
                connection.pause(every_s)

    return respond


def endless(chunk: bytes) -> Answer:
    """A body without length that never ends, as fast as it is read."""

    def respond(seen: Seen, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.send(chunk)

    return respond


def hang(data: bytes = b"") -> Answer:
    """`data`, then silence."""

    def respond(seen: Seen, connection: Connection) -> None:
        connection.send(data)
        connection.hang()

    return respond


def RESET(seen: Seen, connection: Connection) -> None:
    """The connection is reset before any answer."""
    connection.reset()


class _Handler(socketserver.StreamRequestHandler):
    server: "_Tcp"

    def handle(self) -> None:
        try:
            if self.server.tls is not None:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
                self.rfile = self.request.makefile("rb")
            seen = _read_request(iter(self.rfile.readline, b""))
            if seen is not None:
                self.server.seen.append(seen)
                respond = self.server.answers.get(seen.path, answer(404))
                respond(seen, Connection(self.request, self.server.stopping))
        except (OSError, Stopped):  # the client went away, which is what many tests are about
            self.close_connection = True


def _read_request(lines: Iterator[bytes]) -> Seen | None:
    target = next(lines, b"").decode("latin-1").split(" ")
    if len(target) != 3:
        return None
    headers = {}
    for line in lines:
        if not line.strip():
            break
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    parts = urlsplit(target[1])
    return Seen(path=parts.path, params=dict(parse_qsl(parts.query, keep_blank_values=True)), headers=headers)


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.tls = tls
        self.seen: list[Seen] = []
        self.answers: dict[str, Answer] = {}
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class HostileServer:
    """Listens on 127.0.0.1 while the context is open; unknown paths answer 404."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tcp = _Tcp(tls)
        self._thread = threading.Thread(target=self._tcp.serve_forever, args=(0.01,), daemon=True)
        self.port: int = self._tcp.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def answers(self) -> dict[str, Answer]:
        return self._tcp.answers

    @property
    def seen(self) -> list[Seen]:
        return self._tcp.seen

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tcp.stopping.set()
        self._tcp.shutdown()
        self._tcp.server_close()
