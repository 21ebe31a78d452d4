"""The built-in download client: a libtorrent session in a child process, which this end starts, asks, and replaces.

libtorrent is never imported here: its memory, its threads and its crashes stay in the child. A child that died is
noticed by the call that needs it, which raises Unavailable; the next call starts another one, and that finds every
torrent again in its resume data.
"""

import base64
import contextlib
import importlib.util
import itertools
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from clients.download_client import ClientDownload, ClientState, SeedGoal
from clients.errors import Unavailable
from clients.torrent_channel import LineBuffer, SessionSettings, error_from_json, to_line

START_DEADLINE_S = 30.0
"""Includes waiting for the session of a killed daemon to end, and reading all resume data."""
END_TIMEOUT_S = 3.5
MISSED_DEADLINES_MAX = 3
"""So many in a row, and the child is taken for hung and killed."""


class BuiltinUnavailable(Unavailable):
    """There is no libtorrent for this Python; only another download client, or another Python, helps."""


class ChildProcess(Protocol):
    """A started process, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Spawn(Protocol):
    """Starts a process from a thread that lives as long as the daemon: a child is told when that thread ends."""

    def __call__(self, argv: Sequence[str], *, pass_fds: tuple[int, ...]) -> ChildProcess: ...


@dataclass(frozen=True, kw_only=True)
class SessionStatus:
    version: str
    listening_port: int | None
    """For peers to connect to; None while it does not listen."""
    problem: str | None
    """Why nobody can be reached, e.g. `interface wg0 is gone`: everything is paused until that ends."""


class BuiltinClient:
    """`clients.download_client.DownloadClient`. The child is started by the first call that needs it.

    Calls may come from any thread, one is served at a time. Besides what a call itself may raise: Unavailable when the
    child is dead or silent for `deadline_s`, BuiltinUnavailable where libtorrent is not installed.
    """

    def __init__(
        self,
        *,
        name: str,
        settings: SessionSettings,
        spawn: Spawn,
        deadline_s: float = 5.0,
        find_spec: Callable[[str], object | None] = importlib.util.find_spec,
    ) -> None:
        self.name = name
        self._settings = settings
        self._spawn = spawn
        self._deadline_s = deadline_s
        self._find_spec = find_spec
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._child: ChildProcess | None = None
        self._channel: socket.socket | None = None
        self._received = LineBuffer()
        self._missed_deadlines = 0

    def add(
        self, *, infohash: str, torrent: bytes | None, magnet: str | None, save_name: str, seed_goal: SeedGoal
    ) -> None:
        """Refused: private while that is not allowed, or its files have the name of another torrent's. BadAnswer."""
        encoded = base64.b64encode(torrent).decode() if torrent is not None else None
        goal = asdict(seed_goal)
        self._call("add", infohash=infohash, torrent=encoded, magnet=magnet, name=save_name, seed_goal=goal)

    def downloads(self, also: frozenset[str] = frozenset()) -> list[ClientDownload]:
        """Every torrent of the session, all of them ours; `also` adds nothing."""
        return [ClientDownload(**{**item, "state": ClientState(item["state"])}) for item in self._call("list")]

    def files(self, infohash: str) -> list[tuple[str, int]]:
        return [(path, size_bytes) for path, size_bytes in self._call("files", infohash=infohash)]

    def remove(self, infohash: str, *, with_data: bool) -> None:
        """Returns when it is gone, `with_data` when its files are gone; Refused when they could not be deleted."""
        self._call("remove", infohash=infohash, with_data=with_data)

    def status(self) -> SessionStatus:
        return SessionStatus(**self._call("status"))

    def test(self) -> str:
        status = self.status()
        if status.problem:
            raise Unavailable(status.problem)
        return status.version

    def close(self) -> None:
        """End the child, with its resume data saved. A later call would start it again."""
        with self._lock:
            self._end_child()

    @property
    def pid(self) -> int | None:
        """The child's, None while there is none."""
        return self._child.pid if self._child else None

    def _call(self, operation: str, **arguments: Any) -> Any:
        with self._lock:
            if self._child is None:
                self._start_child()
            return self._ask(operation, arguments, deadline_s=self._deadline_s)

    def _start_child(self) -> None:
        if self._find_spec("libtorrent") is None:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise BuiltinUnavailable(f"no libtorrent wheel for Python {version}: configure another download client")
        ours, theirs = socket.socketpair()
        with theirs:
            argv = [sys.executable, "-P", "-m", "clients.torrent_session", "--fd", str(theirs.fileno())]
            try:
                self._child = self._spawn(argv, pass_fds=(theirs.fileno(),))
            except OSError as error:
                ours.close()
                raise Unavailable(f"torrent session cannot be started: {error}") from error
        self._channel, self._received, self._missed_deadlines = ours, LineBuffer(), 0
        try:
            self._ask("configure", asdict(self._settings), deadline_s=START_DEADLINE_S)
        except Unavailable:
            self._end_child()
            raise

    def _ask(self, operation: str, arguments: dict[str, Any], *, deadline_s: float) -> Any:
        number = next(self._numbers)
        try:
            answer = self._exchange({"id": number, "op": operation, **arguments}, deadline_s=deadline_s)
        except TimeoutError as error:
            self._missed_deadlines += 1
            if self._missed_deadlines >= MISSED_DEADLINES_MAX and self._child:
                self._child.kill()
                self._end_child()
            raise Unavailable(f"torrent session gave no answer to {operation!r} within {deadline_s:g} s") from error
        except (ConnectionError, EOFError) as error:
            raise Unavailable(f"torrent session ended: exit status {self._end_child()}") from error
        self._missed_deadlines = 0
        if "error" in answer:
            raise error_from_json(answer["error"])
        return answer["result"]

    def _exchange(self, request: dict[str, Any], *, deadline_s: float) -> dict[str, Any]:
        """The answer to this request; answers to older ones, given up by then, are dropped. TimeoutError, EOFError."""
        assert self._channel is not None
        give_up_at = time.monotonic() + deadline_s
        self._channel.settimeout(deadline_s)
        try:
            self._channel.sendall(to_line(request))
        except TimeoutError as error:  # it may have got half a line: there is no asking it anything any more
            raise ConnectionError("the child does not read") from error
        while True:
            self._channel.settimeout(max(0.001, give_up_at - time.monotonic()))
            data = self._channel.recv(1 << 20)
            if not data:
                raise EOFError
            for answer in self._received.feed(data):
                if answer["id"] == request["id"]:
                    return answer

    def _end_child(self) -> int | None:
        """Closing the channel asks the child to end; one that does not is killed. Its exit status, if there is one."""
        if self._channel:
            self._channel.close()
        child, self._child, self._channel = self._child, None, None
        if child is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(END_TIMEOUT_S)
        child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # even SIGKILL waits for a disk that hangs
            return child.wait(END_TIMEOUT_S)
        return None
