"""Wake-ups from PostgreSQL: one connection that listens, in a thread of its own, and comes back after an outage."""

import threading
from collections.abc import Callable

import psycopg

from storage.database import Database
from storage.errors import DatabaseUnavailable

LISTEN_S = 5.0


class Listener:
    """Calls `on_notify(channel)` from its thread for every notification, and once per channel after a reconnect."""

    def __init__(self, database: Database, *channels: str, on_notify: Callable[[str], None]) -> None:
        self._database = database
        self._channels = channels
        self._on_notify = on_notify
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends within five seconds; nobody waits for it."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                connection = self._database.listen(*self._channels)
            except DatabaseUnavailable:
                self._stopping.wait(1.0)
                continue
            try:
                with connection:
                    for channel in self._channels:
                        self._on_notify(channel)
                    self._listen(connection)
            except psycopg.Error:
                continue

    def _listen(self, connection: psycopg.Connection) -> None:
        while not self._stopping.is_set():
            for notification in connection.notifies(timeout=LISTEN_S, stop_after=100):
                self._on_notify(notification.channel)
