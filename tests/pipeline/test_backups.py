"""Backups of real daemons: daily, before a migration and by hand; back again; and databases that are refused."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from storage.backup import read_backup
from storage.backup_folder import Reason, kept
from storage.data_folder import DataFolder
from storage.embedded import dsn_of_running, free_port
from storage.migration import known_migrations, migrate
from tests.pipeline.command_line import understudy
from tests.pipeline.daemon import DaemonRun, daemon
from tests.pipeline.embedded import EMBEDDED, embedded
from tests.storage.databases import ask, execute, fill
from tests.until import until

NEWEST = known_migrations()[-1].version
MISSED = "delete from ticks where task = 'backup'"
"""As if no daemon had run since the time of the last backup."""


@contextmanager
def stocked(tmp_path: Path) -> Iterator[DaemonRun]:
    """A daemon on its own PostgreSQL, with a movie in it."""
    with embedded(tmp_path) as run:
        execute(own_dsn(run), "insert into movies (title, profile, root) values ('kept', 'hd', '/library')")
        yield run


def own_dsn(run: DaemonRun) -> str:
    dsn = dsn_of_running(DataFolder(run.folder / "data"))
    assert dsn is not None
    return dsn


def movies(run: DaemonRun) -> list[str]:
    return ask(own_dsn(run), "select title from movies order by id")


def backups(run: DaemonRun, reason: Reason) -> list[Path]:
    return [backup.path for backup in kept(run.folder / "data" / "backups") if backup.reason is reason]


def health(run: DaemonRun) -> str:
    return " | ".join(item["text"] for item in run.get("/api/health")["health"])


def test_a_running_daemon_is_saved_and_a_stopped_one_gets_it_back(tmp_path: Path) -> None:
    with stocked(tmp_path) as run:
        file = tmp_path / "moved.dump"
        assert f"{file} is a backup of" in understudy("backup", str(file), config=run.config)
        assert "there is a file already" in understudy("backup", str(file), config=run.config, code=1)
        execute(own_dsn(run), "delete from movies; insert into movies (title, profile, root) values ('new', 'hd', '/')")
        hasty = run.folder / "hasty.toml"
        hasty.write_text(run.config.read_text().replace("[daemon]", '[daemon]\nstart_wait = "500ms"'))
        refused = understudy("restore", str(file), config=hasty, code=3)
        assert f"is in use by process {run.pid}: stop it" in refused
        assert movies(run) == ["new"]
        assert run.stop() == 0
        assert f"{file} is restored: schema {NEWEST}" in understudy("restore", str(file), config=run.config)
        run.start()
        assert movies(run) == ["kept"]


def test_a_stopped_daemon_is_saved_into_its_folder_and_moves_to_another_machine(tmp_path: Path) -> None:
    with stocked(tmp_path) as run:
        assert run.stop() == 0
        assert "is a backup of" in understudy("backup", config=run.config)
        (file,) = backups(run, Reason.ASKED)
        other = tmp_path / "other"
        other.mkdir()
        moved = DaemonRun(other, run.config.read_text(), dsn="")
        assert "is restored" in understudy("restore", str(file), config=moved.config)
        try:
            moved.start()
            assert movies(moved) == ["kept"]
        finally:
            moved.end()


def test_what_cannot_be_saved_or_restored_is_said_in_one_line(tmp_path: Path, dsn: str) -> None:
    run = DaemonRun(tmp_path, EMBEDDED.format(port=free_port()), dsn="")
    assert one_line("backup", run=run) == f"there is no database in {tmp_path}/data yet: there is nothing to back up"
    assert "cannot be read: No such file" in one_line("restore", str(tmp_path / "x"), run=run)
    (tmp_path / "text").write_text("text")
    assert "is no backup" in one_line("restore", str(tmp_path / "text"), run=run)
    assert not (tmp_path / "data").exists()
    external = EMBEDDED.format(port=free_port()) + f'[storage]\ndsn = "{dsn}"\n'
    run.config.write_text(external)
    assert "No such file" in one_line("backup", "--binaries", str(tmp_path / "nowhere"), run=run)
    assert "is a backup of" in understudy("backup", str(tmp_path / "a.dump"), config=run.config)
    assert "Not a directory" in one_line("backup", str(tmp_path / "text" / "b.dump"), run=run)
    run.config.write_text(external.replace(dsn, make_conninfo(dsn, port=1)))
    assert "the database cannot be used" in one_line("backup", run=run)
    assert "the database cannot be used" in one_line("restore", str(tmp_path / "a.dump"), run=run)


def one_line(*words: str, run: DaemonRun) -> str:
    (line,) = understudy(*words, config=run.config, code=1).splitlines()
    return line


def test_an_external_database_is_saved_and_restored_but_not_under_a_daemon(tmp_path: Path, dsn: str) -> None:
    fill(dsn)
    file = tmp_path / "a.dump"
    with daemon(tmp_path / "run", dsn=dsn) as run:
        assert "is a backup of" in understudy("backup", str(file), config=run.config)
        other = tmp_path / "elsewhere.toml"
        other.write_text(run.config.read_text().replace('"data"', '"other data"'))
        assert "a daemon works on this database" in understudy("restore", str(file), config=other, code=1)
        assert run.stop() == 0
        execute(dsn, "delete from movies")
        assert "is restored" in understudy("restore", str(file), config=run.config)
        run.start()
        assert ask(dsn, "select count(*) from movies") == [99]


def test_a_daily_backup_that_was_missed_is_made_once_at_the_next_start(tmp_path: Path, dsn: str) -> None:
    with daemon(tmp_path / "run", dsn=dsn) as run:
        until(lambda: ask(dsn, "select count(*) from ticks where task = 'backup'") == [1], timeout_s=20)
        assert run.stop() == 0
        assert backups(run, Reason.DAILY) == []
        execute(dsn, MISSED)
        run.start()
        (file,) = until(lambda: backups(run, Reason.DAILY), timeout_s=20)
        assert read_backup(file).schema == NEWEST
        until(lambda: ask(dsn, "select state from jobs where kind = 'backup'") == ["done"])
        age = [line for line in run.metrics() if line.startswith("understudy_backup_age_seconds ")]
        assert 0 <= float(age[0].split()[1]) < 60
        assert run.stop() == 0
        run.start()
        until(lambda: run.get("/api/queue/status")["status"] == "active")
        assert run.stop() == 0
        assert backups(run, Reason.DAILY) == [file]


def test_of_two_daemons_on_one_database_one_makes_the_backup(tmp_path: Path, dsn: str) -> None:
    with (
        daemon(tmp_path / "one", dsn=dsn, node="one") as one,
        daemon(tmp_path / "two", dsn=dsn, node="two", starts=False) as two,
    ):
        until(lambda: ask(dsn, "select count(*) from ticks where task = 'backup'") == [1], timeout_s=20)
        assert one.stop() == 0
        execute(dsn, MISSED)
        for run in (one, two):
            run.launch()
        until(lambda: one.is_active() and two.is_active(), timeout_s=30)
        until(lambda: ask(dsn, "select state from jobs where kind = 'backup'") == ["done"], timeout_s=20)
        assert len(backups(one, Reason.DAILY) + backups(two, Reason.DAILY)) == 1
        assert ask(dsn, "select count(*) from ticks where task = 'backup'") == [1]


def test_a_daemon_killed_in_the_middle_of_its_backup_makes_it_after_the_next_start(tmp_path: Path, dsn: str) -> None:
    with daemon(tmp_path / "run", dsn=dsn) as run:
        until(lambda: ask(dsn, "select count(*) from ticks where task = 'backup'") == [1], timeout_s=20)
        assert run.stop() == 0
        execute(dsn, MISSED)
        with locked_table_of_history(dsn):
            run.start()
            until(lambda: run.log_lines("a task is due") and dumping(dsn), timeout_s=20, what="pg_dump to wait")
            run.kill()
            until(lambda: not dumping(dsn), what="pg_dump to be gone")
        run.start()
        (file,) = until(lambda: backups(run, Reason.DAILY), timeout_s=30)
        until(lambda: ask(dsn, "select state from jobs where kind = 'backup'") == ["done"])
        assert [path.name for path in file.parent.iterdir()] == [file.name], "nothing is left of the first"
        assert len(run.log_lines("a task is due")) == 1


@contextmanager
def locked_table_of_history(dsn: str) -> Iterator[None]:
    """While inside, a dump waits for a table that a starting daemon does not need."""
    with psycopg.connect(dsn) as connection:
        connection.execute("lock table movie_files in access exclusive mode")
        yield


def dumping(dsn: str) -> bool:
    return ask(dsn, "select count(*) from pg_stat_activity where application_name = 'pg_dump'") != [0]


def test_a_backup_that_fails_is_red_and_a_stop_in_the_middle_of_one_is_quick(tmp_path: Path, dsn: str) -> None:
    with daemon(tmp_path / "run", dsn=dsn, starts=False) as run:
        (run.folder / "data").mkdir()
        (run.folder / "data" / "backups").write_text("in the way")
        run.start()
        until(lambda: ask(dsn, "select count(*) from ticks where task = 'backup'") == [1], timeout_s=20)
        assert run.stop() == 0
        execute(dsn, MISSED)
        run.start()
        until(lambda: "the last backup failed" in health(run), timeout_s=20)
        assert "understudy_backup_failing 1.0" in run.metrics()
        assert run.stop() == 0
        (run.folder / "data" / "backups").unlink()
        execute(dsn, "update jobs set run_at = now() where kind = 'backup'")
        with locked_table_of_history(dsn):
            run.start()
            until(lambda: dumping(dsn), timeout_s=20, what="pg_dump to wait")
            assert run.stop(timeout_s=10) == 0
        run.start()
        until(lambda: backups(run, Reason.DAILY), timeout_s=20)
        until(lambda: "backup" not in health(run), timeout_s=20)


@pytest.fixture
def older(dsn: str) -> str:
    """A database with rows, as the program before the last migration left it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
        migrate(connection, known_migrations()[:-1])
    execute(dsn, "insert into movies (title, profile, root) values ('kept', 'hd', '/library')")
    return dsn


