"""The torrent session process: `python -P -m clients.torrent_session --fd N`, started and fed by `clients.builtin`.

A process of its own so that libtorrent's crashes, threads and memory are not the daemon's. It needs the standard
library and libtorrent only, and ends, with its resume data saved, when its channel closes, when its parent dies, and on
SIGTERM: within 3 s, because after that the kernel ends it. SIGUSR1 writes every stack to stderr.
"""

import argparse
import base64
import contextlib
import ctypes
import faulthandler
import os
import selectors
import signal
import socket
import time
from dataclasses import asdict
from typing import Any

from clients.download_client import SeedGoal
from clients.errors import ClientError, Unavailable
from clients.torrent_channel import LineBuffer, Message, SessionSettings, error_to_json, to_line
from clients.torrent_engine import Engine

TICK_S = 1.0
SAVE_TIMEOUT_S, END_TIMEOUT_S = 2.0, 3
PR_SET_PDEATHSIG = 1


class SessionProcess:
    """The loop between the channel, libtorrent's alerts, signals, and the clock."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._channel.setblocking(False)
        self._received = LineBuffer()
        self._unsent = bytearray()
        self._engine: Engine | None = None
        self._is_stopping = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ, self._on_channel)
        self._alert_fd = self._wakeup_fd(self._on_alerts)
        signal.set_wakeup_fd(self._wakeup_fd(self._on_signal), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the whole group: the daemon tells us
        _ask_for_signal_at_parents_death(signal.SIGTERM)

    def run(self) -> None:
        tick_at = time.monotonic()
        while not self._is_stopping:
            for key, events in self._selector.select(max(0.0, tick_at - time.monotonic())):
                key.data(events)
            if time.monotonic() >= tick_at:
                tick_at = time.monotonic() + TICK_S
                if self._engine:
                    self._engine.tick()
        self._end()

    def _end(self) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(END_TIMEOUT_S)
        if self._engine:
            self._engine.stop(timeout_s=SAVE_TIMEOUT_S)
        self._engine = None

    def _wakeup_fd(self, handler: Any) -> int:
        """A descriptor to write a byte to; `handler` is called in the loop after that."""
        read_fd, write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def drain(_: int) -> None:
            os.read(read_fd, 4096)
            handler()

        self._selector.register(read_fd, selectors.EVENT_READ, drain)
        return write_fd

    def _on_signal(self) -> None:
        self._is_stopping = True

    def _on_alerts(self) -> None:
        if self._engine:
            self._engine.on_alerts()

    def _on_channel(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._send()
            if events & selectors.EVENT_READ:
                data = self._channel.recv(1 << 16)
                self._is_stopping = self._is_stopping or not data
                for request in self._received.feed(data):
                    self._answer(request)
        except ConnectionError:
            self._is_stopping = True

    def _answer(self, request: Message) -> None:
        number, operation = request.pop("id"), request.pop("op")
        try:
            if operation == "remove":
                self._ready().remove(**request, reply=lambda error: self._reply_empty(number, error))
            else:
                self._reply({"id": number, "result": self._result(operation, request)})
        except ClientError as error:
            self._reply({"id": number, "error": error_to_json(error)})

    def _result(self, operation: str, arguments: Message) -> Any:
        match operation:
            case "configure":
                self._engine = Engine(SessionSettings(**arguments), alert_fd=self._alert_fd)
                return self._engine.status()
            case "add":
                torrent = arguments.pop("torrent")
                goal = SeedGoal(**arguments.pop("seed_goal"))
                self._ready().add(**arguments, torrent=base64.b64decode(torrent) if torrent else None, seed_goal=goal)
                return None
            case "list":
                return [asdict(download) for download in self._ready().downloads()]
            case "files":
                return self._ready().files(**arguments)
            case "status":
                return self._ready().status()
        raise Unavailable(f"unknown operation {operation!r}")

    def _ready(self) -> Engine:
        if self._engine is None:
            raise Unavailable("the torrent session is not configured yet")
        return self._engine

    def _reply_empty(self, number: int, error: ClientError | None) -> None:
        self._reply({"id": number, "error": error_to_json(error)} if error else {"id": number, "result": None})

    def _reply(self, message: Message) -> None:
        self._unsent += to_line(message)
        self._send()

    def _send(self) -> None:
        """As much as the channel takes now; a parent that does not read must not hold up the session."""
        with contextlib.suppress(BlockingIOError):
            del self._unsent[: self._channel.send(self._unsent)]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        self._selector.modify(self._channel, events, self._on_channel)


def _ask_for_signal_at_parents_death(number: signal.Signals) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def main() -> None:
    faulthandler.register(signal.SIGUSR1)
    parser = argparse.ArgumentParser(prog="torrent_session", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="inherited end of the socket pair to the parent")
    options = parser.parse_args()
    SessionProcess(socket.socket(fileno=options.fd)).run()


if __name__ == "__main__":
    main()
