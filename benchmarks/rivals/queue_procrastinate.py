"""procrastinate, one worker process, as benchmarks/queue.py asks it: DSN CASE COUNT; prints figures as JSON."""

import asyncio
import json
import logging
import subprocess
import sys
import time

import procrastinate
import psycopg
from psycopg_pool import AsyncConnectionPool

DSN, CASE, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
CONCURRENCIES = (30, 100)
JOBS_PER_S = 20


class Bench:
    def __init__(self):
        self.app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=DSN, min_size=2, max_size=12))
        self.pool = AsyncConnectionPool(DSN, min_size=1, max_size=10, open=False)
        self.done, self.last_at, self.waits_ms = 0, 0.0, []

        @self.app.task(name="noop", queue="q")
        async def noop(i):
            self.ended()

        @self.app.task(name="next", queue="later")
        async def next_(i):
            """Never worked."""

        @self.app.task(name="results", queue="q")
        async def results(i):
            async with self.pool.connection() as connection:
                await connection.execute("insert into bench_domain values (%s, 'done')", (i,))
                await connection.execute("insert into bench_events (kind, item) values ('done', %s)", (i,))
            await next_.defer_async(i=i)
            self.ended()

        @self.app.task(name="stamped", queue="q")
        async def stamped(sent_at):
            self.waits_ms.append((time.time() - sent_at) * 1000)

        self.noop, self.results, self.stamped = noop, results, stamped

    def ended(self):
        self.done, self.last_at = self.done + 1, time.perf_counter()

    async def insert_one(self):
        start = time.perf_counter()
        for i in range(COUNT):
            await self.noop.defer_async(i=i)
        return {"rate": COUNT / (time.perf_counter() - start)}

    async def insert_many(self, task=None):
        start = time.perf_counter()
        for first in range(0, COUNT, 1000):
            await (task or self.noop).batch_defer_async(*[{"i": i} for i in range(first, min(COUNT, first + 1000))])
        return {"rate": COUNT / (time.perf_counter() - start)}

    async def drain(self, task=None):
        found = {}
        for concurrency in CONCURRENCIES:
            self.done = 0
            await self.insert_many(task)
            settle()
            start = time.perf_counter()
            await self.app.run_worker_async(
                queues=["q"], concurrency=concurrency, wait=False, install_signal_handlers=False
            )
            assert self.done == COUNT, self.done
            found[concurrency] = COUNT / (self.last_at - start)
            with psycopg.connect(DSN, autocommit=True) as connection:
                connection.execute("truncate procrastinate_jobs, procrastinate_events, bench_domain cascade")
        return {"rate": max(found.values()), "by_concurrency": found}

    async def work_with_results(self):
        await self.pool.open()
        return await self.drain(self.results)

    async def latency(self):
        options = {"queues": ["q"], "concurrency": 10, "wait": True, "install_signal_handlers": False}
        worker = asyncio.create_task(self.app.run_worker_async(**options))
        await asyncio.sleep(1)
        producer = subprocess.Popen([sys.executable, "-P", __file__, DSN, "produce", str(COUNT)])
        while len(self.waits_ms) < COUNT:
            await asyncio.sleep(0.05)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        producer.wait()
        return {"waits_ms": self.waits_ms}

    async def produce(self):
        await asyncio.sleep(0.5)
        for _ in range(COUNT):
            await self.stamped.defer_async(sent_at=time.time())
            await asyncio.sleep(1 / JOBS_PER_S)
        return {}


def settle():
    with psycopg.connect(DSN, autocommit=True) as connection:
        connection.execute("vacuum analyze procrastinate_jobs")
        connection.execute("checkpoint")


def install():
    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=DSN))
    with app.open():
        app.schema_manager.apply_schema()


async def main():
    bench = Bench()
    async with bench.app.open_async():
        return await getattr(bench, CASE)()


logging.basicConfig(level=logging.ERROR)
if CASE == "install":
    install()
else:
    print(json.dumps(asyncio.run(main())))
