"""The daemon's way to files: sends each operation to a helper process and waits only while that shows progress.

FileError (storage/file_errors.py)
├── HelperHung   no progress within the deadline: the mount is dead; it may answer the next call, from a new helper
└── HelperGone   the helper died during the operation, which may or may not be done: look, then repeat it
"""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from storage import file_errors
from storage.child_process import ChildProcess
from storage.file_errors import FileError
from storage.files import Identity, Scan, ScannedFile, Skipped, Staged, Transfer, ignore_progress
from storage.folders import StrPath
from storage.syscalls import Progress

PROGRESS_DEADLINE_S = 30.0
PROGRAM = Path(__file__).with_name("file_helper.py")


class HelperHung(FileError):
    """The helper showed no progress in time and was abandoned."""


class HelperGone(FileError):
    """The helper ended before it answered."""


Spawn = Callable[[Sequence[str], Sequence[int]], ChildProcess]
"""Starts argv, these descriptors inherited, from a thread that lives on: the helper dies with the one that forks it."""


class FileHelper:
    """One helper process, started at the first call and again after it hung or died; any thread may call.

    Calls wait for one another, so long copies want a helper of their own beside the one that answers questions.
    """

    def __init__(self, *, spawn: Spawn, name: str) -> None:
        self._spawn = spawn
        self._name = name
        self._turn = threading.Lock()
        self._connection: _Connection | None = None
        self._abandoned: list[ChildProcess] = []
        self._last_id = 0

    @property
    def pid(self) -> int | None:
        """The running helper's; None before the first call and after it was lost."""
        connection = self._connection
        return connection.process.pid if connection else None

    def count_abandoned(self) -> int:
        """Helpers that were given up because they hung and that the kernel has not let go yet."""
        self._abandoned = [process for process in self._abandoned if process.poll() is None]
        return len(self._abandoned)

    def call(
        self,
        op: str,
        on_progress: Progress | None = None,
        progress_deadline_s: float = PROGRESS_DEADLINE_S,
        **args: object,
    ) -> Any:
        """Run one operation of `storage/files.py` in the helper; its result as JSON has it.

        Raises the operation's FileError, HelperHung or HelperGone. `on_progress` runs in the calling thread; what it
        raises gives the operation up.
        """
        with self._turn:
            self._last_id += 1
            request = {"id": self._last_id, "op": op, "args": args}
            try:
                answer = self._ask(request, progress_deadline_s).answer(on_progress or ignore_progress)
            except HelperHung:
                self._abandon()
                raise
            except BaseException:
                self._drop()
                raise
        if "error" in answer:
            raise file_errors.BY_NAME[answer["error"]["kind"]](answer["error"]["text"])
        return answer["result"]

    def close(self, *, timeout_s: float = 0.0) -> bool:
        """Tell the helper to end and wait at most `timeout_s`; True if it is gone.

        A copy under way in another thread is given up and raises HelperGone there. A later call starts a new helper.
        """
        connection = self._connection
        if connection is None:
            return True
        is_gone = connection.end(timeout_s)
        if self._turn.acquire(blocking=False):  # else the caller inside notices and drops it
            try:
                self._drop()
            finally:
                self._turn.release()
        return is_gone

    def stage(
        self,
        source: StrPath,
        temp: StrPath,
        *,
        root: StrPath,
        transfer: Transfer,
        mode: int | None = None,
        on_progress: Progress | None = None,
    ) -> Staged:
        """`files.stage`; progress in bytes."""
        return Staged(
            **self.call("stage", on_progress, source=source, temp=temp, root=root, transfer=transfer, mode=mode)
        )

    def place(self, temp: StrPath, final: StrPath, *, root: StrPath) -> None:
        """`files.place`."""
        self.call("place", temp=temp, final=final, root=root)

    def replace(
        self,
        temp: StrPath,
        final: StrPath,
        recycle_path: StrPath,
        *,
        root: StrPath,
        on_progress: Progress | None = None,
    ) -> None:
        """`files.replace`; progress in bytes, if the old file must be copied to the recycle bin."""
        self.call("replace", on_progress, temp=temp, final=final, recycle_path=recycle_path, root=root)

    def recycle(
        self, path: StrPath, recycle_path: StrPath, *, root: StrPath, on_progress: Progress | None = None
    ) -> None:
        """`files.recycle`; progress like `replace`."""
        self.call("recycle", on_progress, path=path, recycle_path=recycle_path, root=root)

    def remove(self, path: StrPath, *, root: StrPath, identity: Identity | None = None) -> None:
        """`files.remove`."""
        self.call("remove", path=path, root=root, identity=identity)

    def make_folders(self, root: StrPath, relative: StrPath, *, mode: int = 0o755) -> None:
        """`files.make_folders`."""
        self.call("make_folders", root=root, relative=relative, mode=mode)

    def identity(self, path: StrPath) -> Identity:
        """`files.identity`."""
        return Identity(**self.call("identity", path=path))

    def scan(self, folder: StrPath, *, on_progress: Progress | None = None) -> Scan:
        """`files.scan`; progress in entries seen, total 0."""
        found = self.call("scan", on_progress, folder=folder)
        return Scan(
            files=tuple(ScannedFile(**one) for one in found["files"]),
            skipped=tuple(Skipped(**one) for one in found["skipped"]),
            is_complete=found["is_complete"],
        )

    def head(self, path: StrPath, n_bytes: int) -> bytes:
        """`files.head`."""
        return base64.b64decode(self.call("head", path=path, n_bytes=n_bytes))

    def free_bytes(self, path: StrPath) -> int:
        """`files.free_bytes`."""
        return int(self.call("free_bytes", path=path))

    def can_hardlink(self, folder_a: StrPath, folder_b: StrPath) -> bool:
        """`files.can_hardlink`."""
        return bool(self.call("can_hardlink", folder_a=folder_a, folder_b=folder_b))

    def _ask(self, request: dict[str, object], deadline_s: float) -> "_Connection":
        if self._connection is not None:
            try:
                self._connection.ask(request, deadline_s)
                return self._connection
            except HelperGone:
                self._drop()  # it died while idle, before it could read this request
        self._connection = _Connection(self._spawn, self._name)
        self._connection.ask(request, deadline_s)
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.end(0.0)
            connection.release()

    def _abandon(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.process.kill()  # without effect until the mount comes back, if it is that which hangs
            self._abandoned.append(connection.process)
        self._drop()


class _Connection:
    """A started helper, the socket to it, and the request it works on."""

    def __init__(self, spawn: Spawn, name: str) -> None:
        self._name = name
        self._op: object = None
        self._id: object = None
        self._socket, theirs = socket.socketpair()
        fd = theirs.fileno()
        argv = [sys.executable, "-I", "-S", "-X", "utf8", str(PROGRAM), "--fd", str(fd), "--name", name]
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

    def answer(self, on_progress: Progress) -> dict[str, Any]:
        """The line with the result or the error, after all those with progress."""
        while True:
            line = self._line()
            if line["id"] == self._id and "progress" not in line:
                return line
            if line["id"] == self._id:
                on_progress(*line["progress"])

    def end(self, timeout_s: float) -> bool:
        """Ask the helper to end and let no thread wait for it; True if it is gone within `timeout_s`."""
        self.process.terminate()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

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
            self.process.wait(1.0)
        return HelperGone(f"{self._op} by {self._name}: the helper ended (exit status {self.process.poll()})")


def _encoded(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else vars(value)
