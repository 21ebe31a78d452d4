"""Keeps the HTTP process: starts it on the listening sockets, answers its questions, and fails when it ends or hangs.

Its own process because of the GIL: however busy the actors are, an answer takes milliseconds.
"""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, assert_never

from actors.address import Address, MailboxFull
from actors.base import Supervised
from actors.messages import ApiProcessInbox, ChildProcessEnded, Tick
from metrics import control_channel
from metrics.control_channel import Answer
from storage.child_process import ChildProcess

STOP_S = 3.0
SILENCE_LIMIT_S = 20.0
START_LIMIT_S = 30.0
CHECKS_PER_LIMIT, HEARTBEATS_PER_LIMIT = 4, 10


class ProcessEnded(Exception):
    """The HTTP process is gone; the supervisor starts another on the same sockets, so no request is refused."""


class ProcessHung(Exception):
    """The HTTP process asks nothing any more, though it should ask for the heartbeat all the time."""


class ApiProcess(Supervised):
    """`listening` are bound sockets that outlive every HTTP process; `settings` is the first thing it is told.

    It hangs when it has asked nothing for `silence_limit_s`, or when new for `start_limit_s`. That is counted in own
    ticks, not by the clock: a daemon that was itself stopped for a while does not take its process for hung.
    """

    def __init__(
        self,
        address: Address,
        *,
        spawn: Callable[..., ChildProcess],
        listening: Sequence[socket.socket],
        settings: Mapping[str, Any],
        answers: Mapping[str, Answer],
        silence_limit_s: float = SILENCE_LIMIT_S,
        start_limit_s: float = START_LIMIT_S,
    ) -> None:
        super().__init__(address)
        self._spawn, self._listening, self._settings, self._answers = spawn, listening, settings, answers
        self._process: ChildProcess | None = None
        self._channel: socket.socket | None = None
        self._silence_limit_s, self._check_every_s = silence_limit_s, silence_limit_s / CHECKS_PER_LIMIT
        self._has_asked = threading.Event()
        self._patience_s = start_limit_s

    def init(self) -> None:
        ours, theirs = socket.socketpair()
        fds = [end.fileno() for end in self._listening]
        argv = [sys.executable, "-P", "-m", "api.server", "--channel", str(theirs.fileno())]
        for fd in fds:
            argv += ["--listen", str(fd)]
        self._process = self._spawn(argv, pass_fds=(theirs.fileno(), *fds))
        theirs.close()
        self._channel = ours
        control_channel.send(
            ours, {**self._settings, "heartbeat_every_s": self._silence_limit_s / HEARTBEATS_PER_LIMIT}
        )
        pid = self._process.pid
        control_channel.serve(ours, self._answers, on_question=self._has_asked.set, on_closed=lambda: self._report(pid))
        self.address.tell_after(self._check_every_s, Tick())

    def handle(self, message: ApiProcessInbox) -> None:
        match message:
            case ChildProcessEnded():
                if self._process is not None and message.process == self._process.pid:
                    raise ProcessEnded(f"the HTTP process ended with status {self._process.poll()}")
            case Tick():
                self._check_silence()
                self.address.tell_after(self._check_every_s, Tick())
            case _:
                assert_never(message)

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

    def _check_silence(self) -> None:
        if self._has_asked.is_set():
            self._has_asked.clear()
            self._patience_s = self._silence_limit_s
            return
        self._patience_s -= self._check_every_s
        if self._patience_s <= 0:
            raise ProcessHung("the HTTP process is silent: it is stopped, or its event loop is stuck")

    def _report(self, pid: int) -> None:
        with suppress(MailboxFull):
            self.address.tell(ChildProcessEnded(process=pid), urgent=True)
