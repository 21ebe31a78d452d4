"""The file-system helper: a small process that executes `storage/files.py`, so that a dead mount hangs nobody else.

Started as `python -I -S -X utf8 file_helper.py --fd N --name NAME`, standard library only; process lists show the name.
On the inherited socket N it reads one JSON line per request, {"id", "op", "args"}, and answers with any number of
{"id", "progress": [done, total]}, then {"id", "result"} or {"id", "error": {"kind", "text"}}; one request at a time. It
ends when the socket closes, when its parent dies or at SIGTERM; a copy under way is given up, its partial file removed.
"""

import binascii
import ctypes
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # last, so that it shadows nothing

from storage import files
from storage.file_errors import FileError
from storage.syscalls import Progress

PR_SET_PDEATHSIG = 1
GRACE_S = 5
"""From SIGTERM to the kernel's own end of the process, for a call that does not return."""
PROGRESS_EVERY_S = 0.05


def remove(path: str, *, root: str, identity: dict[str, int] | None = None) -> None:
    files.remove(path, root=root, identity=files.Identity(**identity) if identity else None)


OPERATIONS: dict[str, Callable[..., object]] = {
    "stage": files.stage,
    "place": files.place,
    "replace": files.replace,
    "recycle": files.recycle,
    "remove": remove,
    "make_folders": files.make_folders,
    "identity": files.identity,
    "scan": files.scan,
    "head": files.head,
    "free_bytes": files.free_bytes,
    "can_hardlink": files.can_hardlink,
}
SHOWING_PROGRESS = {"stage", "replace", "recycle", "scan"}


class Helper:
    """Serves one socket; `is_stopping` is what SIGTERM leaves for the running operation to find."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.is_idle = True
        self.is_stopping = False

    def serve(self) -> None:
        """Answer requests until the parent closes the socket."""
        for line in self.channel.makefile("rb"):
            self.is_idle = False
            self.answer(json.loads(line))
            self.is_idle = True
            self.leave_if_stopping()

    def answer(self, request: dict[str, Any]) -> None:
        """Run one request and send its result or its error."""
        operation, listener = OPERATIONS[request["op"]], {}
        if request["op"] in SHOWING_PROGRESS:
            listener["on_progress"] = self.progress_of(request["id"])
        try:
            result = operation(**request["args"], **listener)
        except FileError as error:
            self.send({"id": request["id"], "error": {"kind": type(error).__name__, "text": str(error)}})
        else:
            self.send({"id": request["id"], "result": result})

    def progress_of(self, request_id: int) -> Progress:
        """The listener of one request: passes progress on, not too often, and ends the process when told to."""
        sent_at = 0.0

        def on_progress(done: int, total: int) -> None:
            nonlocal sent_at
            self.leave_if_stopping()
            now = time.monotonic()
            if now - sent_at >= PROGRESS_EVERY_S or done == total:
                sent_at = now
                self.send({"id": request_id, "progress": [done, total]})

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

    def on_sigterm(self, number: int, frame: FrameType | None) -> None:
        """End now when idle, else at the next progress, else by SIGALRM's default action."""
        self.is_stopping = True
        signal.alarm(GRACE_S)
        if self.is_idle:
            raise SystemExit(0)


def encoded(value: Any) -> object:
    """What JSON has no form for: bytes as base64, our dataclasses as objects."""
    return binascii.b2a_base64(value, newline=False).decode() if isinstance(value, bytes) else vars(value)


def main() -> None:
    fd = int(sys.argv[sys.argv.index("--fd") + 1])  # argparse would take as long to import as all the rest
    helper = Helper(socket.socket(fileno=fd))
    os.umask(0)  # modes come with each request
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon, which hears the same Ctrl-C, decides
    signal.signal(signal.SIGTERM, helper.on_sigterm)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGALRM})
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    helper.serve()


if __name__ == "__main__":
    main()
