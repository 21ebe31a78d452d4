"""Brings a database to this program's schema: schema.sql for an empty one, else the migrations it has not had.

Only forward, one transaction each, under an advisory lock so that daemons that start together migrate once. Before a
database with data is changed, whoever makes backups is told.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import psycopg

from storage.errors import SchemaTooNew

LOCK_KEY = 0x556E6465  # "Unde"

VERSIONS = """
create table if not exists schema_version (
    version int primary key,
    name text not null,
    applied_at timestamptz not null default now()
)
"""

_CREATED = re.compile(
    r"^\s*create (?:or replace )?(?:unlogged )?(?:table|view|function) (?:if not exists )?(\w+)", re.I | re.M
)


@dataclass(frozen=True, kw_only=True)
class Migration:
    version: int
    name: str
    sql: str


def known_migrations() -> list[Migration]:
    """The shipped migrations in order; file names are NNNN_words.sql."""
    found = []
    for file in files("storage").joinpath("migrations").iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        if file.name.endswith(".sql"):
            found.append(Migration(version=int(number), name=name, sql=file.read_text()))
    return sorted(found, key=lambda migration: migration.version)


def whole_schema() -> str:
    return files("storage").joinpath("schema.sql").read_text()


def names_in_sql() -> set[str]:
    """Every table, view and function that this program or an earlier one has made."""
    texts = [VERSIONS, whole_schema(), *(migration.sql for migration in known_migrations())]
    return {name for text in texts for name in _CREATED.findall(text)}


def current_version(connection: psycopg.Connection) -> int:
    """The newest version applied; 0 for an empty database."""
    row = connection.execute("select to_regclass('schema_version') is not null").fetchone()
    if row is None or not row[0]:
        return 0
    row = connection.execute("select coalesce(max(version), 0) from schema_version").fetchone()
    return int(row[0]) if row else 0


def migrate(
    connection: psycopg.Connection,
    migrations: Sequence[Migration] | None = None,
    *,
    before: Callable[[int, int], object] = lambda version_from, version_to: None,
    backup_of: Callable[[int], Path | None] = lambda version: None,
) -> list[str]:
    """Apply what is missing on an autocommit `connection`; returns the names applied, [] when up to date.

    An empty database gets the whole schema at once, unless `migrations` are given. `before(version_from, version_to)`
    is called once before a database with data is changed; what it raises leaves it as it is.
    Raises SchemaTooNew when the database is ahead of this program; its text names `backup_of(version)`, a backup that
    this program can restore.
    """
    takes_whole_schema = migrations is None
    migrations = known_migrations() if migrations is None else migrations
    newest = migrations[-1].version
    connection.execute("select pg_advisory_lock(%s)", (LOCK_KEY,))
    try:
        version = current_version(connection)
        if version > newest:
            raise SchemaTooNew(_too_new(version, newest, backup_of(newest)))
        missing = [migration for migration in migrations if migration.version > version]
        if version > 0 and missing:
            before(version, newest)
        connection.execute(VERSIONS)
        if version == 0 and takes_whole_schema:
            with connection.transaction():
                connection.execute(whole_schema().encode())
                for migration in missing:
                    _record(connection, migration)
            return ["schema.sql"]
        for migration in missing:
            with connection.transaction():
                connection.execute(migration.sql.encode())
                _record(connection, migration)
        return [migration.name for migration in missing]
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (LOCK_KEY,))


def _too_new(version: int, newest: int, backup: Path | None) -> str:
    return (
        f"the database has schema {version} and this program knows {newest}: run the newer Understudy, "
        "or restore a backup made before its migration"
    ) + (f": understudy restore {shlex.quote(str(backup))}" if backup else "")


def _record(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(
        "insert into schema_version (version, name) values (%s, %s)", (migration.version, migration.name)
    )
