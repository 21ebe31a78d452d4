"""The Archivist: makes the backups that are due, and says so when there is none."""

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.address import Address
from actors.health import HealthBoard
from actors.messages import Tick
from actors.operation import Operation
from actors.worker import PutOff, Worker
from storage import progress, schedules
from storage.backup import OnStep
from storage.database import Connection
from storage.errors import DatabaseUnavailable, StorageError
from storage.file_errors import FileError
from storage.jobs import Claim
from storage.progress_writer import ProgressWriter
from storage.schedules import Outcome

BACKUP = "backup"
"""Its task, its kind of job, its lane, and its item of health."""
LOOK_EVERY_S = 60.0
RETRY_S = 900.0
RESUME_S = 1.0
STALE_S = 2 * 86400.0

Make = Callable[[Callable[[], bool], OnStep], Path]
"""`make(is_stopping, on_step)` writes a backup. It asks all the time whether to stop, and ends what does not go on."""


class Archivist(Worker):
    """A backup that fails is tried again every `retry_s` seconds, and is no dead letter: the next will do as well."""

    def __init__(
        self,
        address: Address,
        *,
        make: Make,
        health: HealthBoard,
        progress_writer: ProgressWriter,
        retry_s: float = RETRY_S,
        stale_s: float = STALE_S,
        clock: Callable[[], float] = time.monotonic,
        **worker: Any,
    ) -> None:
        super().__init__(address, **worker)
        self._make, self._health, self._retry_s, self._clock = make, health, retry_s, clock
        self._progress, self._stale_s = progress_writer, stale_s
        self._stopping = threading.Event()
        self._made_at: float | None = None
        self.metrics.backup_age.set_function(self._age_s)

    def init(self) -> None:
        self.address.tell_after(0.0, Tick())

    def interrupt(self) -> None:
        self._stopping.set()

    def tick(self) -> None:
        """Look at how it went last, on whatever node that was."""
        try:
            with self.database.transaction() as connection:
                outcome = schedules.outcome(connection, BACKUP)
        except DatabaseUnavailable:
            self.address.tell_after(RESUME_S, Tick())
            return
        if outcome is not None:
            self._show(outcome)
        self.address.tell_after(LOOK_EVERY_S, Tick())

    def work(self, claim: Claim) -> None:
        start = self._clock()
        try:
            path = self._make(self._is_stopping, self._shower(claim))
        except (StorageError, FileError) as error:
            self._failed(error)
            raise PutOff(str(error), waiting_for=BACKUP, delay_s=self._retry_s) from error
        with self.finishing(claim) as connection:
            schedules.succeeded(connection, BACKUP)
            progress.end_job(connection, claim)
            outcome = schedules.outcome(connection, BACKUP)
        assert outcome is not None
        self._show(outcome)
        self.log.info("a backup was made", file=path.name, duration_s=round(self._clock() - start, 1))

    def _shower(self, claim: Claim) -> OnStep:
        """Shows what `make` tells; how much it will be is unknown."""
        operation, shown = Operation(BACKUP, claim=claim, writer=self._progress, step="saving"), "saving"

        def show(step: str, size_bytes: int) -> None:
            nonlocal shown
            if step != shown:
                operation.begin(step)
                shown = step
            operation.moved(size_bytes, 0)

        return show

    def came_to_nothing(self, connection: Connection, claim: Claim) -> None:
        progress.end_job(connection, claim)

    def _is_stopping(self) -> bool:
        """Asked while the backup goes on: a sign of life."""
        self.inbox.go_on()
        return self._stopping.is_set()

    def _failed(self, error: StorageError | FileError) -> None:
        if self._stopping.is_set():
            raise PutOff("the daemon stops", waiting_for="the next start", delay_s=RESUME_S) from error
        self.log.error("a backup failed", reason=str(error))
        with self.database.transaction() as connection:
            schedules.failed(connection, BACKUP, str(error))
            outcome = schedules.outcome(connection, BACKUP)
        assert outcome is not None
        self._show(outcome)

    def _show(self, outcome: Outcome) -> None:
        ago_s = outcome.succeeded_ago_s
        self._made_at = None if ago_s is None else self._clock() - ago_s
        self.metrics.backup_failing.set(outcome.error is not None)
        old_s = outcome.known_for_s if ago_s is None else ago_s
        if outcome.error is not None:
            self._health.set(BACKUP, f"the last backup failed, it is tried again: {outcome.error}", severity="error")
        elif old_s > self._stale_s:
            text = f"no backup was made for {old_s / 86400.0:.0f} days: see understudy jobs list"
            self._health.set(BACKUP, text, severity="error")
        else:
            self._health.clear(BACKUP)

    def _age_s(self) -> float:
        return math.nan if self._made_at is None else self._clock() - self._made_at
