"""pgqueuer, one worker process, as benchmarks/queue.py asks it: DSN CASE COUNT DRIVER; prints figures as JSON."""

import asyncio
import json
import logging
import subprocess
import sys
import time

import asyncpg
import psycopg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, PsycopgDriver
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

DSN, CASE, COUNT, DRIVER = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
BATCH = 100
JOBS_PER_S = 20


def uri():
    facts = psycopg.conninfo.conninfo_to_dict(DSN)
    return {
        "host": facts["host"],
        "port": int(facts["port"]),
        "user": facts["user"],
        "password": facts["password"],
        "database": facts["dbname"],
    }


async def driver():
    if DRIVER == "psycopg":
        return PsycopgDriver(await psycopg.AsyncConnection.connect(DSN, autocommit=True))
    return AsyncpgDriver(await asyncpg.connect(**uri()))


async def install():
    queries = Queries(await driver())
    await queries.install()
    await queries.optimize_autovacuum()
    return {}


async def insert_one():
    queries = Queries(await driver())
    start = time.perf_counter()
    for _ in range(COUNT):
        await queries.enqueue("noop", b"{}")
    return {"rate": COUNT / (time.perf_counter() - start)}


async def insert_many(entrypoint="noop"):
    queries = Queries(await driver())
    start = time.perf_counter()
    for first in range(0, COUNT, 1000):
        payloads = [json.dumps({"i": i}).encode() for i in range(first, min(COUNT, first + 1000))]
        await queries.enqueue([entrypoint] * len(payloads), payloads, [0] * len(payloads))
    return {"rate": COUNT / (time.perf_counter() - start)}


async def drain(entrypoint="noop"):
    """Timed up to the last handler: its teardown is not counted."""
    await insert_many(entrypoint)
    with psycopg.connect(DSN, autocommit=True) as connection:
        connection.execute("vacuum analyze pgqueuer")
        connection.execute("checkpoint")
    queuer, done, last_at = PgQueuer(await driver()), 0, 0.0
    queries = Queries(await driver())
    pool = await asyncpg.create_pool(**uri(), min_size=1, max_size=10)

    @queuer.entrypoint("noop")
    async def noop(job):
        nonlocal done, last_at
        done, last_at = done + 1, time.perf_counter()

    @queuer.entrypoint("results")
    async def results(job):
        item = json.loads(job.payload)["i"]
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("insert into bench_domain values ($1, 'done')", item)
            await connection.execute("insert into bench_events (kind, item) values ('done', $1)", item)
        await queries.enqueue("next", job.payload)
        await noop(job)

    start = time.perf_counter()
    await queuer.qm.run(batch_size=BATCH, mode=QueueExecutionMode.drain)
    assert done == COUNT, done
    return {"rate": COUNT / (last_at - start)}


async def work_with_results():
    return await drain("results")


async def latency():
    queuer, waits_ms = PgQueuer(await driver()), []

    @queuer.entrypoint("stamped")
    async def stamped(job):
        waits_ms.append((time.time() - json.loads(job.payload)["sent_at"]) * 1000)

    worker = asyncio.create_task(queuer.qm.run())
    await asyncio.sleep(1)
    producer = subprocess.Popen([sys.executable, "-P", __file__, DSN, "produce", str(COUNT), DRIVER])
    while len(waits_ms) < COUNT:
        await asyncio.sleep(0.05)
    queuer.shutdown.set()
    queuer.qm.shutdown.set()
    await asyncio.wait([worker], timeout=5)
    producer.wait()
    return {"waits_ms": waits_ms}


async def produce():
    queries = Queries(await driver())
    await asyncio.sleep(0.5)
    for _ in range(COUNT):
        await queries.enqueue("stamped", json.dumps({"sent_at": time.time()}).encode())
        await asyncio.sleep(1 / JOBS_PER_S)
    return {}


logging.basicConfig(level=logging.ERROR)
print(json.dumps(uvloop.run(globals()[CASE]())), flush=True)
