"""The database under trouble: frozen, killed, restarted, unprepared, and shared by two daemons of one name."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.errors import DatabaseUnavailable, NodeTaken
from storage.listener import Listener
from storage.migration import LOCK_KEY
from tests.postgres import add_template, fresh_database, opened, postgres_server, server_folder
from tests.until import until

LIMIT_S = 0.5
PATIENCE_S = 5.0
"""How late a deadline may fire on a busy machine; the calls themselves would wait for ever."""


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server that may be frozen and killed, as long as it runs again at the end of the test."""
    with server_folder() as folder, postgres_server(folder) as server:
        add_template(server)
        yield server


@pytest.fixture
def shaky(own_server: EmbeddedPostgres) -> Iterator[Database]:
    """A database on that server whose calls may take `LIMIT_S`."""
    with fresh_database(own_server) as dsn, opened(dsn, application="shaky", call_limit_s=LIMIT_S) as database:
        yield database


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Every process of the server is stopped: connections stay, packets are acknowledged, nothing answers."""
    assert server.pid is not None
    processes = [server.pid]
    os.kill(server.pid, signal.SIGSTOP)  # first, so that it has no more children
    processes += map(int, Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split())
    for pid in processes[1:]:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(processes):
            os.kill(pid, signal.SIGCONT)


def answers(database: Database) -> bool:
    try:
        with database.transaction() as connection:
            return connection.execute("select 1 as one").fetchone() == {"one": 1}
    except DatabaseUnavailable:
        return False


def seconds_until_unavailable(call: Callable[[], object]) -> float:
    """In a thread of its own, so that a call without a deadline fails the test and does not hold it up."""
    outcome: Future[object] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except DatabaseUnavailable as error:
            outcome.set_exception(error)

    start = time.monotonic()
    threading.Thread(target=run, daemon=True).start()
    with pytest.raises(DatabaseUnavailable):
        outcome.result(30)
    return time.monotonic() - start


def test_a_call_to_a_frozen_server_ends_by_its_deadline_and_the_pool_recovers(
    own_server: EmbeddedPostgres, shaky: Database
) -> None:
    assert answers(shaky)
    with frozen(own_server):
        for _ in range(3):
            assert seconds_until_unavailable(lambda: shaky.transaction().__enter__()) < 2 * LIMIT_S + PATIENCE_S
    until(lambda: answers(shaky), what="the pool to recover")


def test_a_server_that_freezes_inside_a_transaction_ends_it_by_its_deadline(
    own_server: EmbeddedPostgres, shaky: Database
) -> None:
    def freeze_and_ask() -> None:
        with shaky.transaction() as connection:
            connection.execute("insert into feeds (indexer) values ('one')")
            with frozen(own_server):
                connection.execute("select 1")

    assert seconds_until_unavailable(freeze_and_ask) < LIMIT_S + PATIENCE_S
    until(lambda: answers(shaky), what="the pool to recover")
    with shaky.transaction() as connection:
        assert connection.execute("select from feeds").fetchall() == []


def test_a_long_call_may_be_given_its_own_limit(shaky: Database) -> None:
    with shaky.transaction(limit_s=60) as connection:
        connection.execute("select pg_sleep(%s)", (2 * LIMIT_S,))
    assert seconds_until_unavailable(lambda: sleep(shaky, 600)) < LIMIT_S + PATIENCE_S
    until(lambda: answers(shaky), what="the pool to recover")


def sleep(database: Database, seconds: float) -> None:
    with database.transaction() as connection:
        connection.execute("select pg_sleep(%s)", (seconds,))


@pytest.mark.parametrize("what", ["prepare", "check_schema", "listen"])
def test_the_calls_outside_the_pool_end_by_their_deadline_too(
    own_server: EmbeddedPostgres, shaky: Database, what: str
) -> None:
    shaky.prepare(node="here")
    with frozen(own_server):
        assert seconds_until_unavailable(getattr(shaky, what)) < 2 + PATIENCE_S  # libpq waits two seconds at least
        assert not shaky.holds_node()


def test_a_question_that_is_never_answered_ends_a_preparation(shaky: Database) -> None:
    with psycopg.connect(shaky.dsn) as other:
        other.execute("lock table schema_version")
        for call in (shaky.prepare, shaky.check_schema):
            assert LIMIT_S <= seconds_until_unavailable(call) < LIMIT_S + PATIENCE_S


def test_a_database_that_is_up_to_date_waits_for_nobody_who_migrates(shaky: Database) -> None:
    with psycopg.connect(shaky.dsn) as other:
        other.execute("select pg_advisory_lock(%s)", (LOCK_KEY,))
        assert shaky.prepare() == []


def test_a_server_killed_and_started_again_is_found_again(own_server: EmbeddedPostgres, shaky: Database) -> None:
    shaky.prepare(node="here")
    assert own_server.pid is not None
    os.kill(own_server.pid, signal.SIGKILL)
    until(lambda: not own_server.is_running())
    try:
        assert not answers(shaky)
        assert not shaky.holds_node()
    finally:
        own_server.start()
    until(lambda: answers(shaky), what="the pool to recover")
    assert shaky.prepare(node="here") == []
    assert shaky.holds_node()


def test_a_listener_hears_notifications_and_comes_back_after_its_connection_is_lost(database: Database) -> None:
    heard: list[str] = []
    listener = Listener(database, "jobs", "events", on_notify=heard.append)
    listener.start()
    try:
        until(lambda: set(heard) == {"jobs", "events"}, what="a first call for every channel")
        heard.clear()
        with database.transaction() as connection:
            connection.execute("select pg_notify('jobs', '')")
        until(lambda: heard == ["jobs"])
        with database.transaction() as connection:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%'")
        until(lambda: heard[1:] == ["jobs", "events"], what="a call for every channel after the reconnect")
    finally:
        listener.stop()


def test_nothing_is_done_on_a_database_that_is_not_prepared(dsn: str) -> None:
    database = Database(dsn, application="test")
    database.open()
    try:
        with pytest.raises(DatabaseUnavailable, match="not prepared"), database.transaction():
            pytest.fail("the block must not run")
        database.check_schema()
        assert answers(database)
    finally:
        database.close()


def test_a_server_that_is_not_there_is_an_outage(dsn: str) -> None:
    nowhere = Database(psycopg.conninfo.make_conninfo(dsn, port=1), application="test", call_limit_s=LIMIT_S)
    nowhere.open()
    try:
        for call in (nowhere.prepare, nowhere.check_schema, nowhere.listen):
            assert seconds_until_unavailable(call) < PATIENCE_S
    finally:
        nowhere.close()


def test_a_node_name_belongs_to_one_daemon_until_it_closes(dsn: str) -> None:
    first, second = Database(dsn, application="first"), Database(dsn, application="second", node_wait_s=0)
    first.open()
    second.open()
    try:
        first.prepare(node="here")
        with pytest.raises(NodeTaken, match='"here"'):
            second.prepare(node="here")
        assert not second.is_prepared
        second.prepare(node="there")
        first.close()
        third = Database(dsn, application="third")
        third.prepare(node="here")
        third.close()
    finally:
        first.close()
        second.close()


def test_a_node_name_is_waited_for_while_its_daemon_ends(dsn: str) -> None:
    first, second = Database(dsn, application="first"), Database(dsn, application="second", node_wait_s=60)
    first.open()
    first.prepare(node="here")
    with ThreadPoolExecutor(1) as starting, psycopg.connect(dsn, autocommit=True) as observer:
        waiting = starting.submit(second.prepare, node="here")
        asked = (
            "select from pg_stat_activity where application_name = 'second' and query like '%%pg_try_advisory_lock%%'"
        )
        until(lambda: observer.execute(asked.encode(), ()).fetchone() is not None or waiting.done())
        first.close()
        assert waiting.result(10) == []
    second.close()


def test_an_exception_rolls_back_and_a_success_commits(database: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), database.transaction() as connection:  # noqa: PT012  # the point
        connection.execute("insert into feeds (indexer) values ('lost')")
        connection.execute("select 1 / 0")
    with database.transaction() as connection:
        connection.execute("insert into feeds (indexer) values ('kept')")
    with database.transaction() as connection:
        assert connection.execute("select indexer from feeds").fetchall() == [{"indexer": "kept"}]


def test_an_error_of_the_statement_is_no_outage(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable), database.transaction() as connection:
        connection.execute("select from nowhere")


def test_every_call_is_reported_with_its_time_and_outcome(dsn: str) -> None:
    calls: list[tuple[float, Exception | None]] = []
    database = Database(
        dsn, application="test", call_limit_s=LIMIT_S, on_call=lambda seconds, error: calls.append((seconds, error))
    )
    database.open()
    try:
        database.prepare()
        assert answers(database)
        with pytest.raises(DatabaseUnavailable):
            sleep(database, 600)
    finally:
        database.close()
    (_, success), (seconds, outage) = calls
    assert success is None
    assert isinstance(outage, DatabaseUnavailable)
    assert seconds >= LIMIT_S


def test_more_callers_than_connections_wait_for_their_turn(dsn: str) -> None:
    database = Database(dsn, application="test", max_connections=2)
    database.open()
    barrier = threading.Barrier(8)

    def ask(_: int) -> bool:
        barrier.wait(10)
        return answers(database)

    try:
        database.prepare()
        with ThreadPoolExecutor(8) as callers:
            assert all(callers.map(ask, range(8)))
    finally:
        database.close()
