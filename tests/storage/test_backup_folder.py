"""The backups that are kept, and the moments at which they matter: a migration, and the way back from one."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from storage.backup import back_up, read_backup, restore
from storage.backup_folder import Reason, add, kept, newest_of
from storage.data_folder import DataFolder
from storage.embedded import EmbeddedPostgres, dsn_of_running
from storage.errors import BackupFailed, PostgresFailed, SchemaTooNew
from storage.migration import Migration, current_version, known_migrations, migrate
from tests.postgres import spawn
from tests.storage.databases import ask, everything, execute
from tests.storage.interruption import listing

NOW = datetime(2026, 1, 31, 2, tzinfo=UTC)
NEWEST = known_migrations()[-1].version
NEXT = [*known_migrations(), Migration(version=NEWEST + 1, name="next", sql="create table next (id int)")]


def write(target: Path) -> None:
    target.write_text("a backup")


def add_daily(folder: Path, days: int) -> list[str]:
    """One a day from NOW on; their names."""
    return [add(folder, Reason.DAILY, schema=2, now=NOW + timedelta(days=day), make=write).name for day in range(days)]


def test_a_name_says_why_and_when_and_of_which_schema(tmp_path: Path) -> None:
    path = add(tmp_path / "backups", Reason.MIGRATION, schema=12, now=NOW, make=write)
    assert path.name == "understudy-migration-20260131T020000Z-schema12.dump"
    assert (tmp_path / "backups").stat().st_mode & 0o777 == 0o700
    (backup,) = kept(tmp_path / "backups")
    assert (backup.path, backup.reason, backup.made_at, backup.schema) == (path, Reason.MIGRATION, NOW, 12)


def test_seven_daily_ones_three_before_migrations_and_all_that_were_asked_for_stay(tmp_path: Path) -> None:
    daily = add_daily(tmp_path, 9)
    for reason in (Reason.MIGRATION, Reason.ASKED):
        for minute in range(5):
            add(tmp_path, reason, schema=2, now=NOW + timedelta(minutes=minute), make=write)
    names = [backup.path.name for backup in kept(tmp_path)]
    assert sorted(name for name in names if "daily" in name) == daily[2:]
    assert sorted(name[21:37] for name in names if "migration" in name) == [
        "20260131T020200Z",
        "20260131T020300Z",
        "20260131T020400Z",
    ]
    assert sum("asked" in name for name in names) == 5


def test_the_age_is_what_the_name_says_and_not_when_the_file_was_touched(tmp_path: Path) -> None:
    daily = add_daily(tmp_path, 7)
    os.utime(tmp_path / daily[0])
    os.utime(tmp_path / daily[6], (0, 0))
    add(tmp_path, Reason.DAILY, schema=2, now=NOW + timedelta(days=7), make=write)
    assert daily[0] not in listing(tmp_path)
    assert daily[6] in listing(tmp_path)


def test_a_backup_made_by_a_clock_that_went_back_is_not_deleted_at_once(tmp_path: Path) -> None:
    daily = add_daily(tmp_path, 7)
    new = add(tmp_path, Reason.DAILY, schema=2, now=NOW - timedelta(days=900), make=write)
    assert listing(tmp_path) == sorted([new.name, *daily[1:]])


def test_files_of_others_are_never_deleted(tmp_path: Path) -> None:
    strangers = [
        "understudy-daily-20200131T020000Z-schema2.dump.txt",
        "my-understudy-daily-20200131T020000Z-schema2.dump",
        "understudy-daily-20209931T020000Z-schema2.dump",
        "understudy-daily-schema2.dump",
        "notes.partial",
        ".hidden",
    ]
    for name in strangers:
        (tmp_path / name).write_text("mine")
    (tmp_path / "understudy-daily-20200201T020000Z-schema2.dump").mkdir()
    (tmp_path / "understudy-daily-20200202T020000Z-schema2.dump").symlink_to(tmp_path / ".hidden")
    left = listing(tmp_path)
    daily = add_daily(tmp_path, 9)
    assert listing(tmp_path) == sorted(left + daily[2:])


def test_a_backup_that_fails_deletes_no_older_one(tmp_path: Path) -> None:
    daily = add_daily(tmp_path, 7)

    def fail(target: Path) -> None:
        raise BackupFailed("no")

    with pytest.raises(BackupFailed):
        add(tmp_path, Reason.DAILY, schema=2, now=NOW + timedelta(days=8), make=fail)
    assert listing(tmp_path) == daily


def test_what_a_killed_backup_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".understudy-daily-20260130T020000Z-schema2.dump.abcdefgh.partial").write_text("half")
    assert add_daily(tmp_path, 1) == listing(tmp_path)


def test_a_migration_is_preceded_by_a_backup_of_what_it_changes(filled: str, tmp_path: Path) -> None:
    before = everything(filled)

    def save(version_from: int, version_to: int) -> None:
        assert (version_from, version_to) == (NEWEST, NEWEST + 1)
        make = lambda target: back_up(filled, target)  # noqa: E731
        add(tmp_path, Reason.MIGRATION, schema=version_from, now=NOW, make=make)

    with psycopg.connect(filled, autocommit=True) as connection:
        assert migrate(connection, NEXT, before=save) == ["next"]
        assert migrate(connection, NEXT, before=save) == []
        (backup,) = kept(tmp_path)
        assert read_backup(backup.path).schema == NEWEST
        with pytest.raises(SchemaTooNew) as refusal:
            migrate(connection, backup_of=lambda version: newest_of(tmp_path, version))
    assert str(refusal.value).endswith(f"a backup made before its migration: understudy restore {backup.path}")
    restore(filled, backup.path, scratch=tmp_path)
    assert everything(filled) == before


def test_without_its_backup_no_migration_takes_place(filled: str) -> None:
    def fail(version_from: int, version_to: int) -> None:
        raise BackupFailed("no")

    with psycopg.connect(filled, autocommit=True) as connection:
        with pytest.raises(BackupFailed):
            migrate(connection, NEXT, before=fail)
        assert current_version(connection) == NEWEST
        assert migrate(connection, NEXT) == ["next"], "the lock was given back"


def test_an_empty_database_is_made_without_a_backup(empty: str) -> None:
    asked: list[object] = []
    with psycopg.connect(empty, autocommit=True) as connection:
        migrate(connection, before=lambda *versions: asked.append(versions))
    assert asked == []


def test_the_backup_to_go_back_to_is_the_newest_that_the_older_program_knows(filled: str, tmp_path: Path) -> None:
    assert newest_of(tmp_path / "missing", 2) is None
    add(tmp_path, Reason.DAILY, schema=1, now=NOW, make=write)
    best = add(tmp_path, Reason.MIGRATION, schema=2, now=NOW + timedelta(days=1), make=write)
    add(tmp_path, Reason.DAILY, schema=3, now=NOW + timedelta(days=2), make=write)
    assert newest_of(tmp_path, 2) == best
    assert newest_of(tmp_path, 0) is None
    execute(filled, "insert into schema_version (version, name) values (9999, 'from the future')")
    with (
        psycopg.connect(filled, autocommit=True) as connection,
        pytest.raises(SchemaTooNew, match=r"its migration$"),
    ):
        migrate(connection)


def test_a_cluster_of_another_major_version_is_refused_with_the_commands_that_move_it(cluster: Path) -> None:
    (cluster / "postgres" / "PG_VERSION").write_text("12\n")
    server = EmbeddedPostgres(DataFolder(cluster), spawn=spawn, is_durable=False)
    with pytest.raises(PostgresFailed) as refusal:
        server.start()
    postgres = cluster / "postgres"
    assert str(refusal.value).endswith(
        "understudy backup --binaries FOLDER_OF_12 moved.dump && "
        f"mv {postgres} {postgres}.12 && understudy restore moved.dump"
    )


def test_the_server_of_a_running_daemon_is_found_by_its_folder(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    dsn = dsn_of_running(DataFolder(postgres.folder.path))
    assert dsn is not None
    assert ask(dsn, "select 1") == [1]
    assert dsn_of_running(DataFolder(tmp_path)) is None
