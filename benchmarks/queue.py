"""The queue beside procrastinate and pgqueuer, in turn, on one server: the embedded one, with fsync, on a disk.

    .venv/bin/python -P benchmarks/queue.py [--rounds N] [--no-rivals] [--no-backlog]

Each case runs in a new process and a new database. Rivals have virtual environments of their own, made from
benchmarks/rivals/*.txt on first use. Rates are jobs a second; a ratio is the median of the rounds' ratios, to the best
rival of the round. Each round also notes how often a second the disk makes 8 KiB durable, for that swings.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.rival import RIVALS, python_of
from storage.data_folder import DataFolder
from storage.embedded import EmbeddedPostgres

HERE = Path(__file__).resolve().parent
TABLES = """
create table bench_domain (id bigint primary key, state text not null);
create table bench_events (id bigint generated always as identity primary key, kind text, item bigint,
                           at timestamptz default now());
"""
OURS, PROCRASTINATE, PSYCOPG, ASYNCPG = "understudy", "procrastinate", "pgqueuer/psycopg", "pgqueuer/asyncpg"
LATENCY_JOBS = 200
LIMIT_S = 600


@dataclass(frozen=True, kw_only=True)
class System:
    """A queue's program, and how many jobs it gets in each case: enough for a second or two."""

    argv: list[str]
    insert_one: int = 300
    insert_many: int = 20_000
    drain: int
    results: int
    driver: str = ""


def systems(*, with_rivals: bool) -> dict[str, System]:
    found = {OURS: System(argv=[sys.executable, "-P", str(HERE / "queue_understudy.py")], drain=20_000, results=2_000)}
    if with_rivals:
        procrastinate = [python_of("procrastinate"), "-P", str(RIVALS / "queue_procrastinate.py")]
        pgqueuer = [python_of("pgqueuer"), "-P", str(RIVALS / "queue_pgqueuer.py")]
        found[PROCRASTINATE] = System(argv=procrastinate, drain=1_000, results=500)
        found[PSYCOPG] = System(argv=pgqueuer, drain=5_000, results=1_000, driver="psycopg")
        found[ASYNCPG] = System(argv=pgqueuer, drain=10_000, results=1_000, driver="asyncpg")
    return found


