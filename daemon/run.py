"""Runs the daemon: starts its parts in order, waits for a reason to end, and stops them in reverse.

data folder locked -> sockets bound -> PostgreSQL -> the tree of actors -> (a signal, or a part that cannot go on)

Exit codes: 0 stopped as asked, 2 the configuration is wrong, 3 something is in use (port, data folder, node name, or
the database by a newer Understudy), 4 PostgreSQL could not be made or started, 6 no backup could be made before a
migration, 70 actors crashed more often than the root tolerates, 71 so many threads hang that only a new process helps.
"""

import contextlib
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import prometheus_client

from actors.address import Address
from actors.base import EXIT_IN_USE, Fatal
from actors.health import HealthBoard
from config.digest import digest_of
from config.loading import load
from config.mistakes import ConfigError
from config.schema import Config
from daemon.backups import before_migration, folder_of
from daemon.postgres_keeper import PostgresKeeper
from daemon.runtime import VERSION, Runtime
from daemon.spawner import Spawner
from daemon.stacks import stacks
from daemon.tree import homes, lanes, root_arguments
from metrics import logs
from metrics.catalogue import Catalogue
from movies.verdict import Reason
from storage import acquisition, movie_titles, movies
from storage.backup_folder import newest_of
from storage.data_folder import DataFolder
from storage.database import Connection, Database
from storage.embedded import EmbeddedPostgres
from storage.errors import DataFolderLocked, PostgresFailed
from storage.postgres_programs import Programs
from storage.reconciliation import reconcile
from supervisor import Supervisor, start_root, stop_root

EXIT_CONFIG, EXIT_POSTGRES, EXIT_CRASHED = 2, 4, 70
STOP_BUDGET_S = 8.0


class Stop:
    """Posted to the main thread: a signal asked the daemon to end."""


