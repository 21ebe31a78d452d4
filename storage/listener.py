"""Wake-ups from PostgreSQL: one connection of the process that listens, in a thread of its own, for all who ask.

It comes back after an outage, and everybody is called then: what came meanwhile has notified nobody.
"""

import os
import select
import threading
import time
from collections.abc import Callable
from weakref import WeakKeyDictionary, ref

import psycopg

from storage.database import Database
from storage.errors import DatabaseUnavailable

LISTEN_S = 60.0
RETRY_S = 1.0


class Listener:
    """Calls `on_notify(channel)` for every notification, and once per channel when it begins and after a reconnect.

    The calls come from the listening thread, which others share: `on_notify` returns at once and raises nothing.
    """

    def __init__(self, database: Database, *channels: str, on_notify: Callable[[str], None]) -> None:
        self.channels = channels
        self.on_notify = on_notify
        self._database, self._ear = database, _ear_of(database)

    def start(self) -> None:
        self._ear.add(self)

    def stop(self) -> None:
        """Not called any more, but for a call that is just being made."""
        self._ear.remove(self)

    def ring(self) -> None:
        for channel in self.channels:
            self.on_notify(channel)


class _Ear:
    """The listening connection of one Database. Its thread lives while there are listeners."""

    def __init__(self, database: Database) -> None:
        self._database = ref(database)
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._new: list[Listener] = []
        self._wakes, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._is_running = False

    def __del__(self) -> None:
        os.close(self._wakes)
        os.close(self._wake)

    def add(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.append(listener)
            self._new.append(listener)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="database-listener", daemon=True).start()
        os.write(self._wake, b".")

    def remove(self, listener: Listener) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
        os.write(self._wake, b".")

    def _run(self) -> None:
        while (channels := self._wanted()) and (database := self._database()) is not None:
            try:
                connection = database.listen(*channels)
            except DatabaseUnavailable:
                time.sleep(RETRY_S)
                continue
            try:
                with connection:
                    self._listen(connection, channels)
            except psycopg.Error:
                continue

    def _wanted(self) -> list[str]:
        """The channels somebody listens to; none ends the thread."""
        with self._lock:
            channels = sorted({channel for listener in self._listeners for channel in listener.channels})
            self._is_running = bool(channels)
            return channels

    def _listen(self, connection: psycopg.Connection, channels: list[str]) -> None:
        """Until the connection is lost, somebody wants another channel, or nobody wants any."""
        new: list[Listener] | None = self._all()
        readable = select.poll()  # select() itself knows no descriptors above 1023
        readable.register(connection.fileno(), select.POLLIN)
        readable.register(self._wakes, select.POLLIN)
        while new is not None:
            for listener in new:
                listener.ring()
            readable.poll(LISTEN_S * 1000)
            self._forget_wakes()
            connection.pgconn.consume_input()
            while (notification := connection.pgconn.notifies()) is not None:
                self._pass_on(notification.relname.decode())
            new = self._newcomers(channels)

    def _pass_on(self, channel: str) -> None:
        with self._lock:
            concerned = [listener for listener in self._listeners if channel in listener.channels]
        for listener in concerned:
            listener.on_notify(channel)

    def _all(self) -> list[Listener]:
        """Everybody, newcomers among them."""
        with self._lock:
            self._new.clear()
            return list(self._listeners)

    def _newcomers(self, channels: list[str]) -> list[Listener] | None:
        """Those who have come since the last look; None where `channels` are not those that are wanted."""
        with self._lock:
            wanted = {channel for listener in self._listeners for channel in listener.channels}
            if not wanted or not wanted.issubset(channels):
                return None
            new, self._new = self._new, []
            return [listener for listener in new if listener in self._listeners]

    def _forget_wakes(self) -> None:
        try:
            os.read(self._wakes, 4096)
        except BlockingIOError:
            return


_ears: WeakKeyDictionary[Database, _Ear] = WeakKeyDictionary()
_ears_lock = threading.Lock()


def _ear_of(database: Database) -> _Ear:
    with _ears_lock:
        if database not in _ears:
            _ears[database] = _Ear(database)
        return _ears[database]
