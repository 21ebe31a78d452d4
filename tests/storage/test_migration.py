"""Migrations: they lead where schema.sql begins, once, and an interrupted one is taken up again."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.errors import DatabaseUnavailable, SchemaTooNew
from storage.migration import Migration, current_version, known_migrations, migrate
from tests.postgres import fresh_database
from tests.until import until

CATALOGUES = {
    "tables": """select relname, relkind, reloptions::text, relpersistence from pg_class where relnamespace = {public}
                 and relkind in ('r', 'v', 'm', 'S', 'p')""",
    "columns": """select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                         a.attgenerated, pg_get_expr(d.adbin, d.adrelid)
                  from pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind = 'r'
                  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
                  where c.relnamespace = {public} and a.attnum > 0 and not a.attisdropped""",
    "constraints": """select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
                      where connamespace = {public}""",
    "indexes": "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'",
    "triggers": """select tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) from pg_trigger
                   where not tgisinternal""",
    "functions": "select proname, pg_get_functiondef(oid) from pg_proc where pronamespace = {public}",
    "types": "select typname, typtype from pg_type where typnamespace = {public}",
}

FIRST = Migration(version=1, name="first", sql="create table one (id int)")
SECOND = Migration(version=2, name="second", sql="create table two (id int); insert into two values (2)")


def connect(dsn: str) -> psycopg.Connection:
    return psycopg.connect(dsn, autocommit=True)


def catalogues(connection: psycopg.Connection) -> dict[str, list[Any]]:
    """What is in the database, in an order that does not depend on how it came there."""
    public = "'public'::regnamespace"
    return {
        name: sorted(map(repr, connection.execute(sql.format(public=public).encode()).fetchall()))
        for name, sql in CATALOGUES.items()
    }


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database without any schema."""
    with fresh_database(postgres, template="template0") as dsn:
        yield dsn


def apply(dsn: str, migrations: Sequence[Migration] | None = None) -> list[str]:
    with connect(dsn) as connection:
        return migrate(connection, migrations)


def test_the_migrations_from_the_first_on_lead_to_schema_sql(empty: str, dsn: str) -> None:
    assert apply(empty, known_migrations()) == [migration.name for migration in known_migrations()]
    with connect(empty) as migrated, connect(dsn) as whole:
        expected = catalogues(whole)
        assert catalogues(migrated) == expected
        assert all(expected.values()), "a catalogue without an entry compares nothing"
        versions = "select version, name from schema_version order by version"
        assert migrated.execute(versions.encode()).fetchall() == whole.execute(versions.encode()).fetchall()


def test_the_shipped_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [migration.version for migration in known_migrations()] == list(range(1, len(known_migrations()) + 1))


def test_a_new_database_gets_the_whole_schema_at_once_and_only_once(empty: str) -> None:
    assert apply(empty) == ["schema.sql"]
    assert apply(empty) == []


def test_what_is_missing_is_applied_in_order(empty: str) -> None:
    assert apply(empty, [FIRST]) == ["first"]
    assert apply(empty, [FIRST, SECOND]) == ["second"]
    with connect(empty) as connection:
        assert current_version(connection) == 2


def test_the_schema_of_a_newer_program_is_refused(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute("insert into schema_version (version, name) values (9999, 'from the future')")
    database = Database(dsn, application="test")
    with pytest.raises(SchemaTooNew, match="schema 9999"):
        database.prepare()
    with pytest.raises(DatabaseUnavailable, match="version 9999"):
        database.check_schema()
    assert not database.is_prepared


def test_an_older_schema_is_refused_by_who_does_not_migrate(empty: str) -> None:
    database = Database(empty, application="test")
    with pytest.raises(DatabaseUnavailable, match="version 0"):
        database.check_schema()
    apply(empty)
    database.check_schema()
    assert database.is_prepared


def test_daemons_that_start_together_migrate_once(empty: str) -> None:
    with ThreadPoolExecutor(4) as daemons:
        applied = sorted(daemons.map(apply, [empty] * 4))
    assert applied == [[], [], [], ["schema.sql"]]


@pytest.mark.parametrize(
    "end",
    ["select 1 / 0", "insert into schema_version (version, name) values (2, 'taken')"],
    ids=["in its own statements", "when it is recorded"],
)
def test_a_migration_that_fails_leaves_nothing_of_itself(empty: str, end: str) -> None:
    broken = Migration(version=2, name="broken", sql=f"{SECOND.sql}; {end}")
    with pytest.raises((psycopg.errors.DivisionByZero, psycopg.errors.UniqueViolation)):
        apply(empty, [FIRST, broken])
    with connect(empty) as connection:
        assert current_version(connection) == 1
        assert connection.execute("select to_regclass('two')").fetchone() == (None,)
    assert apply(empty, [FIRST, SECOND]) == ["second"]


def test_a_migration_cut_off_is_taken_up_by_the_next_start(empty: str) -> None:
    endless = Migration(version=2, name="endless", sql=f"{SECOND.sql}; select pg_sleep(600)")
    with ThreadPoolExecutor(1) as daemon, connect(empty) as connection:
        killed = daemon.submit(apply, empty, [FIRST, endless])
        until(
            lambda: connection.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and wait_event = 'PgSleep'"""
            ).fetchone()
        )
        with pytest.raises(psycopg.OperationalError):
            killed.result()
        assert current_version(connection) == 1
    assert apply(empty, [FIRST, SECOND]) == ["second"]
    with connect(empty) as connection:
        assert connection.execute("select * from two").fetchall() == [(2,)]
