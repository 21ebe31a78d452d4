"""The database as the rest sees it: short transactions from a small pool, each under a client-side deadline.

A frozen server keeps acknowledging packets, so neither statement_timeout nor keepalives end a call to it. A watchdog
thread shuts the socket down when the deadline has passed: the call raises, the pool discards the connection.
"""

import contextlib
import heapq
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from storage.errors import Conflict, DatabaseUnavailable, NodeTaken
from storage.migration import current_version, known_migrations, migrate

Connection = psycopg.Connection[DictRow]
"""Rows are dicts keyed by column."""

NODE_LOCK = 0x4E6F6465  # "Node": first half of the advisory lock's key, the second is the name's hash

MIGRATION_LIMIT_S = 600.0
"""How long migrating may take, with the wait for another daemon that is at it."""

ASK_POOL_EVERY_S = 0.5

OUTAGES = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    PoolTimeout,
)


CONFLICTS = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)


class Deadline:
    """Shuts down the sockets of calls that overran. One thread serves a process."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[tuple[float, int, socket.socket]] = []
        self._live: set[int] = set()
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watch(self, connection: psycopg.Connection[Any], *, limit_s: float) -> Iterator[None]:
        """While inside, `connection` has `limit_s` seconds; then whatever it waits for raises OperationalError."""
        number = next(self._numbers)
        end = socket.socket(fileno=os.dup(connection.pgconn.socket))
        with self._condition:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="database-deadline", daemon=True)
                self._thread.start()
            self._live.add(number)
            heapq.heappush(self._waiting, (time.monotonic() + limit_s, number, end))
            self._condition.notify()
        try:
            yield
        finally:
            with self._condition:
                self._live.discard(number)
                end.close()

    def _run(self) -> None:
        with self._condition:
            while True:
                while self._waiting and self._waiting[0][1] not in self._live:
                    heapq.heappop(self._waiting)
                if not self._waiting:
                    self._condition.wait()
                    continue
                at, number, end = self._waiting[0]
                remaining = at - time.monotonic()
                if remaining > 0:
                    self._condition.wait(remaining)
                    continue
                heapq.heappop(self._waiting)
                self._live.discard(number)
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


class Database:
    """A pool on `dsn`. Until `prepare()` has succeeded in some process, `transaction()` raises DatabaseUnavailable.

    `on_call(seconds, outage)` is told of every transaction, with None where no outage ended it; it feeds the metrics.
    `before_migration` and `backup_of` are what `migrate` asks for; `node_wait_s` is how
    long a daemon of the same node may take to end.
    """

    def __init__(
        self,
        dsn: str,
        *,
        application: str,
        max_connections: int = 8,
        call_limit_s: float = 5.0,
        node_wait_s: float = 10.0,
        on_call: Callable[[float, Exception | None], None] = lambda seconds, outage: None,
        before_migration: Callable[[int, int], object] = lambda version_from, version_to: None,
        backup_of: Callable[[int], Path | None] = lambda version: None,
    ) -> None:
        self.dsn = dsn
        self._application = application
        self._call_limit_s, self._node_wait_s = call_limit_s, node_wait_s
        self._on_call = on_call
        self._before_migration, self._backup_of = before_migration, backup_of
        self._deadline = Deadline()
        self._is_current = False
        self._callers: set[int] = set()
        self._node_lock: psycopg.Connection | None = None
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            dsn,
            kwargs=self._options() | {"row_factory": dict_row},
            min_size=1,
            max_size=max_connections,
            timeout=call_limit_s,
            max_idle=60.0,
            reconnect_timeout=1.0,
            open=False,
        )

    def open(self) -> None:
        """Start connecting in the background; returns at once, also when no server is there."""
        self._pool.open(wait=False)

    def close(self) -> None:
        if self._node_lock is not None:
            self._node_lock.close()
            self._node_lock = None
        self._pool.close(timeout=1.0)

    def prepare(self, *, node: str | None = None) -> list[str]:
        """Migrate if needed and, with `node`, hold its name; returns the migrations applied.

        Raises DatabaseUnavailable, SchemaTooNew, NodeTaken after `node_wait_s`, or what `before_migration` raises.
        """
        with self._apart(limit_s=self._call_limit_s) as connection:
            refuse_transaction_pooling(connection)
            is_current = current_version(connection) == known_migrations()[-1].version
        applied = []
        if not is_current:
            with self._apart(limit_s=MIGRATION_LIMIT_S) as connection:
                applied = migrate(connection, before=self._before_migration, backup_of=self._backup_of)
        if node is not None:
            self._hold_node(node)
        self._is_current = True
        return applied

    def check_schema(self) -> None:
        """For processes that do not migrate: raises DatabaseUnavailable until the schema is this program's."""
        with self._apart(limit_s=self._call_limit_s) as connection:
            version, ours = current_version(connection), known_migrations()[-1].version
        if version != ours:
            raise DatabaseUnavailable(f"the schema is version {version}, this program needs {ours}")
        self._is_current = True

    @property
    def is_prepared(self) -> bool:
        return self._is_current

    @contextlib.contextmanager
    def transaction(self, *, limit_s: float | None = None) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        if not self._is_current:
            raise DatabaseUnavailable("the database is not prepared yet")
        start, outcome, thread_id = time.monotonic(), None, threading.get_ident()
        self._callers.add(thread_id)
        try:
            with self._outages_translated(), self._pooled() as connection:
                limit = limit_s or self._call_limit_s
                with self._deadline.watch(connection, limit_s=limit), connection.transaction():
                    yield connection
        except DatabaseUnavailable as error:
            outcome = error
            raise
        finally:
            self._callers.discard(thread_id)
            self._on_call(time.monotonic() - start, outcome)

    @contextlib.contextmanager
    def _pooled(self) -> Iterator[Connection]:
        """A connection of the pool, which tries to connect when it is asked, and not again for who waits: so ask again.

        Seen in psycopg_pool 3.3: who asked shortly before a server was back waited until its time was up.
        """
        give_up_at = time.monotonic() + self._call_limit_s
        with contextlib.ExitStack() as stack:
            while True:
                wait_s = min(ASK_POOL_EVERY_S, max(0.0, give_up_at - time.monotonic()))
                try:
                    connection = stack.enter_context(self._pool.connection(timeout=wait_s))
                except PoolTimeout:
                    if time.monotonic() >= give_up_at:
                        raise PoolTimeout(f"couldn't get a connection after {self._call_limit_s:g} s") from None
                else:
                    break
            yield connection

    def is_called_by(self, thread_id: int | None) -> bool:
        """Whether that thread is within a transaction, or waits to begin one."""
        return thread_id in self._callers

    def holds_node(self) -> bool:
        """Whether the node's lock is still ours; false after the server restarted, until `prepare()` runs again."""
        if self._node_lock is None:
            return False
        try:
            with self._deadline.watch(self._node_lock, limit_s=self._call_limit_s):
                self._node_lock.execute("select 1")
        except psycopg.Error:
            self._node_lock.close()
            self._node_lock = None
            return False
        return True

    def listen(self, *channels: str) -> psycopg.Connection:
        """A connection of its own that listens on `channels`; the caller closes it."""
        with self._kept() as connection, self._deadline.watch(connection, limit_s=self._call_limit_s):
            for channel in channels:
                connection.execute(psycopg.sql.SQL("listen {}").format(psycopg.sql.Identifier(channel)))
        return connection

    def _hold_node(self, node: str) -> None:
        if self.holds_node():
            return
        with self._kept() as lock:
            give_up_at = time.monotonic() + self._node_wait_s
            while not self._try_lock(lock, node):
                if time.monotonic() > give_up_at:
                    raise NodeTaken(
                        f'another daemon is node "{node}" on this database: stop it, or set another daemon.node'
                    )
                time.sleep(0.2)
        self._node_lock = lock

    def _try_lock(self, connection: psycopg.Connection, node: str) -> bool:
        with self._deadline.watch(connection, limit_s=self._call_limit_s):
            row = connection.execute("select pg_try_advisory_lock(%s, hashtext(%s))", (NODE_LOCK, node)).fetchone()
        return bool(row and row[0])

    @contextlib.contextmanager
    def _apart(self, *, limit_s: float) -> Iterator[psycopg.Connection]:
        """A connection outside the pool, for one block under one deadline."""
        with (
            self._outages_translated(),
            self._connect() as connection,
            self._deadline.watch(connection, limit_s=limit_s),
        ):
            yield connection

    @contextlib.contextmanager
    def _kept(self) -> Iterator[psycopg.Connection]:
        """A connection outside the pool, which stays open when the block succeeds."""
        with self._outages_translated():
            connection = self._connect()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "application_name": self._application,
            "connect_timeout": max(2, int(self._call_limit_s)),
            "autocommit": True,
            "prepare_threshold": 5,
            "options": "-c idle_in_transaction_session_timeout=60s -c timezone=UTC",
        }

    @contextlib.contextmanager
    def _outages_translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.ProgramLimitExceeded:
            raise  # a value too large for the schema: a bug of ours, which no waiting mends
        except CONFLICTS as error:
            raise Conflict(f"another transaction was in the way: {str(error).strip()}") from error
        except OUTAGES as error:
            raise DatabaseUnavailable(f"the database cannot be used: {str(error).strip()}") from error


def now(connection: Connection) -> datetime:
    """The server's clock, to the moment."""
    row = connection.execute("select clock_timestamp() as now").fetchone()
    assert row is not None
    at: datetime = row["now"]
    return at


def refuse_transaction_pooling(connection: psycopg.Connection[Any]) -> None:
    """Session state must last: raises DatabaseUnavailable behind a pooler in transaction mode."""
    connection.execute("set understudy.session = 'kept'")
    row = connection.execute("select current_setting('understudy.session', true)").fetchone()
    if row is None or row[0] != "kept":
        raise DatabaseUnavailable("storage.dsn leads to a transaction pooler: connect to PostgreSQL itself")
