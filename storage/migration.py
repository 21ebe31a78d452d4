"""Brings a database to this program's schema: schema.sql for an empty one, else the migrations it has not had.

Only forward, one transaction each, under an advisory lock so that daemons that start together migrate once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

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


def current_version(connection: psycopg.Connection) -> int:
    """The newest version applied; 0 for an empty database."""
    row = connection.execute("select to_regclass('schema_version') is not null").fetchone()
    if row is None or not row[0]:
        return 0
    row = connection.execute("select coalesce(max(version), 0) from schema_version").fetchone()
    return int(row[0]) if row else 0


def migrate(connection: psycopg.Connection, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing on an autocommit `connection`; returns the names applied, [] when up to date.

    An empty database gets the whole schema at once, unless `migrations` are given.
    Raises SchemaTooNew when the database is ahead of this program.
    """
    takes_whole_schema = migrations is None
    migrations = known_migrations() if migrations is None else migrations
    newest = migrations[-1].version
    connection.execute("select pg_advisory_lock(%s)", (LOCK_KEY,))
    try:
        version = current_version(connection)
        if version > newest:
            raise SchemaTooNew(
                f"the database has schema {version} and this program knows {newest}: "
                "run the newer Understudy, or restore a backup made before its migration"
            )
        connection.execute(VERSIONS)
        missing = [migration for migration in migrations if migration.version > version]
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


def _record(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(
        "insert into schema_version (version, name) values (%s, %s)", (migration.version, migration.name)
    )