class Bench:
    """Runs cases and keeps what they said: `found[case][system]`, one value for each round."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self.found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._databases = 0

    def database(self, system: System) -> str:
        """A new database with the system's schema."""
        self._databases += 1
        name = f"bench_{self._databases}"
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            connection.execute(f"create database {name} template template0".encode())
        dsn = make_conninfo(self.server.dsn, dbname=name)
        self.run(system, dsn, "install", 0)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(TABLES)
        return dsn

    def drop(self, dsn: str) -> None:
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)".encode())
            connection.execute("checkpoint")

    def start(self, system: System, dsn: str, case: str, count: int) -> "subprocess.Popen[str]":
        argv = [*system.argv, dsn, case, str(count), *([system.driver] if system.driver else [])]
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, system: System, dsn: str, case: str, count: int) -> Mapping[str, Any]:
        """What the case's process says in its last line."""
        said, _ = self.start(system, dsn, case, count).communicate(timeout=LIMIT_S)
        lines = said.strip().splitlines()
        return dict(json.loads(lines[-1])) if lines else {}

    def rate(self, system: System, case: str, count: int) -> float:
        dsn = self.database(system)
        rate = float(self.run(system, dsn, case, count)["rate"])
        self.drop(dsn)
        return rate

    def drain_rate(
        self, system: System, case: str, *, waiting: int, backlog: bool = False, processes: int = 1
    ) -> float:
        """Of ours: `processes` begin together; from the first one's beginning to the last one's end."""
        dsn = self.database(system)
        self.run(system, dsn, "backlog" if backlog else "fill", waiting)
        count = waiting if processes == 1 else 10**9
        workers = [self.start(system, dsn, case, count) for _ in range(processes)]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        figures = [json.loads(worker.communicate(timeout=LIMIT_S)[0].strip().splitlines()[-1]) for worker in workers]
        self.drop(dsn)
        begun_at = min(figure["begun_at"] for figure in figures)
        ended_at = max(figure["ended_at"] for figure in figures)
        return float(sum(figure["done"] for figure in figures) / (ended_at - begun_at))

    def waits_ms(self, system: System) -> list[float]:
        dsn = self.database(system)
        waits = list(self.run(system, dsn, "latency", LATENCY_JOBS)["waits_ms"])
        self.drop(dsn)
        return waits

    def round(self, known: Mapping[str, System], *, with_backlog: bool) -> None:
        """Every case once; within a case the systems one after the other."""
        self.found["disk, fdatasync/s"]["this machine"].append(syncs_per_s(self.server.folder.path))
        for name, system in known.items():
            self.found["insert, one a commit"][name].append(self.rate(system, "insert_one", system.insert_one))
        for name, system in known.items():
            self.found["insert, 1,000 a commit"][name].append(self.rate(system, "insert_many", system.insert_many))
        for name, system in known.items():
            if name == OURS:
                rate = self.drain_rate(system, "drain", waiting=system.drain)
                in_threads = self.drain_rate(system, "drain_in_two_threads", waiting=2 * system.drain)
            else:
                rate = in_threads = self.rate(system, "drain", system.drain)
            self.found["drain, no-op, batch 100"][name].append(rate)
            self.found["drain, no-op, batch 100, ours in two threads"][name].append(in_threads)
        for name, system in known.items():
            rate = (
                self.drain_rate(system, "drain_one_by_one", waiting=system.results)
                if name == OURS
                else self.rate(system, "work_with_results", system.results)
            )
            self.found["drain, each with its results"][name].append(rate)
        for name, system in known.items():
            waits = self.waits_ms(system)
            self.found["enqueue to start p50, ms"][name].append(statistics.median(waits))
            self.found["enqueue to start p99, ms"][name].append(statistics.quantiles(waits, n=100)[98])
        self._ours_alone(known[OURS], with_backlog=with_backlog)

    def _ours_alone(self, ours: System, *, with_backlog: bool) -> None:
        found = self.found["ours alone"]
        batch = self.drain_rate(ours, "drain_with_results", waiting=10 * ours.results)
        found["drain, results of 100 in one commit"].append(batch)
        found["drain, no-op, 1 process, 40,000 jobs"].append(self.drain_rate(ours, "drain", waiting=40_000))
        found["drain, no-op, 2 processes"].append(self.drain_rate(ours, "drain", waiting=40_000, processes=2))
        if with_backlog:
            found["drain, 1,000,000 finished and 100,000 waiting"].append(
                self.drain_rate(ours, "drain", waiting=40_000, backlog=True)
            )

    def report(self) -> None:
        for case, by_system in self.found.items():
            for name, values in by_system.items():
                spread = f"{min(values):,.1f} to {max(values):,.1f}"
                print(f"{case} | {name} | median {statistics.median(values):,.1f} of {len(values)} | {spread}")
            if len(by_system) > 1 and OURS in by_system:
                print(f"{case} | ratio to the best rival | {self._ratio(by_system, case):.2f}")
        alone = self.found["ours alone"]
        one = alone["drain, no-op, 1 process, 40,000 jobs"]
        for name in ("drain, no-op, 2 processes", "drain, 1,000,000 finished and 100,000 waiting"):
            if alone.get(name):
                print(f"{name} | ratio to one process on an empty table | {median_ratio(alone[name], one):.2f}")

    def _ratio(self, by_system: Mapping[str, list[float]], case: str) -> float:
        rivals = [values for name, values in by_system.items() if name != OURS]
        best = [(min if case.endswith("ms") else max)(values) for values in zip(*rivals, strict=True)]
        return median_ratio(by_system[OURS], best)


def median_ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def syncs_per_s(folder: Path, *, count: int = 60) -> float:
    """How many 8 KiB appends the disk makes durable in a second, one after the other."""
    with tempfile.TemporaryFile(dir=folder) as file:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            file.write(b"x" * 8192)
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return 1 / statistics.median(times)


def spawn(argv: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    """Start the server's process, whose remarks go to its log."""
    return subprocess.Popen(argv, stderr=subprocess.STDOUT, **options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--no-backlog", action="store_true", help="without the million finished rows")
    parser.add_argument("--folder", type=Path, help="where the server's data go (a new folder within it)")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(HERE.parent)
    known = systems(with_rivals=not options.no_rivals)
    with tempfile.TemporaryDirectory(prefix="understudy-queue-", dir=options.folder) as folder:
        data_folder = DataFolder(Path(folder))
        data_folder.lock(wait_s=10)
        server = EmbeddedPostgres(data_folder, spawn=spawn)
        server.start()
        bench = Bench(server)
        try:
            for number in range(options.rounds):
                bench.round(known, with_backlog=not options.no_backlog)
                print(f"round {number + 1} of {options.rounds}", flush=True)
                bench.report()
        finally:
            server.stop()
            data_folder.unlock()


if __name__ == "__main__":
    main()
