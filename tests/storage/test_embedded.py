"""The embedded PostgreSQL: whoever runs it and however it ends, it starts again with every committed row."""

import os
import pwd
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from storage import postgres_exec
from storage.data_folder import DataFolder
from storage.embedded import OWN_UID, EmbeddedPostgres
from storage.errors import PostgresFailed
from tests.postgres import postgres_server, spawn
from tests.storage.folder_holder import REPOSITORY, folder_holder
from tests.until import until

WITHOUT_USER_NAMESPACES = [sys.executable, str(REPOSITORY / "tests" / "refuse_user_namespaces.py")]
LISTENING = "0A"
LOOPBACK = "0100007F"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_user(uid: int) -> list[str]:
    """The command that runs another as `uid`, who may still read where this interpreter and .venv lie."""
    parent = ["--parent", str(os.getpid())]
    return [sys.executable, "-I", "-S", postgres_exec.__file__, *parent, "--drop", str(uid), "--"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def execute(dsn: str, sql: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.encode())


def ask(dsn: str, sql: str) -> list[object]:
    """The first column of every row."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return [row[0] for row in connection.execute(sql.encode()).fetchall()]


def give(folder: Path, uid: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, uid, uid)


def start(folder: Path, *, change: Callable[[EmbeddedPostgres], None] = lambda server: None) -> None:
    """Start a server that is not expected to come up."""
    server = EmbeddedPostgres(DataFolder(folder), spawn=spawn, is_durable=False)
    change(server)
    try:
        server.start()
    finally:
        server.stop()


def test_a_cold_start_makes_a_cluster_and_a_warm_start_finds_its_rows(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with postgres_server(folder) as server:
        assert server.is_running()
        execute(server.dsn, "create table kept (id int); insert into kept values (1)")
    assert not (folder / "postgres.new").exists()
    with postgres_server(folder) as server:
        assert ask(server.dsn, "select id from kept") == [1]
        server.stop()
        server.start()
        assert ask(server.dsn, "select id from kept") == [1]


def test_a_cold_start_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    with postgres_server(tmp_path) as server:
        assert ask(server.dsn, "select 1") == [1]


def test_the_password_lies_in_a_private_file_and_nowhere_else(postgres: EmbeddedPostgres) -> None:
    file = postgres.folder.path / "postgres.password"
    password = file.read_text().strip()
    assert mode(file) == 0o600
    assert mode(postgres.folder.path / "postgres.log") == 0o600
    assert conninfo_to_dict(postgres.dsn)["password"] == password
    assert password.encode() not in Path(f"/proc/{postgres.pid}/cmdline").read_bytes()
    assert password not in (postgres.folder.path / "postgres.log").read_text()


def test_a_wrong_password_is_refused(postgres: EmbeddedPostgres) -> None:
    for password in ("wrong", ""):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(make_conninfo(postgres.dsn, password=password)).close()
    assert set(ask(postgres.dsn, "select auth_method from pg_hba_file_rules")) == {"scram-sha-256"}


def test_the_server_listens_on_loopback_only(postgres: EmbeddedPostgres) -> None:
    port = f"{postgres.port:04X}"
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    addresses = [line[1].split(":") for line in lines if line[3] == LISTENING]
    assert [address for address, its_port in addresses if its_port == port] == [LOOPBACK]
    assert ask(postgres.dsn, "show unix_socket_directories") == [""]


def test_a_stop_waits_for_no_transaction_and_is_harmless_twice(cluster: Path) -> None:
    with postgres_server(cluster) as server:
        pid = server.pid
        assert pid is not None
        with psycopg.connect(server.dsn) as connection:
            connection.execute("create table half_way (id int)")
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 4, "the fast shutdown did not suffice"
            connection.close()
        assert not is_alive(pid)
        assert not server.is_running()
        server.stop()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(server.dsn)


def test_committed_rows_outlive_kill_9_of_the_whole_group(cluster: Path) -> None:
    with folder_holder(cluster, "--postgres", "--durable") as (process, said):
        execute(said.dsn, "create table kept (id int)")
        for number in range(50):
            execute(said.dsn, f"insert into kept values ({number})")
        assert os.getpgid(said.postgres_pid) == process.pid
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: not is_alive(said.postgres_pid))
    assert (cluster / "postgres" / "postmaster.pid").exists()
    with postgres_server(cluster) as server:
        assert ask(server.dsn, "select id from kept order by id") == list(range(50))


def test_the_server_ends_when_its_daemon_is_killed(cluster: Path) -> None:
    with folder_holder(cluster, "--postgres") as (process, said), psycopg.connect(said.dsn) as idle:
        idle.execute("select 1")
        process.kill()
        process.wait()
        until(lambda: not is_alive(said.postgres_pid), what="the server to end")
        idle.close()
    assert not (cluster / "postgres" / "postmaster.pid").exists(), "it did not end in good order"


def test_a_cluster_that_others_may_enter_is_closed_again(cluster: Path) -> None:
    (cluster / "postgres").chmod(0o2770)
    with postgres_server(cluster) as server:
        assert ask(server.dsn, "select 1") == [1]
    assert mode(cluster / "postgres") == 0o700


def test_a_pid_file_left_behind_stops_no_start(cluster: Path) -> None:
    (cluster / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster}/postgres\n")
    with postgres_server(cluster) as server:
        assert ask(server.dsn, "select 1") == [1]


def test_the_cluster_of_another_major_version_is_refused(cluster: Path) -> None:
    (cluster / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(PostgresFailed, match=r"was made by PostgreSQL 12 and this is PostgreSQL \d+: dump it"):
        start(cluster)


def test_a_server_that_cannot_start_says_why(cluster: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(PostgresFailed, match=r"ended with status 1:.*TCP/IP"):
            start(cluster, change=lambda server: setattr(server, "port", port))


def test_a_large_log_is_put_aside(cluster: Path) -> None:
    with (cluster / "postgres.log").open("ab") as log:
        log.truncate(11 * 2**20)
    with postgres_server(cluster):
        assert (cluster / "postgres.log").stat().st_size < 2**20
        assert (cluster / "postgres.log.1").exists()


@as_root
def test_root_runs_it_in_a_folder_that_only_root_can_enter(cluster: Path) -> None:
    parent = cluster.parent
    parent.chmod(0o700)
    remarks: list[str] = []
    with postgres_server(cluster, log=remarks) as server:
        if remarks:
            pytest.skip("user namespaces are refused here")
        assert ask(server.dsn, "select 1") == [1]
        assert os.readlink(f"/proc/{server.pid}/ns/user") != os.readlink("/proc/self/ns/user")
    assert (mode(parent), mode(cluster)) == (0o700, 0o700)
    assert (cluster / "postgres").stat().st_uid == 0


@as_root
def test_root_without_user_namespaces_gives_it_a_uid_of_its_own(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    folder = tmp_path / "data"
    with folder_holder(folder, "--postgres", wrapper=WITHOUT_USER_NAMESPACES) as (_, said):
        (remark,) = said.remarks
        assert remark.startswith(f"user namespaces are refused here: PostgreSQL runs as uid {OWN_UID}")
        execute(said.dsn, "create table kept (id int); insert into kept values (1)")
        assert Path(f"/proc/{said.postgres_pid}").stat().st_uid == OWN_UID
        assert (folder / "postgres").stat().st_uid == OWN_UID
    assert (mode(tmp_path), mode(folder)) == (0o700, 0o700)
    with postgres_server(folder) as server:
        assert ask(server.dsn, "select id from kept") == [1]
    with folder_holder(folder, "--postgres", wrapper=WITHOUT_USER_NAMESPACES) as (_, said):
        assert ask(said.dsn, "select id from kept") == [1]


@as_root
def test_an_ordinary_user_runs_it_as_himself(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    give(tmp_path, nobody)
    with folder_holder(tmp_path / "data", "--postgres", wrapper=as_user(nobody)) as (_, said):
        assert not said.remarks
        assert ask(said.dsn, "select 1") == [1]
        assert Path(f"/proc/{said.postgres_pid}").stat().st_uid == nobody
        assert os.readlink(f"/proc/{said.postgres_pid}/ns/user") == os.readlink("/proc/self/ns/user")
    assert {path.stat().st_uid for path in tmp_path.rglob("*")} == {nobody}


@as_root
def test_a_uid_without_a_passwd_entry_makes_no_cluster_and_is_told_the_way_out(tmp_path: Path) -> None:
    give(tmp_path, unknown_uid())
    with folder_holder(tmp_path / "data", "--postgres", wrapper=as_user(unknown_uid())) as (_, said):
        assert f"uid {unknown_uid()} has no entry in the passwd database" in said.error
        assert "storage.dsn" in said.error


@as_root
def test_a_uid_without_a_passwd_entry_runs_a_cluster_that_was_made_for_it(cluster: Path) -> None:
    give(cluster.parent, unknown_uid())
    with folder_holder(cluster, "--postgres", wrapper=as_user(unknown_uid())) as (_, said):
        assert said.error == ""
        assert ask(said.dsn, "select 1") == [1]


def unknown_uid() -> int:
    known = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in range(54321, 60000) if uid not in known)