def test_before_a_migration_the_database_is_saved_and_the_older_program_is_told_of_it(
    tmp_path: Path, older: str
) -> None:
    with daemon(tmp_path / "run", dsn=older) as run:
        (file,) = backups(run, Reason.MIGRATION)
        assert read_backup(file).schema == known_migrations()[-2].version
        assert run.log_lines("a backup was made before the migration")
        assert run.stop() == 0
        execute(older, "insert into schema_version (version, name) values (9999, 'from the future')")
        run.launch()
        assert run.wait(20) == 3
        command = f"restore a backup made before its migration: understudy restore {shlex.quote(str(file))}"
        assert command in run.log.read_text()
        assert understudy("restore", str(file), config=run.config)
        run.start()
        assert run.rows("select title from movies") == [{"title": "kept"}]


def test_without_a_backup_nothing_is_migrated(tmp_path: Path, older: str) -> None:
    with daemon(tmp_path / "run", dsn=older, starts=False) as run:
        (run.folder / "data").mkdir()
        (run.folder / "data" / "backups").write_text("in the way")
        run.launch()
        assert run.wait(20) == 6
        assert "stays at schema" in run.log.read_text()
        newest = "select max(version) from schema_version"
        assert ask(older, newest) == [known_migrations()[-2].version]
        run.config.write_text(run.config.read_text() + "[backup]\nbefore_migration = false\n")
        run.start()
        assert ask(older, newest) == [NEWEST]


def test_a_data_folder_of_another_postgresql_is_refused_with_the_command_that_moves_it(tmp_path: Path) -> None:
    with stocked(tmp_path) as run:
        assert run.stop() == 0
        (run.folder / "data" / "postgres" / "PG_VERSION").write_text("9\n")
        run.launch()
        assert run.wait(30) == 4
        assert "understudy backup --binaries FOLDER_OF_9 moved.dump && mv" in run.log.read_text()
        line = understudy("backup", config=run.config, code=4)
        assert "was made by PostgreSQL 9" in line
