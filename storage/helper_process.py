"""A helper process: does work that may hang for ever, and is waited for only while it shows progress.

HelperLost
├── HelperHung   no progress within the deadline: it was given up; the next call starts another one
└── HelperGone   it ended during the operation, which may or may not be done: look, then repeat it

The child's side, with what goes over the socket, is `storage/helper_loop.py`.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from storage.child_process import ChildProcess

Spawn = Callable[[Sequence[str], Sequence[int]], ChildProcess]
"""Starts argv, these descriptors inherited, from a thread that lives on: the helper dies with the one that forks it."""
OnProgress = Callable[[int, int], None]
EXIT_STATUS_WAIT_S = 1.0
ABANDONED_MAX = 5
"""With so many held by the kernel another one would hang, too: a dead mount must not fill the memory with helpers."""


class HelperLost(Exception):
    """The helper gave no answer."""


class HelperHung(HelperLost):
    """It showed no progress in time and was abandoned."""


class HelperGone(HelperLost):
    """It ended before it answered."""


class HelperProcess:
    """Runs `program`, started at the first call and again after it hung or died; any thread may call.

    Calls wait for one another, so long work wants a helper of its own beside the one that answers questions. `errors`
    are the classes that operations raise, by name. Process lists show `name`.
    """

    def __init__(self, program: Path, *, name: str, spawn: Spawn, errors: Mapping[str, type[Exception]]) -> None:
        self._program, self._name, self._spawn, self._errors = program, name, spawn, errors
        self._turn = threading.Lock()
        self._connection: _Connection | None = None
        self._dropped: list[ChildProcess] = []
        self._ending: ChildProcess | None = None  # the last that was let go, unless it hung
        self._last_id = 0

    @property
    def pid(self) -> int | None:
        """The running helper's; None before the first call and after it was lost."""
        connection = self._connection
        return connection.process.pid if connection else None

    def count_abandoned(self) -> int:
        """Helpers that were let go and have not ended: for longer than a moment, those that the kernel holds."""
        return sum(process.poll() is None for process in self._dropped)

    def call(
        self, op: str, args: Mapping[str, object], *, progress_deadline_s: float, on_progress: OnProgress | None = None
    ) -> Any:
        """Run one operation; its result as JSON has it.

        `progress_deadline_s` bounds each wait for progress, the start of the helper included. Raises what the operation
        raised, HelperHung or HelperGone, and OSError where no process can be started. `on_progress(done, total)` runs
        in the calling thread; what it raises gives the operation up.
        """
        with self._turn:
            self._last_id += 1
            request = {"id": self._last_id, "op": op, "args": args}
            try:
                answer = self._ask(request, progress_deadline_s).answer(on_progress)
            except HelperHung:
                self._drop(is_hung=True)
                raise
            except BaseException:
                self._drop()
                raise
        if "error" in answer:
            raise self._errors[answer["error"]["kind"]](answer["error"]["text"])
        return answer["result"]

    def close(self, *, timeout_s: float = 0.0) -> bool:
        """Tell the helper to end and wait at most `timeout_s`; True if it is gone.

        An operation under way in another thread is given up and raises HelperGone there. A later call starts a new
        helper.
        """
        connection = self._connection
        ending = connection.process if connection is not None else self._ending
        if connection is not None:
            connection.end()
            if self._turn.acquire(blocking=False):  # else the caller inside notices and drops it
                try:
                    self._drop()
                finally:
                    self._turn.release()
        if ending is None:
            return True
        with suppress(subprocess.TimeoutExpired):
            ending.wait(timeout_s)
        return ending.poll() is not None

    def _ask(self, request: dict[str, object], deadline_s: float) -> "_Connection":
        if self._connection is not None:
            try:
                self._connection.ask(request, deadline_s)
                return self._connection
            except HelperGone:
                self._drop()  # it died while idle, before it could read this request
        if (abandoned := self.count_abandoned()) >= ABANDONED_MAX:
            raise HelperHung(f"{request['op']} by {self._name}: {abandoned} helpers hang already")
        self._connection = _Connection(self._program, self._name, self._spawn)
        self._connection.ask(request, deadline_s)
        return self._connection

    def _drop(self, *, is_hung: bool = False) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if is_hung:
            connection.process.kill()  # without effect until the mount comes back, if it is that which hangs
        connection.end()
        self._ending = None if is_hung else connection.process
        self._dropped = [process for process in (*self._dropped, connection.process) if process.poll() is None]
        connection.release()


class _Connection:
    """A started helper, the socket to it, and the request it works on."""

    def __init__(self, program: Path, name: str, spawn: Spawn) -> None:
        self._name = name
        self._op: object = None
        self._id: object = None
        self._socket, theirs = socket.socketpair()
        fd = theirs.fileno()
        argv = [sys.executable, "-I", "-S", "-X", "utf8", str(program), "--fd", str(fd), "--name", name]
        try:
            self.process = spawn(argv, [fd])
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self._answers = self._socket.makefile("rb")

    def ask(self, request: dict[str, object], deadline_s: float) -> None:
        """Send a request; `deadline_s` also bounds each wait for a line of its answer."""
        self._op, self._id = request["op"], request["id"]
        self._socket.settimeout(deadline_s)
        try:
            self._socket.sendall(json.dumps(request, default=_encoded).encode() + b"\n")
        except TimeoutError as error:
            raise self._hung() from error
        except OSError as error:
            raise self._gone() from error

    def answer(self, on_progress: OnProgress | None) -> dict[str, Any]:
        """The line with the result or the error, after all those with progress."""
        while True:
            line = self._line()
            if line["id"] != self._id:
                continue
            if "progress" not in line:
                return line
            if on_progress:
                on_progress(*line["progress"])

    def end(self) -> None:
        """Ask the helper to end, and let no thread wait for its answer."""
        self.process.terminate()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Close our side; only for the thread that has the turn, or another could read from a descriptor used anew."""
        self._answers.close()
        self._socket.close()

    def _line(self) -> dict[str, Any]:
        try:
            line = self._answers.readline()
        except TimeoutError as error:
            raise self._hung() from error
        except OSError as error:
            raise self._gone() from error
        if not line.endswith(b"\n"):
            raise self._gone()
        return cast(dict[str, Any], json.loads(line))

    def _hung(self) -> HelperHung:
        return HelperHung(f"{self._op} by {self._name}: no progress for {self._socket.gettimeout():g} s")

    def _gone(self) -> HelperGone:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(EXIT_STATUS_WAIT_S)
        return HelperGone(f"{self._op} by {self._name}: the helper ended (exit status {self.process.poll()})")


def _encoded(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else vars(value)
