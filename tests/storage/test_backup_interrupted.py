"""Backups and restores that end half-way: killed, hanging, or left by their server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from storage.backup import back_up, restore
from storage.backup_file import remove_abandoned
from storage.database import NODE_LOCK, Database
from storage.embedded import EmbeddedPostgres
from storage.errors import BackupFailed, DatabaseUnavailable, RestoreRefused
from storage.migration import LOCK_KEY, migrate
from storage.postgres_programs import Programs
from tests.postgres import postgres_server, spawn
from tests.storage.databases import everything, execute, fill
from tests.storage.interruption import (
    Recorder,
    await_waiting,
    closed_gate,
    in_background,
    listing,
    locked_table,
)
from tests.until import until

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def program(code: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of its own that runs a line of Python with this module's subject imported; killed at the end."""
    imports = "from pathlib import Path; from storage.backup import back_up, restore; "
    process = subprocess.Popen([sys.executable, "-c", imports + code], cwd=REPOSITORY)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def tables(dsn: str) -> dict[str, list[str]]:
    """All rows; a crash lets sequences skip some numbers."""
    return {name: rows for name, rows in everything(dsn).items() if not name.endswith("_seq")}


def database_of(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


def go_away(server: EmbeddedPostgres, stop_signal: signal.Signals) -> None:
    """End the server at once, as a machine does that is switched off."""
    assert server.pid is not None
    os.kill(server.pid, stop_signal)
    until(lambda: not server.is_running(), what="the server to end")
    server.stop()


def running(name: str, argument: str) -> list[int]:
    """The pids of programs of that name with that text in their command."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].endswith(f"/{name}") and argument in " ".join(words):
            found.append(int(process.name))
    return found


def test_a_pg_dump_that_is_killed_leaves_nothing(filled: str, tmp_path: Path) -> None:
    started = Recorder()
    programs = Programs(spawn=started)
    with locked_table(filled), in_background(back_up, filled, tmp_path / "a.dump", programs=programs) as made:
        await_waiting(filled, "pg_dump")
        started.started[-1].kill()
        with pytest.raises(BackupFailed):
            made.result()
    assert listing(tmp_path) == []
    back_up(filled, tmp_path / "a.dump")


def test_a_pg_dump_that_hangs_is_ended(filled: str, tmp_path: Path) -> None:
    started = Recorder()
    with locked_table(filled), pytest.raises(BackupFailed, match=r"no progress for 0\.5 s"):
        back_up(filled, tmp_path / "a.dump", programs=Programs(spawn=started), patience_s=0.5)
    assert started.started[-1].returncode == -9
    assert listing(tmp_path) == []


def test_a_stop_ends_a_backup(filled: str, tmp_path: Path) -> None:
    started = Recorder()
    programs = Programs(spawn=started, is_stopping=lambda: "--format" in started.commands[-1])
    with locked_table(filled), pytest.raises(BackupFailed, match="ended by the stop"):
        back_up(filled, tmp_path / "a.dump", programs=programs)
    assert started.started[-1].returncode == -9
    assert listing(tmp_path) == []


def test_a_process_killed_while_it_backs_up_takes_pg_dump_along_and_its_leavings_are_removed(
    filled: str, tmp_path: Path
) -> None:
    with locked_table(filled):
        with program(f"back_up({filled!r}, Path({str(tmp_path / 'a.dump')!r}))") as process:
            session = await_waiting(filled, "pg_dump")
            remove_abandoned(tmp_path)
            assert len(listing(tmp_path)) == 1, "a backup being written is left alone"
            process.kill()
        until(lambda: not running("pg_dump", database_of(filled)), what="pg_dump to end")
        execute(filled, f"select pg_terminate_backend({session})")
    (left,) = listing(tmp_path)
    assert left.endswith(".partial")
    remove_abandoned(tmp_path)
    assert listing(tmp_path) == []


def test_a_restore_that_is_killed_leaves_the_data_as_they_were(filled: str, saved: Path, tmp_path: Path) -> None:
    before, started = everything(filled), Recorder()
    programs = Programs(spawn=started)
    with closed_gate(filled), in_background(restore, filled, saved, scratch=tmp_path, programs=programs) as restored:
        await_waiting(filled, "psql")
        started.started[-1].kill()
        with pytest.raises(RestoreRefused, match="rolled back"):
            restored.result()
    assert everything(filled) == before
    assert listing(tmp_path) == ["saved.dump"]


def test_a_process_killed_while_it_restores_takes_psql_along(filled: str, saved: Path, tmp_path: Path) -> None:
    before = everything(filled)
    code = f"restore({filled!r}, Path({str(saved)!r}), scratch=Path({str(tmp_path)!r}))"
    with closed_gate(filled), program(code) as process:
        await_waiting(filled, "psql")
        process.kill()
        until(lambda: not running("psql", database_of(filled)), what="psql to end")
    assert everything(filled) == before
    assert listing(tmp_path) == ["saved.dump"]


def test_a_restore_whose_session_is_ended_is_an_outage(filled: str, saved: Path, tmp_path: Path) -> None:
    before = everything(filled)
    with closed_gate(filled), in_background(restore, filled, saved, scratch=tmp_path) as restored:
        session = await_waiting(filled, "psql")
        execute(filled, f"select pg_terminate_backend({session})")
        with pytest.raises(DatabaseUnavailable, match="went away during the restore"):
            restored.result()
    assert everything(filled) == before


def test_a_restore_that_takes_too_long_is_ended(filled: str, saved: Path, tmp_path: Path) -> None:
    before = everything(filled)
    with closed_gate(filled), pytest.raises(RestoreRefused, match=r"no progress for 1 s"):
        restore(filled, saved, scratch=tmp_path, limit_s=1.0)
    assert everything(filled) == before


@pytest.mark.parametrize("stop_signal", [signal.SIGQUIT, signal.SIGINT], ids=["immediate", "fast"])
def test_a_server_that_goes_away_is_an_outage_and_loses_nothing(
    cluster: Path, tmp_path: Path, stop_signal: signal.Signals
) -> None:
    with postgres_server(cluster, is_durable=True) as server:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            migrate(connection)
        fill(server.dsn)
        back_up(server.dsn, tmp_path / "a.dump")
        execute(server.dsn, "insert into feeds (indexer) values ('since')")
        before = tables(server.dsn)
        with locked_table(server.dsn), in_background(back_up, server.dsn, tmp_path / "b.dump") as made:
            await_waiting(server.dsn, "pg_dump")
            go_away(server, stop_signal)
            with pytest.raises(DatabaseUnavailable):
                made.result()
        server.start()
        with closed_gate(server.dsn), in_background(restore, server.dsn, tmp_path / "a.dump", scratch=tmp_path) as done:
            await_waiting(server.dsn, "psql")
            go_away(server, stop_signal)
            with pytest.raises(DatabaseUnavailable):
                done.result()
        server.start()
        assert tables(server.dsn) == before
    assert listing(tmp_path) == ["a.dump"]


def test_a_restore_is_refused_while_a_daemon_works_there(filled: str, saved: Path, tmp_path: Path) -> None:
    daemon = Database(filled, application="understudy of here")
    daemon.prepare(node="here")
    before = everything(filled)
    try:
        with pytest.raises(RestoreRefused, match=r"a daemon works .*\(understudy of here.*stop it first"):
            restore(filled, saved, scratch=tmp_path)
        assert everything(filled) == before
    finally:
        daemon.close()
    restore(filled, saved, scratch=tmp_path)


def test_a_daemon_that_starts_meanwhile_ends_the_restore(filled: str, saved: Path, tmp_path: Path) -> None:
    before = everything(filled)
    with (
        psycopg.connect(filled, autocommit=True) as daemon,
        in_background(restore, filled, saved, scratch=tmp_path) as restored,
    ):
        with closed_gate(filled):
            await_waiting(filled, "psql")
            daemon.execute("select pg_advisory_lock(%s, 1)", (NODE_LOCK,))
        with pytest.raises(RestoreRefused, match="a daemon has started on this database meanwhile"):
            restored.result()
    assert everything(filled) == before


def test_a_restore_is_refused_while_another_process_migrates(filled: str, saved: Path, tmp_path: Path) -> None:
    before = everything(filled)
    with psycopg.connect(filled, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", (LOCK_KEY,))
        with pytest.raises(RestoreRefused, match="another process migrates or restores"):
            restore(filled, saved, scratch=tmp_path)
    assert everything(filled) == before


def test_a_reader_that_keeps_a_table_stops_a_restore_in_the_end(
    filled: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(filled)
    monkeypatch.setattr("storage.backup.LOCK_WAIT_MS", 200)
    with psycopg.connect(filled) as reader:
        reader.execute("select * from jobs")
        with pytest.raises(RestoreRefused, match="lock timeout"):
            restore(filled, saved, scratch=tmp_path)
    assert everything(filled) == before


def test_a_script_that_is_lost_while_it_is_read_is_not_committed(filled: str, saved: Path, tmp_path: Path) -> None:
    before = everything(filled)

    def spawn_with_loss(argv: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        if any(word.endswith("/psql") for word in argv):
            (script,) = options["pass_fds"]
            os.ftruncate(script, os.fstat(script).st_size - len("\nset understudy.restored = 'whole';\n"))
        return spawn(argv, **options)

    with pytest.raises(RestoreRefused, match="the script ended early"):
        restore(filled, saved, scratch=tmp_path, programs=Programs(spawn=spawn_with_loss))
    assert everything(filled) == before
