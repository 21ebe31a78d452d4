"""Transactions in each other's way (F28): each is done again, and neither the movie nor who asks over HTTP notices."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from tests.pipeline.conftest import World
from tests.pipeline.daemon import WANTED, DaemonRun, daemon
from tests.pipeline.test_queue import insert
from tests.until import until

Session = psycopg.Connection[tuple[object, ...]]


def for_all(dsn: str, **settings: str) -> None:
    """Settings of every session of the database from now on."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        name = Identifier(connection.info.dbname)
        for setting, value in settings.items():
            connection.execute(SQL("alter database {} set {} = {}").format(name, Identifier(setting), value))


@contextmanager
def rival(dsn: str) -> Iterator[Session]:
    """A transaction that is never the one which a deadlock ends."""
    with psycopg.connect(dsn) as connection:
        connection.execute("set deadlock_timeout = '60s'")
        yield connection
        connection.rollback()


def await_blocked(run: DaemonRun, application: str) -> None:
    until(
        lambda: run.rows(
            "select from pg_stat_activity where application_name = %s and wait_event_type = 'Lock'", application
        ),
        timeout_s=20,
        what=f"{application} to wait for a lock",
    )


def assert_unnoticed(run: DaemonRun) -> None:
    run.await_state("imported", timeout_s=60)
    assert len(run.films()) == 1
    assert len(run.rows("select from downloads")) == 1
    assert run.rows("select from jobs where state = 'dead'") == []
    assert run.log_lines("an actor was restarted") == []


def test_a_deadlock_ends_no_job_and_no_request(tmp_path: Path, dsn: str, world: World, builtin_client: str) -> None:
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        seed = world.release()
        with rival(dsn) as connection:
            connection.execute("select from movies for update")
            world.offer(seed)
            await_blocked(run, "understudy")
            connection.execute("select from jobs where kind = 'rss' and state = 'running' for update")
        until(lambda: run.log_lines("deadlock detected"), what="the daemon to be told")
        one, two = (
            insert(run, kind="fetch", lane="x", state="dead", reason="gone", ended_at="2020-01-01") for _ in "12"
        )
        with ThreadPoolExecutor() as person, rival(dsn) as connection:
            connection.execute("select from jobs where id = %s for update", (two,))
            asked = person.submit(run.post, "/api/queue/dead/discard?reason=gone")
            await_blocked(run, "understudy-api")
            connection.execute("select from jobs where id = %s for update", (one,))
            connection.rollback()
            assert asked.result(20) == (200, {"discarded": 2})
        assert_unnoticed(run)
        assert run.log_lines('"dependency": "database", "state": "open"') == []


def test_a_database_that_serializes_and_waits_for_no_lock_gets_its_movie(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    """Others touch the same rows all the time, so that many transactions fail by either."""
    for_all(dsn, default_transaction_isolation="repeatable read", lock_timeout="20ms")
    world.offer(world.release())
    over = threading.Event()

    def keep_touching() -> None:
        chance = random.Random(1)
        with psycopg.connect(dsn) as connection:
            connection.execute("set session characteristics as transaction isolation level read committed")
            connection.commit()
            while not over.wait(chance.uniform(0.0, 0.1)):
                try:
                    connection.execute("update movies set reason = reason")
                    connection.execute("update jobs set priority = priority where state in ('ready', 'running')")
                    over.wait(chance.uniform(0.0, 0.05))
                    connection.commit()
                except psycopg.OperationalError:
                    connection.rollback()

    with (
        daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run,
        ThreadPoolExecutor() as others,
    ):
        others.submit(keep_touching)
        try:
            run.await_state("imported", timeout_s=60)
            until(lambda: run.log_lines("another transaction was in the way"), timeout_s=30, what="a conflict")
        finally:
            over.set()
        assert_unnoticed(run)
