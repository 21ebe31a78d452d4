"""A proxy before PostgreSQL that counts a program's statements, and does something right before or after one of them.

Frontend/backend protocol 3.0: a statement is a Query or an Execute message, and its end ReadyForQuery. BEGIN, which
changes nothing, is not counted.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Moment = Literal["before", "after"]
QUERY, EXECUTE, READY_FOR_QUERY = b"Q", b"E", b"Z"
BEGIN = b"Q\0\0\0\x0aBEGIN\0"


@dataclass(frozen=True, kw_only=True)
class Trap:
    """What is done when statement number `at`, from 1, comes or has been executed; neither it nor its answer goes on.

    `holds`: only statements that hold these bytes are counted, in their parameters or their text.
    """

    at: int
    when: Moment
    action: Callable[[], None]
    holds: bytes = b""


class StatementProxy:
    """Every connection is served by two threads; `statements` counts those of `application` since the last `set`."""

    def __init__(self, dsn: str, *, application: str) -> None:
        where = conninfo_to_dict(dsn)
        self._server = str(where["host"]), int(str(where["port"]))
        self._application = b"application_name\0" + application.encode() + b"\0"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._trap: Trap | None = None
        self.statements = 0
        self.dsn = make_conninfo(
            dsn, port=self._listener.getsockname()[1], sslmode="disable", gssencmode="disable", hostaddr="127.0.0.1"
        )

    def set(self, trap: Trap | None) -> None:
        """Count from 0, up to the trap; None: count only."""
        with self._lock:
            self._trap, self.statements = trap, 0

    def serve(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(client, server)
        threading.Thread(target=self._answers, args=(connection,), daemon=True).start()
        with connection.closing(), client.makefile("rb") as messages:
            startup = read_startup(messages.read)
            server.sendall(startup)
            is_counted = self._application in startup
            while message := read_message(messages.read):
                connection.parameters += message
                if message[:1] in (QUERY, EXECUTE):
                    if is_counted and message != BEGIN and not self._pass(connection):
                        return
                    connection.parameters = b""
                server.sendall(message)

    def _pass(self, connection: "_Connection") -> bool:
        """Count a statement; whether it may go on."""
        with self._lock:
            trap = self._trap
            if trap is None or trap.holds in connection.parameters:
                self.statements += 1
            if trap is None or self.statements != trap.at or trap.holds not in connection.parameters:
                return True
            self._trap = None
            if trap.when == "before":
                trap.action()
                return False
            connection.awaited = trap.action
            return True

    def _answers(self, connection: "_Connection") -> None:
        with connection.closing(), connection.server.makefile("rb") as messages:
            while message := read_message(messages.read):
                if message[:1] == READY_FOR_QUERY and connection.awaited is not None:
                    connection.awaited()
                    return
                if connection.awaited is None:
                    connection.client.sendall(message)


class _Connection:
    """Both ends; `awaited` is done when the server has answered, `parameters` is what came for the next statement."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.awaited: Callable[[], None] | None = None
        self.parameters = b""

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Whichever direction ends, both do."""
        try:
            with suppress(OSError):
                yield
        finally:
            for end in (self.client, self.server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def read_startup(read: Callable[[int], bytes]) -> bytes:
    """The first message, which has no type; empty where none comes."""
    size = read(4)
    return size + read(int.from_bytes(size) - 4) if len(size) == 4 else b""


def read_message(read: Callable[[int], bytes]) -> bytes:
    """The next message with its type; empty at the end."""
    head = read(5)
    if len(head) < 5:
        return b""
    body = read(int.from_bytes(head[1:]) - 4)
    return head + body


def parameter(value: str) -> bytes:
    """How a statement holds a text as one of its parameters."""
    return len(value.encode()).to_bytes(4) + value.encode()


@contextmanager
def statement_proxy(dsn: str, *, application: str = "understudy") -> Iterator[StatementProxy]:
    """A proxy that serves until the end of the block; the program connects to its `dsn`."""
    proxy = StatementProxy(dsn, application=application)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
