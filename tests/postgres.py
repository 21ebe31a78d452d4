"""PostgreSQL for tests: a server of their own, and databases copied from a migrated template in some 15 ms each."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from storage.data_folder import DataFolder
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.migration import migrate

MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 * 2**30
TEMPLATE = "template_understudy"

_numbers = itertools.count(1)


def spawn(
    argv: Sequence[str],
    *,
    pass_fds: Sequence[int] = (),
    stdout: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a server's process as the daemon does; from the main thread, whose end would end the server."""
    return subprocess.Popen(
        argv, pass_fds=pass_fds, stdout=stdout, stderr=subprocess.STDOUT if stdout else None, env=env
    )


@contextmanager
def server_folder() -> Iterator[Path]:
    """A new folder for a server's data, in memory where there is room: on a busy disk all takes ten times as long."""
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    with tempfile.TemporaryDirectory(prefix="understudy-test-", dir=MEMORY if has_room else None) as folder:
        yield Path(folder)


@contextmanager
def postgres_server(
    folder: Path, *, is_durable: bool = False, log: list[str] | None = None
) -> Iterator[EmbeddedPostgres]:
    """A started server in the data folder `folder`, stopped and unlocked at the end; `log` receives its remarks."""
    data_folder = DataFolder(folder)
    data_folder.lock(wait_s=10)
    try:
        server = EmbeddedPostgres(
            data_folder, spawn=spawn, is_durable=is_durable, log=log.append if log is not None else lambda text: None
        )
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        data_folder.unlock()


def add_template(server: EmbeddedPostgres) -> None:
    """Make the migrated database that `fresh_database` copies."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(SQL("create database {}").format(Identifier(TEMPLATE)))
    with psycopg.connect(make_conninfo(server.dsn, dbname=TEMPLATE), autocommit=True) as connection:
        migrate(connection)


@contextmanager
def fresh_database(server: EmbeddedPostgres, *, template: str = TEMPLATE) -> Iterator[str]:
    """The DSN of a new database, dropped at the end, whoever is still connected. `template0` makes an empty one."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(
            SQL("create database {} template {} strategy file_copy").format(Identifier(name), Identifier(template))
        )
    try:
        yield make_conninfo(server.dsn, dbname=name)
    finally:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(SQL("drop database {} with (force)").format(Identifier(name)))


@contextmanager
def opened(dsn: str, **options: Any) -> Iterator[Database]:
    """The database, opened and prepared."""
    database = Database(dsn, **{"application": "test", **options})
    database.open()
    try:
        database.prepare()
        yield database
    finally:
        database.close()
