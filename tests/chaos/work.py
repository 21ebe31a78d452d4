"""What the workers of the chaos do: each job writes an effect and enqueues the next step, in the end's transaction."""

import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.breaker import Breaker, BreakerSettings
from actors.child import Child, Policy
from actors.exits import Abandoned, ExitReport, Hooks
from actors.messages import Work, WorkCrashed, WorkReturned
from actors.queue import Lane, Queue
from actors.restarts import Backoff
from actors.worker import Failed, PutOff, Worker
from metrics.catalogue import Catalogue
from movies.failure import RetryPolicy
from movies.movie import JobId
from storage import jobs
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable, Fenced
from storage.job_batches import NewJob, enqueue_many, finish_many
from storage.jobs import Claim
from supervisor import Supervisor

KIND = "rss"  # one whose payload may be anything
LANES = [f"indexer:chaos-{number}" for number in range(4)]
SLOTS = 4
LEASE_S = 2.0
SWEEP_S = 0.5
POLICY = RetryPolicy(retries=10**6, base_s=0.02, cap_s=0.05)
"""Failing is no way out: every job must have its effect."""


def job(item: int, step: int, steps: int) -> NewJob:
    """Step number `step` of the `steps` of an item."""
    return NewJob(
        kind=KIND,
        lane=LANES[item % len(LANES)],
        correlation_id=f"item {item}",
        payload={"item": item, "step": step, "steps": steps},
        unique_key=f"chaos:{item}:{step}",
    )


def write_results(connection: Connection, claims: Sequence[Claim]) -> None:
    """The effects of these jobs, and what follows them."""
    for claim in claims:
        connection.execute(
            "insert into effects (job_id, item, step, owner) values (%s, %s, %s, %s)",
            (claim.job_id, claim.payload["item"], claim.payload["step"], claim.owner),
        )
    facts = [claim.payload for claim in claims if claim.payload["step"] < claim.payload["steps"]]
    enqueue_many(connection, [job(fact["item"], fact["step"] + 1, fact["steps"]) for fact in facts])


class Bug(Exception):
    """A worker's incarnation ends."""


class ChaosWorker(Worker):
    """Now and then it fails, waits for something, or has a bug."""

    def work(self, claim: Claim) -> None:
        luck = random.random()
        if luck < 0.02:
            raise Failed("bad luck", reason="chaos")
        if luck < 0.04:
            raise PutOff("bad weather", waiting_for="weather", delay_s=0.02)
        if luck < 0.045:
            raise Bug("a bug")
        with self.finishing(claim) as connection:
            write_results(connection, [claim])


def as_actors(dsn: str, node: str, seed: str) -> None:
    """Returns when the tree stands; it lives in its own threads."""
    random.seed(seed)
    database = Database(dsn, application=node)
    database.open()
    addresses = {name: Address(name) for name in ("queue", *LANES)}
    metrics = Catalogue(CollectorRegistry())
    shared: dict[str, Any] = {"database": database, "metrics": metrics, "policy": POLICY, "node": node}
    queue = shared | {
        "breaker": Breaker("database", BreakerSettings(wait_s=0.2, max_wait_s=0.5)),
        "lanes": {lane: Lane(addresses[lane], slots=SLOTS) for lane in LANES},
        "on_ready": lambda connection: None,
        "has_begun": threading.Event(),
        "chance": random.random,
    }
    at_once = Backoff(min_s=0.0, max_s=0.1)

    def lost(report: ExitReport) -> None:
        if isinstance(report.message, Work) and report.reason is not None:
            claim, error = report.message.claim, str(report.reason)
            is_stop = isinstance(report.reason, Abandoned)
            message = WorkReturned(claim=claim) if is_stop else WorkCrashed(claim=claim, error=error)
            addresses["queue"].tell(message, urgent=True)

    arguments: Mapping[str, Any] = {
        "children": [
            Child(name="queue", actor=Queue, arguments=queue, backoff=at_once),
            *(
                Child(name=lane, actor=ChaosWorker, arguments=shared | {"queue": addresses["queue"]}, backoff=at_once)
                for lane in LANES
            ),
        ],
        "addresses": addresses,
        "policy": Policy(intensity=10**9),
        "hooks": Hooks(on_exit=lost),
    }
    Supervisor.start(Address("root"), **arguments)


