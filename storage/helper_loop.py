"""The child's side of a helper process: serves operations over a socket until its parent is gone or wants no more.

Helper programs are started as `python -I -S -X utf8 PROGRAM --fd N --name NAME` and use the standard library only. On
the inherited socket N they read one JSON line per request, {"id", "op", "args"}, and answer with any number of
{"id", "progress": [done, total]}, then {"id", "result"} or {"id", "error": {"kind", "text"}}; one request at a time.
What an operation raises besides the errors it declares ends the process, its traceback on stderr.

SIGTERM, which is also what the parent's death sends, ends an idle helper at once and a busy one at its next progress.
One that the kernel holds in a call shows none and runs no handler of Python's: a thread of its own waits for signals,
and has the kernel end the process some seconds later. SIGUSR1 has that thread write every stack to stderr.
"""

import _thread
import binascii
import ctypes
import faulthandler
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

GRACE_S = 5
PROGRESS_EVERY_S = 0.05
PR_SET_PDEATHSIG = 1


def serve(
    operations: Mapping[str, Callable[..., object]],
    *,
    errors: type[Exception],
    showing_progress: Collection[str] = (),
    grace_s: int = GRACE_S,
) -> None:
    """Serve the socket that the command line names; returns when the parent has closed it.

    `errors` are told to the parent by class name and text. Operations named in `showing_progress` are given
    `on_progress(done, total)`, which raises SystemExit when the process must end: within `grace_s`.
    """
    fd = int(sys.argv[sys.argv.index("--fd") + 1])  # argparse would take as long to import as all the rest
    loop = Loop(socket.socket(fileno=fd), operations, errors=errors, showing_progress=showing_progress)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon, which hears the same Ctrl-C, decides
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    _thread.start_new_thread(loop.watch_signals, (grace_s,))  # `threading` is another module to import
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    loop.run()


class Loop:
    """Requests in, answers out; `is_stopping` is what SIGTERM leaves for the running operation to find."""

    def __init__(
        self,
        channel: socket.socket,
        operations: Mapping[str, Callable[..., object]],
        *,
        errors: type[Exception],
        showing_progress: Collection[str],
    ) -> None:
        self.channel, self.operations, self.errors = channel, operations, errors
        self.showing_progress = showing_progress
        self.is_stopping = False

    def run(self) -> None:
        for line in self.channel.makefile("rb"):
            self.answer(json.loads(line))
            self.leave_if_stopping()

    def answer(self, request: dict[str, Any]) -> None:
        """Run one request and send its result or its error."""
        number, op, args = request["id"], request["op"], request["args"]
        if op in self.showing_progress:
            args["on_progress"] = self.progress_of(number)
        try:
            result = self.operations[op](**args)
        except self.errors as error:
            self.send({"id": number, "error": {"kind": type(error).__name__, "text": str(error)}})
        else:
            self.send({"id": number, "result": result})

    def progress_of(self, number: int) -> Callable[[int, int], None]:
        """The listener of one request: passes progress on, not too often, and ends the process when told to."""
        sent_at = 0.0

        def on_progress(done: int, total: int) -> None:
            nonlocal sent_at
            self.leave_if_stopping()
            now = time.monotonic()
            if now - sent_at >= PROGRESS_EVERY_S or done == total:
                sent_at = now
                self.send({"id": number, "progress": [done, total]})

        return on_progress

    def send(self, message: dict[str, object]) -> None:
        """Write one line; a parent that is gone ends the process."""
        try:
            self.channel.sendall(json.dumps(message, default=encoded).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            raise SystemExit(0) from None

    def leave_if_stopping(self) -> None:
        if self.is_stopping:
            raise SystemExit(0)

    def watch_signals(self, grace_s: int) -> None:
        """Returns at SIGTERM, with the end under way."""
        while signal.sigwait({signal.SIGTERM, signal.SIGUSR1}) == signal.SIGUSR1:
            faulthandler.dump_traceback()
        self.is_stopping = True
        signal.alarm(grace_s)  # whose default action reaches even who waits for a dead server, if anything does
        with suppress(OSError):
            self.channel.shutdown(socket.SHUT_RD)  # wakes an idle loop


def encoded(value: Any) -> object:
    """What JSON has no form for: bytes as base64, paths as text, dataclasses as objects."""
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    return os.fspath(value) if isinstance(value, os.PathLike) else vars(value)
