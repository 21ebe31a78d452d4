"""The chaos: jobs worked by several processes while these are killed, frozen, cut off and lied to about the time.

    .venv/bin/python -P -m tests.chaos.run [--jobs 100000] [--seed N]

Each item is a chain of jobs, of which each writes one effect in the transaction that ends it and enqueues the next. At
the end every effect must be there once, written with the token that the database saw end the job; the audit (audit.sql)
must not have seen anybody touch another's claim; and no lease may have stayed behind its time. The seed decides what is
done, and to whom; the machine decides when.
"""

import argparse
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from storage.dead_letters import retry
from storage.embedded import EmbeddedPostgres
from storage.job_batches import enqueue_many
from tests.chaos.work import job
from tests.postgres import add_template, fresh_database, postgres_server, server_folder

AUDIT = Path(__file__).with_name("audit.sql")
REPOSITORY = Path(__file__).parents[2]
ROADS = ("actors", "batches", "actors", "batches")
STEPS = 4
OVERDUE_LIMIT_S = 10.0
"""A sweep comes every five seconds, and the machine may be busy."""


@dataclass(kw_only=True)
class Report:
    """What was done, and what is wrong: nothing, if all is well."""

    seed: int
    done: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    overdue_s: float = 0.0
    jobs: int = 0

    def __str__(self) -> str:
        deeds = ", ".join(f"{name} {count}" for name, count in sorted(self.done.items()))
        lines = [f"{self.jobs} jobs in {self.seconds:.0f} s; {deeds}; the longest overdue lease {self.overdue_s:.1f} s"]
        return "\n".join([*lines, *self.problems])


class Process:
    """A worker process, which is started again after each end."""

    def __init__(self, dsn: str, node: str, road: str, seed: str, log: Path) -> None:
        self._argv = [sys.executable, "-P", "-m", "tests.chaos.worker", dsn, node, road, seed]
        self.node, self._log, self.is_frozen = node, log, False
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=REPOSITORY, text=True
            )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def again(self) -> None:
        self.kill()
        self.is_frozen = False
        self._start()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self.is_frozen = False

    def jump(self, seconds: float) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(f"{seconds}\n")
                self._process.stdin.flush()

    @property
    def status(self) -> int | None:
        return self._process.poll()


