"""Keeps the embedded PostgreSQL running: it starts before anything needs it, again when it dies, and stops last."""

import threading
from collections.abc import Callable

from metrics import logs
from storage.embedded import EmbeddedPostgres
from storage.errors import PostgresFailed

LOOK_EVERY_S = 1.0
MAX_WAIT_S = 4.0


class PostgresKeeper:
    """A thread; `on_failed` is told when the very first start fails, which no waiting mends."""

    def __init__(self, postgres: EmbeddedPostgres, *, on_failed: Callable[[PostgresFailed], None]) -> None:
        self._postgres = postgres
        self._on_failed = on_failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postgres-keeper", daemon=True)
        self._log = logs.logger("postgres")
        self.is_starting = True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10.0)
        self._postgres.stop()

    def _run(self) -> None:
        started, wait_s = 0, LOOK_EVERY_S
        while not self._stopping.is_set():
            if self._postgres.is_running():
                self._stopping.wait(LOOK_EVERY_S)
                continue
            try:
                self._postgres.start()
            except (PostgresFailed, OSError) as error:
                if started == 0:
                    self._on_failed(error if isinstance(error, PostgresFailed) else PostgresFailed(str(error)))
                    return
                self._log.error("postgres could not be started", reason=str(error))
                wait_s = min(MAX_WAIT_S, wait_s * 2)
                self._stopping.wait(wait_s)
                continue
            started, wait_s = started + 1, LOOK_EVERY_S
            self.is_starting = False
            if started > 1:
                self._log.warning("postgres was started again", pid=self._postgres.pid)
