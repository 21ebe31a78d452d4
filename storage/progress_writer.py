"""The one writer of progress of a process: keeps the newest values of each operation and writes them all at once.

Twice a second at most, in one statement, which notifies once. Whoever shows progress never waits for the database, and
while that is away the values wait for it, newer ones in place of older.
"""

import threading
import time
from collections.abc import Callable

from storage import progress
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.progress import Progress

FLUSH_EVERY_S = 0.5


class ProgressWriter:
    """`show` may be called from any thread and as often as one likes. Its own thread begins with the first value."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._condition = threading.Condition()
        self._waiting: dict[str, Progress] = {}
        self._passed_over: set[str] = set()
        self._next_flush = 0.0
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def show(self, newest: Progress) -> None:
        """These are the operation's values now; they are in the database within half a second, or newer ones are."""
        with self._condition:
            if self._is_closed:
                return
            self._waiting[newest.operation] = newest
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="progress-writer", daemon=True)
                self._thread.start()
            self._condition.notify()

    def close(self, *, timeout_s: float = 1.0) -> None:
        """Write what waits, if the database takes it in time; later values are not written."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        while (newest := self._take()) is not None:
            self._put_back(self._write(newest))

    def _take(self) -> dict[str, Progress] | None:
        """All that waits, once it may be written; None when there will be no more."""
        with self._condition:
            while not self._is_closed:
                wait_s = self._next_flush - self._clock() if self._waiting else None
                if wait_s is not None and wait_s <= 0:
                    break
                self._condition.wait(wait_s)
            if not self._waiting:
                return None
            self._next_flush = self._clock() + FLUSH_EVERY_S
            taken, self._waiting = self._waiting, {}
            return taken

    def _write(self, newest: dict[str, Progress]) -> dict[str, Progress]:
        """What must be tried again. An operation that is passed over twice has ended."""
        try:
            with self._database.transaction() as connection:
                written = progress.write(connection, newest.values())
        except DatabaseUnavailable:
            return newest
        passed_over = newest.keys() - written
        again = {name: newest[name] for name in passed_over - self._passed_over}
        self._passed_over = passed_over
        return again

    def _put_back(self, unwritten: dict[str, Progress]) -> None:
        with self._condition:
            if not self._is_closed:
                self._waiting = unwritten | self._waiting