class Monkey:
    """Does one bad thing after the other, as its seed has it."""

    def __init__(self, server: EmbeddedPostgres, dsn: str, processes: Sequence[Process], report: Report) -> None:
        self._server, self._dsn, self._processes, self._report = server, dsn, processes, report
        self._random = random.Random(report.seed)
        self._thaw_at: dict[Process, float] = {}
        self._deeds: dict[Callable[[], None], int] = {
            self._kill: 6,
            self._terminate: 6,
            self._freeze: 3,
            self._jump: 3,
            self._expire: 2,
            self._restart: 1,
        }

    def act(self) -> None:
        (deed,) = self._random.choices(list(self._deeds), weights=list(self._deeds.values()))
        with suppress(psycopg.Error):
            deed()
        self._report.done[deed.__name__.lstrip("_")] += 1

    def pause_s(self) -> float:
        return self._random.uniform(0.1, 0.8)

    def thaw_those_due(self) -> None:
        for process, at in list(self._thaw_at.items()):
            if time.monotonic() >= at:
                del self._thaw_at[process]
                process.thaw()

    def _one(self) -> Process:
        return self._random.choice(self._processes)

    def _kill(self) -> None:
        process = self._one()
        self._thaw_at.pop(process, None)
        process.again()

    def _freeze(self) -> None:
        """Beyond its lease, so that it wakes up as a zombie."""
        process, for_s = self._one(), self._random.uniform(0.5, 4.0)
        if not process.is_frozen:
            process.freeze()
            self._thaw_at[process] = time.monotonic() + for_s
            self._let_leases_run_out("worker_node = %s", process.node)

    def _expire(self) -> None:
        """As if the database's clock jumped forward: all leases run out at once."""
        self._let_leases_run_out("%s <> ''", "all")

    def _jump(self) -> None:
        self._one().jump(self._random.choice([-86400.0, -30.0, 5.0, 3600.0, 86400.0]))

    def _terminate(self) -> None:
        """Some connections, in whatever they are doing."""
        share = self._random.uniform(0.1, 1.0)
        with self._connection() as connection:
            connection.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid() and random() < %s""",
                (share,),
            )

    def _restart(self) -> None:
        """Immediately, without a checkpoint: the server recovers as after a crash."""
        assert self._server.pid is not None
        os.kill(self._server.pid, signal.SIGQUIT)
        while self._server.is_running():
            time.sleep(0.01)
        self._server.start()

    def _let_leases_run_out(self, which: str, value: str) -> None:
        with self._connection() as connection:
            connection.execute(
                f"""update jobs set lease_until = now() - interval '10 ms' where id = any(array(
                        select id from jobs where state = 'running' and {which} for update skip locked))""".encode(),
                (value,),
            )

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(self._dsn, autocommit=True, application_name="monkey")


def prepare(dsn: str, items: int) -> None:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute(AUDIT.read_bytes())
        for first in range(0, items, 1000):
            batch = range(first, min(items, first + 1000))
            enqueue_many(connection, [job(item, 1, STEPS) for item in batch])


@contextmanager
def working(dsn: str, seed: int, folder: Path) -> Iterator[list[Process]]:
    processes = [
        Process(dsn, f"node-{number}", road, f"{seed}-{number}", folder / "workers.log")
        for number, road in enumerate(ROADS)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def run(*, jobs: int, seed: int, limit_s: float) -> Report:
    """So many jobs; `limit_s` bounds the whole."""
    report, items, start = Report(seed=seed), max(1, jobs // STEPS), time.monotonic()
    report.jobs = items * STEPS
    with (
        server_folder() as folder,
        postgres_server(folder, is_durable=True) as server,
    ):
        add_template(server)
        with fresh_database(server) as dsn:
            prepare(dsn, items)
            with working(dsn, seed, folder) as processes:
                watch(dsn, Monkey(server, dsn, processes, report), report, limit_s=limit_s)
            report.problems += findings(dsn, items)
        if report.problems:
            log = (folder / "workers.log").read_text(errors="replace")
            report.problems += ["the end of the workers' log:", *log.splitlines()[-20:]]
    report.seconds = time.monotonic() - start
    return report


def watch(dsn: str, monkey: Monkey, report: Report, *, limit_s: float) -> None:
    """Let the monkey act until all is done."""
    give_up_at, act_at = time.monotonic() + limit_s, time.monotonic() + 1.0
    while time.monotonic() < give_up_at:
        monkey.thaw_those_due()
        if time.monotonic() >= act_at:
            monkey.act()
            act_at = time.monotonic() + monkey.pause_s()
        with suppress(psycopg.OperationalError):
            overdue_s, left = look(dsn, report)
            report.overdue_s = max(report.overdue_s, overdue_s)
            if not left:
                break
        time.sleep(0.05)
    else:
        report.problems.append(f"jobs were left after {limit_s:.0f} s")
    if report.overdue_s > OVERDUE_LIMIT_S:
        report.problems.append(f"a lease was {report.overdue_s:.1f} s behind its time")


def look(dsn: str, report: Report) -> tuple[float, int]:
    """By how many seconds the oldest lease is overdue, and the jobs to be done; dead letters are sent back.

    While the server was away nobody could sweep: a lease that ran out then is overdue from its start.
    """
    with psycopg.connect(dsn, row_factory=dict_row, application_name="monkey", connect_timeout=2) as connection:
        row = connection.execute(
            """select coalesce(max(extract(epoch from now() - greatest(lease_until, pg_postmaster_start_time())))
                            filter (where lease_until < now()), 0)::float8 as overdue_s, count(*) as jobs
               from jobs where state in ('ready', 'running')"""
        ).fetchone()
        dead = connection.execute("select id from jobs where state = 'dead'").fetchall()
        for letter in dead:
            retry(connection, letter["id"])
        report.done["dead letters sent back"] += len(dead)
    assert row is not None
    return row["overdue_s"], row["jobs"] + len(dead)


FINDINGS = {
    "effects that are there more than once": "select 1 from effects group by item, step having count(*) > 1",
    "effects written with another token than the job ended with": """
        select 1 from effects full join endings using (job_id)
        where effects.owner is distinct from endings.owner or effects.node is distinct from endings.node""",
    "jobs that ended twice": "select 1 from endings group by job_id having count(*) > 1",
    "jobs that are not done": "select 1 from jobs where state <> 'done'",
}


def findings(dsn: str, items: int) -> list[str]:
    """What the rows say is wrong."""
    found = []
    with psycopg.connect(dsn) as connection:
        for what, sql in FINDINGS.items():
            if count := len(connection.execute(sql.encode()).fetchall()):
                found.append(f"{what}: {count}")
        row = connection.execute("select count(*), count(distinct (item, step)) from effects").fetchone()
        if row != (items * STEPS, items * STEPS):
            found.append(f"effects and different effects, of {items * STEPS}: {row}")
        seen = connection.execute("select node, what, count(*) from violations group by node, what").fetchall()
        found += [f"seen by the audit: {what}, by {node}, {count} times" for node, what, count in seen[:10]]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds for the whole")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    report = run(jobs=options.jobs, seed=options.seed, limit_s=options.limit)
    print(report)
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
