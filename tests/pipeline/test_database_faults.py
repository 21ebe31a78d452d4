"""A database that is frozen, has no connection left, or loses them all the time: nothing is lost or done twice."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from storage.embedded import EmbeddedPostgres
from tests.pipeline.conftest import World
from tests.pipeline.daemon import WANTED, DaemonRun, daemon
from tests.postgres import TEMPLATE
from tests.until import until

CUT_EVERY_S = 0.3


def assert_imported_once(run: DaemonRun) -> None:
    run.await_state("imported", timeout_s=90)
    assert len(run.films()) == 1
    assert len(run.rows("select from downloads where state <> 'failed'")) == 1
    assert run.rows("select from jobs where state = 'dead'") == []


@pytest.fixture
def dsn_of_own(own_postgres: EmbeddedPostgres) -> str:
    return make_conninfo(own_postgres.dsn, dbname=TEMPLATE)


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[1]) == pid:
            children.append(int(status.parent.name))
    return [pid, *children]


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A server that keeps acknowledging packets and answers none."""
    stopped = family(pid)
    for one in stopped:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in reversed(stopped):
            os.kill(one, signal.SIGCONT)


def test_a_frozen_database_is_noticed_and_waited_for(
    tmp_path: Path, own_postgres: EmbeddedPostgres, dsn_of_own: str, world: World, builtin_client: str
) -> None:
    """F25: red in time by deadlines of our own, for neither its timeouts nor keepalives help."""
    world.offer(world.release(seconds=180))
    world.limit_rate(700_000)
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn_of_own) as run:
        until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
        assert own_postgres.pid is not None
        with frozen(own_postgres.pid):
            until(lambda: run.status("/readyz") == 503, timeout_s=30, what="not ready")
            assert run.status("/healthz") == 200
        until(lambda: run.status("/readyz") == 200, timeout_s=30, what="ready again")
        world.limit_rate(0)
        assert_imported_once(run)
        assert run.log_lines("an actor was restarted") == [], "an outage is no crash"


def test_a_database_without_a_connection_left_is_waited_for(
    tmp_path: Path, own_postgres: EmbeddedPostgres, dsn_of_own: str, world: World, builtin_client: str
) -> None:
    """F26: the daemon's connections are cut, and others take every place."""
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn_of_own) as run:
        until(lambda: run.status("/readyz") == 200)
        taken = [psycopg.connect(dsn_of_own, autocommit=True)]

        def take_another() -> bool:
            """True when there is none."""
            cut(taken[0])
            try:
                taken.append(psycopg.connect(dsn_of_own, autocommit=True))
            except psycopg.OperationalError:
                return True
            return False

        try:
            until(take_another, timeout_s=30, what="all places to be taken")
            until(lambda: run.status("/readyz") == 503, timeout_s=30, what="not ready")
            assert run.status("/healthz") == 200
        finally:
            for connection in taken:
                connection.close()
        until(lambda: run.status("/readyz") == 200, timeout_s=30, what="ready again")
        world.offer(world.release())
        assert_imported_once(run)


def test_connections_that_are_cut_all_the_time_lose_and_double_nothing(
    tmp_path: Path, own_postgres: EmbeddedPostgres, dsn_of_own: str, world: World, builtin_client: str
) -> None:
    """F29: wherever in its transactions the daemon is."""
    world.offer(world.release(seconds=180))
    over = threading.Event()

    def keep_cutting() -> None:
        with psycopg.connect(dsn_of_own, autocommit=True) as connection:
            while not over.wait(CUT_EVERY_S):
                cut(connection)

    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn_of_own) as run:
        cutting = threading.Thread(target=keep_cutting)
        cutting.start()
        try:
            run.await_state("imported", timeout_s=90)
        finally:
            over.set()
            cutting.join()
        assert_imported_once(run)
        assert run.exit_code is None


def cut(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    """End every connection of a daemon and its HTTP process to this database."""
    connection.execute(
        """select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and application_name like 'understudy%'"""
    )
