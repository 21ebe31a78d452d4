"""The Housekeeper: forgets what is old in the database, page by page."""

import threading
from typing import Any

from actors.address import Address
from actors.worker import PutOff, Worker
from storage import schedules
from storage.housekeeping import Keep, Prune, prunings
from storage.jobs import Claim

HOUSEKEEPING = "housekeeping"
"""Its task, its kind of job, and its lane."""
RESUME_S = 1.0


class Housekeeper(Worker):
    """`keep` says for how long what is kept."""

    def __init__(self, address: Address, *, keep: Keep, **worker: Any) -> None:
        super().__init__(address, **worker)
        self._keep = keep
        self._stopping = threading.Event()

    def interrupt(self) -> None:
        self._stopping.set()

    def work(self, claim: Claim) -> None:
        pruned = {table: self._prune(prune) for table, prune in prunings(self._keep).items()}
        with self.finishing(claim) as connection:
            schedules.succeeded(connection, HOUSEKEEPING)
        for table, rows in pruned.items():
            self.metrics.pruned_rows.labels(table=table).inc(rows)
        if any(pruned.values()):
            self.log.info("old rows are gone", **{table: rows for table, rows in pruned.items() if rows})

    def _prune(self, prune: Prune) -> int:
        """Every page of one table, each in a transaction of its own; how many rows went."""
        rows, after = 0, 0
        while True:
            if self._stopping.is_set():
                raise PutOff("the daemon stops", waiting_for="the next start", delay_s=RESUME_S)
            with self.database.transaction() as connection:
                page = prune(connection, after)
            self.inbox.go_on()
            rows += page.rows
            if page.after is None:
                return rows
            after = page.after
