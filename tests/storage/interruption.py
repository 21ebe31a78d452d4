"""Backups and restores stopped half-way, so that tests can end them there."""

import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres import spawn
from tests.storage.databases import ask, execute
from tests.until import until

GATE = 4711
"""The advisory lock at which a restore waits, its tables dropped and all rows loaded again."""

GATED = f"""
create schema gate;
create function gate.wait() returns event_trigger language plpgsql as $$
begin perform pg_advisory_xact_lock_shared({GATE}); end $$;
create event trigger gate on ddl_command_end when tag in ('CREATE INDEX') execute function gate.wait();
"""


class Recorder:
    """A `Spawn` that remembers what it has started."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []
        self.commands: list[str] = []

    def __call__(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        self.commands.append(" ".join(argv))
        self.started.append(spawn(argv, **options))
        return self.started[-1]


@contextmanager
def locked_table(dsn: str) -> Iterator[None]:
    """While inside, a dump waits for the table `jobs`."""
    with closing(psycopg.connect(dsn)) as connection:  # the server may go away meanwhile
        connection.execute("lock table jobs in access exclusive mode")
        yield


@contextmanager
def closed_gate(dsn: str) -> Iterator[None]:
    """While inside, a restore waits at the gate."""
    execute(dsn, GATED)
    with closing(psycopg.connect(dsn, autocommit=True)) as connection:
        connection.execute("select pg_advisory_lock(%s)", (GATE,))
        yield


def await_waiting(dsn: str, application: str) -> int:
    """The pid of the server process in which the program's session waits for a lock."""
    sql = f"""select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
              and application_name = '{application}'"""
    pid: int = until(lambda: ask(dsn, sql), what=f"{application} to wait")[0]
    return pid


@contextmanager
def in_background(call: Any, *arguments: Any, **more: Any) -> Iterator[Any]:
    """The future of the call, which must have come to its end when the block has."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(call, *arguments, **more)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