class Daemon:
    """One run of the daemon. `run()` returns the exit code."""

    def __init__(self, config: Config, *, config_path: Path) -> None:
        self._config = config
        self._config_path = config_path
        self._config_digest = digest_of(config_path)
        self._spawner = Spawner()
        self._health = HealthBoard()
        self._metrics = Catalogue(prometheus_client.CollectorRegistry())
        self._root: Supervisor | None = None
        self._addresses: dict[str, Address] = {}
        self._showing = threading.Lock()
        self._keeper: PostgresKeeper | None = None
        self._log = logs.logger("daemon")

    def run(self) -> int:
        sys.setswitchinterval(0.0005)  # busy actors must not keep the others waiting
        with contextlib.ExitStack() as parts:
            try:
                self._hear_signals()
                folder = parts.enter_context(self._data_folder())
                listening = parts.enter_context(self._sockets(folder))
                database = parts.enter_context(self._database(folder))
                parts.enter_context(self._tree(folder, database, listening))
                return self._wait()
            except Fatal as error:
                self._log.error("the daemon ends", reason=str(error))
                return error.exit_code
            finally:
                self._log.info("stopping")
                self._spawner.close()

    def _wait(self) -> int:
        while True:
            match self._spawner.next():
                case Stop():
                    return 0
                case Fatal() as error:
                    raise error
                case Supervisor() as root:
                    self._root = root
                    threading.Thread(target=self._watch_root, args=(root,), name="root-watch", daemon=True).start()
                    self._log.info("started", version=VERSION, pid=os.getpid())

    def _watch_root(self, root: Supervisor) -> None:
        root.gone.wait()
        reason = root.reason
        if isinstance(reason, Fatal):
            self._spawner.post(reason)
        elif reason is not None:
            self._spawner.post(Fatal(f"the root of the tree ended: {reason}", exit_code=EXIT_CRASHED))

    @contextlib.contextmanager
    def _data_folder(self) -> Iterator[DataFolder]:
        folder = DataFolder(self._config.daemon.data_dir)
        try:
            folder.lock(wait_s=self._config.daemon.start_wait)
        except DataFolderLocked as error:
            raise Fatal(str(error), exit_code=EXIT_IN_USE) from error
        except OSError as error:
            raise Fatal(f"the data folder cannot be used: {error}", exit_code=EXIT_IN_USE) from error
        try:
            yield folder
        finally:
            folder.unlock()

    @contextlib.contextmanager
    def _sockets(self, folder: DataFolder) -> Iterator[list[socket.socket]]:
        api = self._config.api
        try:
            family = socket.AF_INET6 if ":" in api.host else socket.AF_INET
            tcp = socket.create_server((api.host, api.port), family=family, backlog=512)
        except OSError as error:
            raise Fatal(f"cannot listen on {api.listen}: {error.strerror}", exit_code=EXIT_IN_USE) from error
        local = listen_in(folder.api_socket)
        (folder.path / "run" / "port").write_text(f"{tcp.getsockname()[1]}\n")
        try:
            yield [tcp, local]
        finally:
            tcp.close()
            local.close()
            folder.api_socket.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _database(self, folder: DataFolder) -> Iterator[Database]:
        dsn = self._config.storage.dsn.get_secret_value()
        if not dsn:
            try:
                postgres = EmbeddedPostgres(
                    folder, spawn=self._spawner.spawn, log=lambda text: self._log.warning("postgres", reason=text)
                )
            except PostgresFailed as error:
                raise Fatal(str(error), exit_code=EXIT_POSTGRES) from error
            self._keeper = PostgresKeeper(
                postgres, on_failed=lambda error: self._spawner.post(Fatal(str(error), exit_code=EXIT_POSTGRES))
            )
            self._keeper.start()
            dsn = postgres.dsn
        backups = folder_of(self._config)
        programs = Programs(binaries=self._config.backup.binaries, spawn=self._spawner.spawn)
        database = Database(
            dsn,
            application="understudy",
            call_limit_s=self._config.storage.call_limit,
            node_wait_s=self._config.daemon.start_wait,
            on_call=self._database_called,
            before_migration=before_migration(self._config, backups, dsn=dsn, programs=programs, log=self._saved),
            backup_of=lambda schema: newest_of(backups, schema),
        )
        database.open()
        try:
            yield database
        finally:
            database.close()
            if self._keeper is not None:
                self._keeper.stop()

    def _saved(self, path: Path) -> None:
        self._log.info("a backup was made before the migration", file=str(path))

    def _database_called(self, seconds: float, error: Exception | None) -> None:
        self._metrics.database_seconds.observe(seconds)
        if error is not None:
            self._metrics.database_errors.inc()

    @contextlib.contextmanager
    def _tree(self, folder: DataFolder, database: Database, listening: list[socket.socket]) -> Iterator[None]:
        key = self._config.api.api_key.get_secret_value() or folder.secret("api.key")
        runtime = Runtime(
            config=self._config,
            node=self._node(folder),
            folder=folder,
            database=database,
            spawner=self._spawner,
            metrics=self._metrics,
            health=self._health,
            api={
                "listening": listening,
                "settings": {
                    "dsn": database.dsn,
                    "api_key": key,
                    "call_limit_s": self._config.storage.call_limit,
                    "config": str(self._config_path.absolute()),
                    "config_digest": self._config_digest,
                },
            },
            on_ready=lambda connection: self._bring_wanted_in(connection, runtime),
            is_database_starting=lambda: self._keeper is not None and self._keeper.is_starting,
            root=lambda: self._root,
        )
        self._addresses = runtime.addresses
        self._metrics.build.labels(version=VERSION).set(1)
        self._metrics.started.set(time.time())
        self._metrics.watch_reasons(reason.value for reason in Reason)
        threading.Thread(target=self._start_tree, args=(runtime,), name="tree-start", daemon=True).start()
        try:
            yield
        finally:
            if self._root is not None and not stop_root(self._root, timeout_s=STOP_BUDGET_S):
                self._log.warning("the tree did not stop in time", budget_s=STOP_BUDGET_S)
            runtime.progress.close()

    def _node(self, folder: DataFolder) -> str:
        """The configured name, else the one that this data folder was first used under: hosts are renamed."""
        daemon = self._config.daemon
        return daemon.node if "node" in daemon.model_fields_set else folder.secret("node", make=lambda: daemon.node)

    def _start_tree(self, runtime: Runtime) -> None:
        """In a thread of its own, because starting actors ask the main thread to fork."""
        try:
            self._spawner.post(start_root(Supervisor, root_arguments(runtime), address=runtime.address("root")))
        except Fatal as error:
            self._spawner.post(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the daemon cannot run without its tree
            self._spawner.post(Fatal(f"the tree did not start: {error}", exit_code=EXIT_CRASHED))

    def _hear_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._spawner.post(Stop()))
        signal.signal(signal.SIGUSR1, lambda *_: self._show_stacks())

    def _show_stacks(self) -> None:
        """In a thread of its own, since the main one may be about to log, or wait for what hangs; one at a time."""

        def show() -> None:
            with self._showing:
                self._log.warning("what all threads do", stack=stacks(self._addresses.values()))

        if not self._showing.locked():
            threading.Thread(target=show, name="stacks", daemon=True).start()

    def _bring_wanted_in(self, connection: Connection, runtime: Runtime) -> None:
        """The file's wants become claims, what nobody can do any more is put right, and what is left is searched."""
        runtime.restore_breakers(connection)
        movie_titles.refresh(connection)
        claims, prefix = [], f"file:{runtime.node}:"
        root = str(self._config.roots[0].path)
        for block, wanted in self._config.wanted_movies():
            source = f"{prefix}{self._config_path.name}:wanted.{block}"
            claims.append((movies.claim_movie(connection, wanted, source=source, root=root), source))
        for movie_id in movies.drop_claims(connection, prefix=prefix, keep=claims):
            self._log.info("a movie is no longer wanted", movie_id=movie_id)
        self._reconcile(connection, runtime)
        indexers = [indexer.name for indexer in self._config.indexers]
        for movie_id in movies.unsearched(connection) if indexers else ():
            acquisition.search(connection, movie_id, indexers=indexers, correlation_id=secrets.token_hex(6))

    def _reconcile(self, connection: Connection, runtime: Runtime) -> None:
        concerned = reconcile(
            connection,
            node=runtime.node,
            lanes=lanes(runtime),
            homes=homes(runtime),
            roots=[str(root.path) for root in self._config.roots],
        )
        for movie_id in concerned:
            self._log.warning("a movie is tried another way: its indexer or client is gone", movie_id=movie_id)


def listen_in(path: Path) -> socket.socket:
    """A unix socket at `path` (0600), also where the whole path is longer than a socket address may be."""
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        local = socket.socket(socket.AF_UNIX)
        previous = os.umask(0o177)
        try:
            local.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.umask(previous)
        local.listen(64)
        return local
    finally:
        os.close(folder)


def run(config_path: Path) -> int:
    """Load the configuration and run the daemon until it is told to stop; the exit code."""
    try:
        config = load(config_path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    logs.configure(level=config.daemon.log_level, style=config.daemon.log_format)
    return Daemon(config, config_path=config_path).run()


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
