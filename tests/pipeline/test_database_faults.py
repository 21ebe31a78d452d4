"""A database that is away, frozen, full, out of connections, or loses them all the time: nothing is lost or doubled.

With UNDERSTUDY_TESTS=all the outage lasts ten minutes.
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from storage.data_folder import DataFolder
from storage.embedded import EmbeddedPostgres, dsn_of_running
from tests.pipeline.conftest import World
from tests.pipeline.daemon import WANTED, DaemonRun, daemon
from tests.postgres import TEMPLATE, postgres_server
from tests.until import until

CUT_EVERY_S = 0.5
OUTAGE_S = 600.0 if os.environ.get("UNDERSTUDY_TESTS") == "all" else 3.0
BACK_WITHIN_S = 5.0
GROWTH_BYTES = 16 * 2**20


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


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_long_outage_grows_nothing_and_imports_nothing_and_is_over_at_once(
    tmp_path: Path, own_postgres: EmbeddedPostgres, dsn_of_own: str, world: World, builtin_client: str
) -> None:
    """F23: the client finishes the download meanwhile; the daemon learns of it when the database is back."""
    seed = world.release(seconds=180)
    world.offer(seed)
    world.limit_rate(700_000)
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn_of_own) as run:
        until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
        own_postgres.stop()
        until(lambda: run.status("/readyz") == 503, what="not ready")
        world.limit_rate(0)
        downloaded = run.folder / "downloads" / seed.path.name
        until(lambda: downloaded.exists() and downloaded.read_bytes() == seed.path.read_bytes(), timeout_s=20)
        before, over_at = resident_bytes(run.pid), time.monotonic() + OUTAGE_S
        while time.monotonic() < over_at:
            assert run.status("/healthz") == 200
            assert run.films() == [], "an import began that nobody could record"
            time.sleep(0.5)
        growth_bytes = resident_bytes(run.pid) - before
        own_postgres.start()
        back_at = time.monotonic()
        until(lambda: run.status("/readyz") == 200, what="ready again")
        ready_s = time.monotonic() - back_at
        assert_imported_once(run)
        imported_s = time.monotonic() - back_at
        print(
            f"{OUTAGE_S:g} s: {growth_bytes} bytes more, ready after {ready_s:.1f} s, imported after {imported_s:.1f} s"
        )
        assert growth_bytes < GROWTH_BYTES
        assert ready_s < BACK_WITHIN_S
        assert imported_s < 2 * BACK_WITHIN_S
        assert run.log_lines("an actor was restarted") == []


@contextmanager
def small_wal(data: Path) -> Iterator[Path]:
    """A new data folder with its write-ahead log on a small file system; skips where this user may not mount one."""
    with postgres_server(data):
        pass
    folder, copy = data / "postgres" / "pg_wal", data / "pg_wal"
    shutil.copytree(folder, copy)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        shutil.copytree(copy, folder, dirs_exist_ok=True)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """A file that leaves no room in a file system."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**20))
    return path


def write_until_it_fails(dsn: str) -> None:
    with suppress(psycopg.Error), psycopg.connect(dsn, autocommit=True) as connection:
        while True:
            connection.execute("select pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()")


def test_a_full_disk_under_the_write_ahead_log_is_an_outage_until_there_is_room(
    tmp_path: Path, world: World, builtin_client: str
) -> None:
    """F27: PostgreSQL panics and cannot recover; the daemon starts it again, and neither loses nor repeats anything."""
    seed = world.release(seconds=180)
    world.limit_rate(700_000)
    data = tmp_path / "run" / "data"
    with small_wal(data) as wal, daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn="") as run:
        run.dsn = dsn_of_running(DataFolder(data)) or ""
        world.offer(seed)
        until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
        ballast = fill(wal)
        write_until_it_fails(run.dsn)
        until(lambda: run.log_lines("postgres could not be started"), timeout_s=30)
        assert run.status("/readyz") == 503
        assert run.status("/healthz") == 200
        world.limit_rate(0)
        downloaded = run.folder / "downloads" / seed.path.name
        until(lambda: downloaded.exists() and downloaded.read_bytes() == seed.path.read_bytes(), timeout_s=20)
        assert run.films() == []
        ballast.unlink()
        until(lambda: run.log_lines("postgres was started again"), timeout_s=30)
        until(lambda: run.status("/readyz") == 200, timeout_s=BACK_WITHIN_S, what="ready again")
        assert_imported_once(run)
        assert run.log_lines("an actor was restarted") == []


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
