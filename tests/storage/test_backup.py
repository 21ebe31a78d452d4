"""Backups: all rows come back, and whatever is in the way, neither the data nor an older file suffers."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from storage.backup import back_up, fit_to_server, read_backup, restore
from storage.data_folder import DataFolder
from storage.embedded import EmbeddedPostgres, shipped_binaries
from storage.errors import BackupFailed, DatabaseUnavailable, RestoreRefused, SchemaTooNew
from storage.file_errors import FolderGone, NoSpace, TargetExists
from storage.migration import current_version, known_migrations, migrate
from storage.postgres_programs import ProgramFailed, Programs, translated
from tests.postgres import add_template, fresh_database, spawn
from tests.storage.databases import ask, everything, execute, fill, fill_incompressibly
from tests.storage.interruption import Recorder, listing
from tests.storage.test_migration import catalogues

SERVERS = [shipped_binaries(), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
SCRIPT = "SET lock_timeout = 0;\nSET transaction_timeout = 0;\nSET"
NEWER = "insert into schema_version (version, name) values (9999, 'from the future')"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB, where root may mount one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]).returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def structure(dsn: str) -> dict[str, list[Any]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return catalogues(connection)


def bring_up_to_date(dsn: str) -> list[str]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return migrate(connection)


def version_of(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return current_version(connection)


def test_every_row_and_sequence_and_the_whole_structure_come_back(filled: str, empty: str, tmp_path: Path) -> None:
    expected, shape = everything(filled), structure(filled)
    made = back_up(filled, tmp_path / "a.dump")
    assert len(expected["jobs"]) > 90
    assert (made.path, made.schema) == (tmp_path / "a.dump", version_of(filled))
    assert made == read_backup(tmp_path / "a.dump")
    assert restore(empty, made.path, scratch=tmp_path) == made
    assert everything(empty) == expected
    assert structure(empty) == shape
    execute(empty, "insert into movies (title, profile, root) values ('next', 'hd', '/')")
    assert ask(empty, "select max(id) from movies") == [101], "an identity column goes on where it was"
    assert bring_up_to_date(empty) == []


def test_what_was_written_since_the_backup_is_gone_after_the_restore(filled: str, tmp_path: Path) -> None:
    expected = everything(filled)
    back_up(filled, tmp_path / "a.dump")
    execute(
        filled, "delete from jobs; insert into feeds (indexer) values ('new'); update movies set title = title || '!'"
    )
    restore(filled, tmp_path / "a.dump", scratch=tmp_path)
    assert everything(filled) == expected
    restore(filled, tmp_path / "a.dump", scratch=tmp_path)
    assert everything(filled) == expected
    assert listing(tmp_path) == ["a.dump"]


@pytest.mark.parametrize("binaries", SERVERS, ids=str)
def test_servers_of_other_versions_are_saved_and_restored(binaries: Path, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.lock()
    server = EmbeddedPostgres(folder, spawn=spawn, binaries=binaries, is_durable=False)
    try:
        server.start()
        add_template(server)
        with fresh_database(server) as dsn, fresh_database(server, template="template0") as other:
            fill(dsn)
            back_up(dsn, tmp_path / "a.dump")
            restore(other, tmp_path / "a.dump", scratch=tmp_path)
            assert everything(other) == everything(dsn)
    finally:
        server.stop()
        folder.unlock()


@pytest.mark.parametrize(
    ("server_version", "expected"),
    [(160009, "SET lock_timeout = 0;\n--- transaction_timeout = 0;\nSET"), (170000, SCRIPT), (180001, SCRIPT)],
)
def test_the_setting_that_older_servers_do_not_know_is_no_command_there(
    tmp_path: Path, server_version: int, expected: str
) -> None:
    script = tmp_path / "script"
    script.write_text(SCRIPT)
    with script.open("r+b") as file:
        fit_to_server(file.fileno(), server_version)
    assert script.read_text() == expected


def test_an_older_backup_is_restored_over_newer_tables_and_migrated_afterwards(
    empty: str, filled: str, tmp_path: Path
) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        migrate(connection, known_migrations()[:1])
    back_up(empty, tmp_path / "old.dump")
    shape = structure(filled)
    execute(
        filled, f"create table future (id int references movies); create view sight as select * from future; {NEWER}"
    )
    restore(filled, tmp_path / "old.dump", scratch=tmp_path)
    assert version_of(filled) == 1
    assert ask(filled, "select count(*) from pg_class where relname in ('future', 'sight')") == [0]
    assert bring_up_to_date(filled) == [migration.name for migration in known_migrations()[1:]]
    assert structure(filled) == shape


def test_events_of_another_cluster_come_before_those_to_be_written(filled: str, tmp_path: Path) -> None:
    execute(filled, "update events set xid = '99999999999' where id > 50")
    back_up(filled, tmp_path / "a.dump")
    restore(filled, tmp_path / "a.dump", scratch=tmp_path)
    execute(filled, "insert into events (kind) values ('the newest')")
    ids = ask(filled, "select id from events where xid < pg_snapshot_xmin(pg_current_snapshot()) order by xid, id")
    assert ids == list(range(1, 102))


def test_events_of_the_same_cluster_keep_their_place(filled: str, tmp_path: Path) -> None:
    places = ask(filled, "select xid || '-' || id from events order by xid, id")
    back_up(filled, tmp_path / "a.dump")
    restore(filled, tmp_path / "a.dump", scratch=tmp_path)
    assert ask(filled, "select xid || '-' || id from events order by xid, id") == places


def test_what_others_keep_in_the_database_is_neither_saved_nor_touched(filled: str, empty: str, tmp_path: Path) -> None:
    execute(filled, "create table theirs (id int); insert into theirs values (1); create schema their_space")
    execute(filled, "create table their_space.jobs (id int); insert into their_space.jobs values (2)")
    back_up(filled, tmp_path / "a.dump")
    execute(filled, "insert into theirs values (3)")
    restore(filled, tmp_path / "a.dump", scratch=tmp_path)
    assert ask(filled, "select id from theirs order by id") == [1, 3]
    assert ask(filled, "select id from their_space.jobs") == [2]
    restore(empty, tmp_path / "a.dump", scratch=tmp_path)
    assert ask(empty, "select to_regclass('theirs')") == [None]


def test_a_table_of_our_name_in_a_foreign_database_is_not_dropped(saved: Path, empty: str, tmp_path: Path) -> None:
    execute(empty, "create table movies (id int); insert into movies values (1)")
    with pytest.raises(RestoreRefused, match='relation "movies" already exists'):
        restore(empty, saved, scratch=tmp_path)
    assert everything(empty) == {"movies": ["(1,)"]}


def test_a_view_that_others_built_on_our_tables_stops_the_restore(filled: str, saved: Path, tmp_path: Path) -> None:
    execute(filled, "create schema reports; create view reports.wanted as select title from movies")
    before = everything(filled)
    with pytest.raises(RestoreRefused, match=r"view reports\.wanted depends on table movies"):
        restore(filled, saved, scratch=tmp_path)
    assert everything(filled) == before


def test_a_backup_of_another_schema_is_refused(empty: str, filled: str, tmp_path: Path) -> None:
    execute(empty, 'create schema "Apart"')
    apart = make_conninfo(empty, options='-csearch_path="Apart"')
    bring_up_to_date(apart)
    back_up(apart, tmp_path / "a.dump")
    before = everything(filled)
    with pytest.raises(RestoreRefused, match=r'taken from the schema "Apart".*search_path'):
        restore(filled, tmp_path / "a.dump", scratch=tmp_path)
    assert everything(filled) == before
    execute(apart, "insert into feeds (indexer) values ('since')")
    restore(apart, tmp_path / "a.dump", scratch=tmp_path)
    assert ask(apart, "select indexer from feeds") == []


def test_the_file_is_private_and_the_password_in_no_command(filled: str, tmp_path: Path) -> None:
    started = Recorder()
    file = back_up(filled, tmp_path / "a.dump", programs=Programs(spawn=started)).path
    restore(filled, file, scratch=tmp_path, programs=Programs(spawn=started))
    password = str(conninfo_to_dict(filled)["password"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(started.commands) >= 5
    assert password not in " ".join(started.commands)
    assert password.encode() not in file.read_bytes()


def test_a_file_that_is_there_is_not_replaced(filled: str, tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_text("mine")
    with pytest.raises(TargetExists, match="not replaced"):
        back_up(filled, tmp_path / "a.dump")
    assert (tmp_path / "a.dump").read_text() == "mine"
    with pytest.raises(FolderGone):
        back_up(filled, tmp_path / "missing" / "a.dump")


def test_an_empty_database_is_not_backed_up(empty: str, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="nothing of Understudy"):
        back_up(empty, tmp_path / "a.dump")
    assert listing(tmp_path) == []


@pytest.mark.parametrize("part", [0.0, 0.001, 0.2, 0.5, 0.9, 0.998, 0.99999])
def test_a_file_cut_short_is_refused_before_anything_is_touched(
    filled: str, saved: Path, tmp_path: Path, part: float
) -> None:
    size_bytes = int(saved.stat().st_size * part)
    os.truncate(saved, size_bytes)
    refuse(filled, saved, tmp_path, "is no backup|cannot be read as a backup|damaged")


def test_a_damaged_file_is_refused_before_anything_is_touched(filled: str, saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    for part in (0.05, 0.2, 0.5, 0.8):
        data = bytearray(whole)
        data[int(len(data) * part)] ^= 0x01
        saved.write_bytes(data)
        refuse(filled, saved, tmp_path, "is damaged: its checksum does not match")


def test_a_file_made_by_pg_dump_alone_is_taken(filled: str, empty: str, saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: whole.rindex(b"\nunderstudy-backup")])
    restore(empty, saved, scratch=tmp_path)
    assert everything(empty).keys() == everything(filled).keys()
    assert everything(empty)["jobs"] == everything(filled)["jobs"]


def test_what_is_no_backup_of_ours_is_refused(filled: str, empty: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("create table movies ()")
    refuse(filled, tmp_path / "text", tmp_path, "text is no backup")
    refuse(filled, tmp_path, tmp_path, "is no backup but a folder")
    refuse(filled, tmp_path / "missing", tmp_path, "cannot be read: No such file")
    os.mkfifo(tmp_path / "pipe")
    refuse(filled, tmp_path / "pipe", tmp_path, "is no backup but")
    execute(empty, "create table schema_version (id int)")
    password = str(conninfo_to_dict(empty)["password"])
    pg_dump = str(shipped_binaries() / "pg_dump")
    dump = [pg_dump, "-Fc", "-f", str(tmp_path / "theirs"), "-d", make_conninfo(empty, password=None)]
    subprocess.run(dump, check=True, env=os.environ | {"PGPASSWORD": password})
    refuse(filled, tmp_path / "theirs", tmp_path, "holds no database of Understudy")


def test_a_backup_of_a_newer_schema_is_refused(filled: str, tmp_path: Path) -> None:
    execute(filled, NEWER)
    back_up(filled, tmp_path / "a.dump")
    execute(filled, "delete from schema_version where version = 9999")
    before = everything(filled)
    with pytest.raises(SchemaTooNew, match="schema 9999 and this program knows"):
        restore(filled, tmp_path / "a.dump", scratch=tmp_path)
    assert everything(filled) == before


def refuse(dsn: str, source: Path, scratch: Path, text: str) -> None:
    """The restore is refused with that text, no psql having been started."""
    before, started = everything(dsn), Recorder()
    with pytest.raises(RestoreRefused, match=text):
        restore(dsn, source, scratch=scratch, programs=Programs(spawn=started))
    assert "psql" not in " ".join(started.commands)
    assert everything(dsn) == before


def test_a_wrong_password_and_a_server_that_is_away_are_outages(filled: str, saved: Path, tmp_path: Path) -> None:
    for dsn, text in (
        (make_conninfo(filled, password="wrong"), "password authentication failed"),
        (make_conninfo(filled, port=1), "refused"),
    ):
        with pytest.raises(DatabaseUnavailable, match=text):
            back_up(dsn, tmp_path / "b.dump")
        with pytest.raises(DatabaseUnavailable, match=text):
            restore(dsn, saved, scratch=tmp_path)
    assert listing(tmp_path) == ["saved.dump"]


def test_a_full_disk_takes_no_part_of_a_backup_and_keeps_the_older_one(filled: str, tiny_disk: Path) -> None:
    older = back_up(filled, tiny_disk / "older.dump")
    fill_incompressibly(filled)
    with pytest.raises(NoSpace, match=r"back up to .*newer\.dump.*No space left"):
        back_up(filled, tiny_disk / "newer.dump")
    assert listing(tiny_disk) == ["older.dump"]
    assert read_backup(older.path) == older


def test_a_restore_without_room_to_unpack_touches_nothing(filled: str, tmp_path: Path, tiny_disk: Path) -> None:
    fill_incompressibly(filled)
    back_up(filled, tmp_path / "a.dump")
    before = everything(filled)
    with pytest.raises(NoSpace):
        restore(filled, tmp_path / "a.dump", scratch=tiny_disk)
    assert everything(filled) == before


def test_a_pg_dump_older_than_the_server_is_refused_with_the_way_out(filled: str, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.3'\n")
    program.chmod(0o755)
    with pytest.raises(BackupFailed, match=r"pg_dump is 12, which cannot dump it: name the folder .*--binaries"):
        back_up(filled, tmp_path / "a.dump", programs=Programs(binaries=tmp_path))
    with pytest.raises(BackupFailed, match="No such file"):
        back_up(filled, tmp_path / "a.dump", programs=Programs(binaries=tmp_path / "nowhere"))


def test_programs_without_tls_say_the_way_out(dsn: str) -> None:
    with pytest.raises(ProgramFailed) as failure:
        Programs().run("pg_dump", dsn=make_conninfo(dsn, sslmode="require"), patience_s=10.0)
    error = translated(failure.value, tried="back up", otherwise=BackupFailed)
    assert isinstance(error, BackupFailed)
    assert "these programs know no TLS: name a folder" in str(error)
