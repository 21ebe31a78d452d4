"""The spawner: the main thread forks every child process, because a child's parent-death signal fires when the thread
that forked it ends, and only the main thread lives as long as the daemon.
"""

import os
import queue
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

PROGRAM_FOLDER = Path(__file__).resolve().parent.parent
SPAWN_DEADLINE_S = 10.0


@dataclass
class Request:
    """A process that another thread wants, and the answer it waits for."""

    argv: Sequence[str]
    options: dict[str, Any]
    done: threading.Event = field(default_factory=threading.Event)
    process: "subprocess.Popen[bytes] | None" = None
    error: OSError | None = None


class SpawnerBusy(OSError):
    """The main thread did not get round to it: the daemon is stopping."""


class Spawner:
    """`spawn` may be called from any thread; `next` is the main thread's loop, which also hears what others `post`."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[Request | object] = queue.SimpleQueue()
        self._main = threading.main_thread()
        self._is_closed = threading.Event()

    def spawn(
        self,
        argv: Sequence[str],
        pass_fds: Sequence[int] = (),
        *,
        stdout: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a process in a session of its own, with both outputs to `stdout` or ours. Raises OSError."""
        options: dict[str, Any] = {
            "pass_fds": tuple(pass_fds),
            "stdin": subprocess.DEVNULL,
            "stdout": stdout,
            "stderr": subprocess.STDOUT if stdout is not None else None,
            "env": dict(env) if env is not None else _own_environment(),
            "start_new_session": True,
        }
        if threading.current_thread() is self._main:
            return _start(argv, options)
        request = Request(argv, options)
        self._inbox.put(request)
        give_up_at = time.monotonic() + SPAWN_DEADLINE_S
        while not request.done.wait(0.05):
            if self._is_closed.is_set() or time.monotonic() > give_up_at:
                raise SpawnerBusy(f"{argv[0]} was not started")
        if request.error is not None:
            raise request.error
        assert request.process is not None
        return request.process

    def close(self) -> None:
        """Nobody serves requests any more: whoever waits for one gives up."""
        self._is_closed.set()

    def post(self, event: object) -> None:
        """Have `next` return `event`; safe in signal handlers."""
        self._inbox.put(event)

    def next(self) -> object:
        """Serve requests until something is posted, and return that. Only for the main thread."""
        while True:
            item = self._inbox.get()
            if not isinstance(item, Request):
                return item
            try:
                item.process = _start(item.argv, item.options)
            except OSError as error:
                item.error = error
            item.done.set()


def _own_environment() -> dict[str, str]:
    """Ours, with this program's modules found first."""
    path = [str(PROGRAM_FOLDER), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))}


def _start(argv: Sequence[str], options: Mapping[str, Any]) -> "subprocess.Popen[bytes]":
    process: subprocess.Popen[bytes] = subprocess.Popen(argv, **options)
    return process
