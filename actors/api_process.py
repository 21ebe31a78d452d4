"""Keeps the HTTP process: starts it on the listening sockets, answers its questions, and fails when it ends.

Its own process because of the GIL: however busy the actors are, an answer takes milliseconds.
"""

import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from actors.base import Address, MailboxFull, Supervised
from actors.messages import ChildProcessEnded
from metrics import control_channel
from metrics.control_channel import Answer
from storage.child_process import ChildProcess

STOP_S = 3.0


class ProcessEnded(Exception):
    """The HTTP process is gone; the supervisor starts another on the same sockets, so no request is refused."""


class ApiProcess(Supervised):
    """`listening` are bound sockets that outlive every HTTP process; `settings` is the first thing it is told."""

    def __init__(
        self,
        address: Address,
        *,
        spawn: Callable[..., ChildProcess],
        listening: Sequence[socket.socket],
        settings: Mapping[str, Any],
        answers: Mapping[str, Answer],
    ) -> None:
        super().__init__(address)
        self._spawn, self._listening, self._settings, self._answers = spawn, listening, settings, answers
        self._process: ChildProcess | None = None
        self._channel: socket.socket | None = None

    def init(self) -> None:
        ours, theirs = socket.socketpair()
        fds = [end.fileno() for end in self._listening]
        argv = [sys.executable, "-P", "-m", "api.server", "--channel", str(theirs.fileno())]
        for fd in fds:
            argv += ["--listen", str(fd)]
        self._process = self._spawn(argv, pass_fds=(theirs.fileno(), *fds))
        theirs.close()
        self._channel = ours
        control_channel.send(ours, self._settings)
        pid = self._process.pid
        control_channel.serve(ours, self._answers, on_closed=lambda: self._report(pid))

    def handle(self, message: ChildProcessEnded) -> None:
        if self._process is not None and message.process == self._process.pid:
            raise ProcessEnded(f"the HTTP process ended with status {self._process.poll()}")

    def cleanup(self, reason: BaseException | None) -> None:
        if self._channel is not None:
            with suppress(OSError):
                self._channel.shutdown(socket.SHUT_RDWR)
            self._channel.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)

    def _report(self, pid: int) -> None:
        with suppress(MailboxFull):
            self.address.tell(ChildProcessEnded(process=pid), urgent=True)
