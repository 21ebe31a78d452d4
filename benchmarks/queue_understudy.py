"""Understudy's queue as benchmarks/queue.py asks it: DSN CASE COUNT; prints figures as JSON.

The drains use the functions that the actors use, in a loop that acknowledges one batch and claims the next in one
commit. The latency is that of the real Queue and a real Worker.
"""

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.breaker import Breaker
from actors.queue import Lane, Queue
from actors.worker import Worker
from metrics.catalogue import Catalogue
from movies.events import DaemonStarted
from movies.failure import RetryPolicy
from storage import events, jobs
from storage.database import Connection, Database
from storage.job_batches import NewJob, Results, enqueue_each, finish_many
from storage.jobs import Claim

BATCH = 100
KIND = "rss"  # one whose payload may be anything
LANE, LATER = "bench", "later"
LEASE_S = 60.0
THREADS = 4
JOBS_PER_S = 20
Figures = dict[str, Any]


JOB = NewJob(kind=KIND, lane=LANE, correlation_id="bench")


def insert_one(database: Database, count: int) -> Figures:
    start = time.perf_counter()
    for number in range(count):
        with database.transaction() as connection:
            jobs.enqueue(connection, KIND, lane=LANE, payload={"i": number}, correlation_id="bench")
    return {"rate": count / (time.perf_counter() - start)}


def insert_many(database: Database, count: int) -> Figures:
    start = time.perf_counter()
    for first in range(0, count, 1000):
        with database.transaction() as connection:
            enqueue_each(connection, JOB, [{"i": number} for number in range(first, min(count, first + 1000))])
    return {"rate": count / (time.perf_counter() - start)}


def settle(database: Database) -> None:
    """Vacuum and checkpoint, as before every measured drain."""
    with database.listen() as connection:
        connection.execute("vacuum analyze jobs")
        connection.execute("checkpoint")


def fill(database: Database, count: int) -> Figures:
    """So many jobs wait."""
    insert_many(database, count)
    settle(database)
    return {}


def backlog(database: Database, count: int) -> Figures:
    """1,000,000 finished rows and 100,000 that wait."""
    with database.transaction(limit_s=600) as connection:
        connection.execute(
            """insert into jobs (kind, lane, payload, correlation_id, state, attempt, started_at, ended_at)
               select 'rss', %s, '{"i": 1}', 'bench', 'done', 1, now(), now() - n * interval '100 ms'
               from generate_series(1, 1000000) as n""",
            (LANE,),
        )
    return fill(database, 100_000)


def await_others() -> None:
    """Say that this process is ready, and start when the others are."""
    print("ready", flush=True)
    sys.stdin.readline()


def work_off(database: Database, count: int, results: Results | None) -> int:
    """Work on what waits until nothing does, or `count` jobs are done; how many were."""
    held: Sequence[Claim] = ()
    done = 0
    while True:
        with database.transaction() as connection:
            done += len(finish_many(connection, held, results=results).done)
            held = (
                jobs.claim(connection, node="bench", owner=uuid.uuid4(), slots={LANE: BATCH}, lease_s=LEASE_S)
                if done < count
                else ()
            )
        if not held:
            return done


def drain(database: Database, count: int, results: Results | None = None, *, threads: int = 1) -> Figures:
    await_others()
    begun_at = time.time()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(lambda _: work_off(database, count, results), range(threads)))
    return {"done": done, "begun_at": begun_at, "ended_at": time.time()}


def drain_in_two_threads(database: Database, count: int) -> Figures:
    """While the one waits for the server, the other reads what it got."""
    return drain(database, count, threads=2)


def write_results(connection: Connection, claims: Sequence[Claim]) -> None:
    """One domain row, one event and one next job for each, in a statement per table."""
    numbers = [claim.payload["i"] for claim in claims]
    connection.execute("insert into bench_domain select unnest(%s::bigint[]), 'done'", (numbers,))
    connection.execute(
        """insert into events (kind, correlation_id, payload)
           select 'daemon.started', 'bench', '{"node": "bench"}' from unnest(%s::bigint[])""",
        (numbers,),
    )
    enqueue_each(
        connection, NewJob(kind="next", lane=LATER, correlation_id="bench"), [claim.payload for claim in claims]
    )


