"""The base of actors that do jobs: one at a time, each ended by the worker in the transaction of its results."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from typing import assert_never

from actors.address import Address
from actors.base import Supervised
from actors.breaker import BreakerOpen, Outage
from actors.messages import Tick, Work, WorkEnded, WorkerInbox, WorkReturned
from metrics import logs
from metrics.catalogue import Catalogue
from movies.failure import RetryPolicy
from storage import dead_letters, jobs
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable, Fenced
from storage.jobs import Claim

OUTAGE_WAIT_S = 1.0
"""A job put off because its dependency did not answer; once the breaker is open it is not claimed at all."""


class PutOff(Exception):
    """The job cannot be done now through no fault of its own; `waiting_for` names the condition."""

    def __init__(self, text: str, *, waiting_for: str, delay_s: float) -> None:
        super().__init__(text)
        self.waiting_for = waiting_for
        self.delay_s = delay_s


class Failed(Exception):
    """This attempt at the job came to nothing. `reason` is a word of the failure taxonomy (`movies/failure.py`).

    `retry_after_s`: the other side asked to be left alone for so long.
    """

    def __init__(
        self, text: str, *, reason: str, is_permanent: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.is_permanent = is_permanent
        self.retry_after_s = retry_after_s


class Worker(Supervised):
    """Subclasses write `work(claim)`, which ends in `with self.finishing(claim) as connection`."""

    def __init__(
        self,
        address: Address,
        *,
        database: Database,
        queue: Address,
        metrics: Catalogue,
        policy: RetryPolicy,
        node: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(address)
        self.database = database
        self.metrics = metrics
        self.policy = policy
        self.node = node
        self.chance = chance
        self.log = logs.logger(address.name)
        self._queue = queue

    def work(self, claim: Claim) -> None:
        """Do the job and end its row, or raise PutOff, Failed, Outage or BreakerOpen."""
        raise NotImplementedError

    def tick(self) -> None:
        """What is due besides jobs; called for each Tick that the worker tells itself."""

    def came_to_nothing(self, connection: Connection, claim: Claim) -> None:
        """Called in the transaction that puts the job off or fails it."""

    @contextlib.contextmanager
    def finishing(self, claim: Claim) -> Iterator[Connection]:
        """The transaction that ends the job and writes what came of it; what follows a Fenced is rolled back."""
        with self.database.transaction() as connection:
            jobs.finish(connection, claim)
            yield connection

    def handle(self, message: WorkerInbox) -> None:
        match message:
            case Work():
                self._do(message.claim)
            case Tick():
                self.tick()
            case _:
                assert_never(message)

    def _do(self, claim: Claim) -> None:
        start, outcome = time.monotonic(), "done"
        try:
            try:
                self.work(claim)
            except Outage as outage:
                outcome = self._put_off(claim, str(outage), waiting_for=claim.lane, delay_s=OUTAGE_WAIT_S)
            except BreakerOpen as error:
                outcome = self._put_off(claim, str(error), waiting_for=claim.lane, delay_s=error.retry_in_s)
            except PutOff as error:
                outcome = self._put_off(claim, str(error), waiting_for=error.waiting_for, delay_s=error.delay_s)
            except Failed as error:
                outcome = self._fail(claim, error)
        except DatabaseUnavailable as error:
            outcome = "returned"
            self.log.warning("a job goes back: the database is away", job_id=claim.job_id, reason=str(error))
        except Fenced as error:
            outcome = "fenced"
            self.log.warning("a job was taken away", job_id=claim.job_id, reason=str(error))
        self.metrics.jobs_ended.labels(kind=claim.kind, outcome=outcome).inc()
        self.metrics.job_seconds.labels(kind=claim.kind).observe(time.monotonic() - start)
        message = WorkReturned(claim=claim) if outcome == "returned" else WorkEnded(claim=claim)
        self._queue.tell(message, urgent=True)

    def _put_off(self, claim: Claim, text: str, *, waiting_for: str, delay_s: float) -> str:
        self.log.info("a job is put off", kind=claim.kind, job_id=claim.job_id, waiting_for=waiting_for, reason=text)
        with self.database.transaction() as connection:
            jobs.put_off(connection, claim, delay_s=delay_s, waiting_for=waiting_for, error=text)
            self.came_to_nothing(connection, claim)
        return "put_off"

    def _fail(self, claim: Claim, error: Failed) -> str:
        with self.database.transaction() as connection:
            state = dead_letters.fail(
                connection,
                claim,
                reason=error.reason,
                error=str(error),
                policy=self.policy,
                jitter=self.chance(),
                is_permanent=error.is_permanent,
                retry_after_s=error.retry_after_s,
            )
            self.came_to_nothing(connection, claim)
        line = self.log.error if state == "dead" else self.log.warning
        line(
            "a job failed", kind=claim.kind, job_id=claim.job_id, attempt=claim.attempt, reason=str(error), state=state
        )
        return "dead" if state == "dead" else "retried"