class Batches:
    """Takes many jobs at once and ends them together or one by one, in time or too late, and sometimes twice."""

    def __init__(self, dsn: str, node: str, seed: str) -> None:
        self._node, self._random = node, random.Random(seed)
        self._database = Database(dsn, application=node)
        self._database.open()
        self._next_sweep = 0.0
        self._given_back: list[Claim] = []

    def run(self) -> None:
        while True:
            try:
                if not self._database.is_prepared:
                    self._database.prepare()
                self._cycle()
            except DatabaseUnavailable:
                time.sleep(0.05)

    def _cycle(self) -> None:
        with self._database.transaction() as connection:
            if time.monotonic() >= self._next_sweep:
                self._next_sweep = time.monotonic() + SWEEP_S
                jobs.sweep(connection)
            slots = {lane: self._random.randint(1, 20) for lane in LANES}
            claims = jobs.claim(connection, node=self._node, owner=uuid.uuid4(), slots=slots, lease_s=LEASE_S)
        if not claims:
            time.sleep(0.02)
        elif self._random.random() < 0.02:
            time.sleep(LEASE_S * self._random.uniform(0.5, 1.5))
        elif self._random.random() < 0.2:
            time.sleep(self._random.uniform(0.0, 0.1))
            with self._database.transaction() as connection:
                held = jobs.extend_leases(connection, claims, lease_s=LEASE_S)
            claims = [claim for claim in claims if claim.job_id in held]
        self._end(claims)
        self._acknowledge_again()

    def _end(self, claims: Sequence[Claim]) -> None:
        unlucky: list[JobId] = [claim.job_id for claim in claims if self._random.random() < 0.05]
        for claim in claims:
            if claim.job_id in unlucky:
                self._undo(claim)
        rest = [claim for claim in claims if claim.job_id not in unlucky]
        if self._random.random() < 0.5:
            with self._database.transaction() as connection:
                finish_many(connection, rest, results=write_results)
            return
        for claim in rest:
            self._end_one(claim)

    def _undo(self, claim: Claim) -> None:
        self._given_back = [*self._given_back[-15:], claim]
        how = self._random.choice([self._fail, self._put_off, self._release])
        try:
            with self._database.transaction() as connection:
                how(connection, claim)
        except Fenced:
            return

    def _fail(self, connection: Connection, claim: Claim) -> None:
        jobs.fail(connection, claim, reason="chaos", error="bad luck", policy=POLICY, jitter=0.5)

    def _put_off(self, connection: Connection, claim: Claim) -> None:
        jobs.put_off(connection, claim, delay_s=0.02, waiting_for="weather")

    def _release(self, connection: Connection, claim: Claim) -> None:
        jobs.release(connection, [claim])

    def _end_one(self, claim: Claim) -> None:
        try:
            with self._database.transaction() as connection:
                jobs.finish(connection, claim)
                write_results(connection, [claim])
        except Fenced:
            return

    def _acknowledge_again(self) -> None:
        """As a zombie would, of jobs that were given back: others have them by now, or are done with them."""
        if self._random.random() < 0.5:
            return
        zombies = self._random.sample(self._given_back, k=len(self._given_back))
        with self._database.transaction() as connection:
            finish_many(connection, zombies[:10], results=write_results)
        with self._database.transaction() as connection:
            jobs.extend_leases(connection, zombies, lease_s=LEASE_S)
            jobs.release(connection, zombies)
        for claim in zombies[10:]:
            self._end_one(claim)


def in_batches(dsn: str, node: str, seed: str) -> None:
    Batches(dsn, node, seed).run()


ROADS: Mapping[str, Callable[[str, str, str], None]] = {"actors": as_actors, "batches": in_batches}