def drain_with_results(database: Database, count: int) -> Figures:
    """The results of a batch in one transaction."""
    return drain(database, count, write_results)


def drain_one_by_one(database: Database, count: int) -> Figures:
    """As the workers do: claimed in batches, and each job ends in the transaction of its own results."""

    def work(claim: Claim) -> None:
        with database.transaction() as connection:
            jobs.finish(connection, claim)
            connection.execute("insert into bench_domain values (%s, 'done')", (claim.payload["i"],))
            events.emit(connection, DaemonStarted(node="bench"), correlation_id="bench")
            jobs.enqueue(connection, "next", lane=LATER, payload=claim.payload, correlation_id="bench")

    await_others()
    done, begun_at = 0, time.time()
    with ThreadPoolExecutor(THREADS) as pool:
        while done < count:
            with database.transaction() as connection:
                held = jobs.claim(connection, node="bench", owner=uuid.uuid4(), slots={LANE: BATCH}, lease_s=LEASE_S)
            list(pool.map(work, held))
            done += len(held)
    return {"done": done, "begun_at": begun_at, "ended_at": time.time()}


class Timed(Worker):
    """Notes how long its jobs waited, and ends them."""

    waits_ms: list[float]

    def work(self, claim: Claim) -> None:
        self.waits_ms.append((time.time() - claim.payload["sent_at"]) * 1000)
        with self.finishing(claim):
            pass


def latency(database: Database, count: int) -> Figures:
    """From the enqueueing process, before its call, to the worker's first line."""
    queue, lane = Address("queue"), Address(LANE)
    metrics, policy = Catalogue(CollectorRegistry()), RetryPolicy()
    worker = Timed.start(lane, database=database, queue=queue, metrics=metrics, policy=policy, node="bench")
    assert isinstance(lane.actor, Timed)
    waits_ms: list[float] = []
    lane.actor.waits_ms = waits_ms
    Queue.start(
        queue,
        database=database,
        breaker=Breaker("database"),
        lanes={LANE: Lane(lane)},
        node="bench",
        metrics=metrics,
        policy=policy,
        on_ready=lambda connection: None,
        has_begun=threading.Event(),
        chance=lambda: 1.0,
    )
    while not (isinstance(queue.actor, Queue) and queue.actor.is_active):
        time.sleep(0.05)
    producer = subprocess.Popen([sys.executable, "-P", __file__, database.dsn, "produce", str(count)])
    while len(waits_ms) < count:
        time.sleep(0.05)
    producer.wait()
    queue.actor.actor_ref.stop()
    worker.stop()
    return {"waits_ms": waits_ms}


def produce(database: Database, count: int) -> Figures:
    time.sleep(0.5)
    for _ in range(count):
        sent_at = {"sent_at": time.time()}
        with database.transaction() as connection:
            jobs.enqueue(connection, KIND, lane=LANE, payload=sent_at, correlation_id="bench")
        time.sleep(1 / JOBS_PER_S)
    return {}


def install(database: Database, count: int) -> Figures:
    """`prepare()` has done it."""
    return {}


CASES: dict[str, Callable[[Database, int], Figures]] = {
    case.__name__: case
    for case in (
        install,
        insert_one,
        insert_many,
        fill,
        backlog,
        drain,
        drain_in_two_threads,
        drain_with_results,
        drain_one_by_one,
        latency,
        produce,
    )
}


def main() -> None:
    dsn, case, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    database = Database(dsn, application="bench")
    database.open()
    database.prepare()
    print(json.dumps(CASES[case](database, count)), flush=True)
    database.close()


if __name__ == "__main__":
    main()
