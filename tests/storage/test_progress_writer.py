"""The one writer of progress: two statements a second for everything, and no last value is lost."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from storage import jobs, progress
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable
from storage.jobs import Claim
from storage.progress import Progress
from storage.progress_writer import FLUSH_EVERY_S, ProgressWriter
from tests.database_outage import database_away
from tests.until import until

LONG_S = 1.6


class CountingConnection:
    """Stands before a connection and counts its statements."""

    def __init__(self, connection: Connection, statements: list[float]) -> None:
        self._connection, self._statements = connection, statements

    def execute(self, *args: Any, **options: Any) -> Any:
        self._statements.append(time.monotonic())
        return self._connection.execute(*args, **options)


class CountingDatabase(Database):
    """Counts the statements within its transactions, by when they were made."""

    statements: list[float]

    @contextmanager
    def transaction(self, *, limit_s: float | None = None) -> Iterator[Any]:
        with super().transaction(limit_s=limit_s) as connection:
            yield CountingConnection(connection, self.statements)


@pytest.fixture
def counting(database: Database) -> Iterator[CountingDatabase]:
    counting = CountingDatabase(database.dsn, application="counting")
    counting.statements = []
    counting.open()
    counting.check_schema()
    try:
        yield counting
    finally:
        counting.close()


@pytest.fixture
def writer(database: Database) -> Iterator[ProgressWriter]:
    writer = ProgressWriter(database)
    yield writer
    writer.close()


def value(operation: str, done_bytes: int, *, claim: Claim | None = None) -> Progress:
    return Progress(operation=operation, movie_id=None, step="s", done_bytes=done_bytes, total_bytes=9, claim=claim)


def shown(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return {row["operation"]: row["done_bytes"] for row in progress.running(connection)}


def claimed(database: Database) -> Claim:
    with database.transaction() as connection:
        jobs.enqueue(connection, "fetch", lane="here", payload={}, correlation_id="c")
        (claim,) = jobs.claim(connection, node="here", owner=uuid4(), slots={"here": 1}, lease_s=60)
    return claim


def test_fifty_operations_in_eight_threads_cost_two_statements_and_two_notifications_a_second(
    database: Database, counting: CountingDatabase
) -> None:
    writer = ProgressWriter(counting)
    last: dict[str, int] = {}

    def work(number: int) -> None:
        give_up_at, done = time.monotonic() + LONG_S, 0
        while time.monotonic() < give_up_at:
            done += 1
            for operation in range(number, 50, 8):
                writer.show(value(f"copy:{operation}", done))
                last[f"copy:{operation}"] = done

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    with psycopg.connect(database.dsn, autocommit=True) as listening:
        listening.execute("listen progress")
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        writer.close(timeout_s=10)
        heard = list(listening.notifies(timeout=0.2))
    most = 2 * (time.monotonic() - start) + 2  # the first comes at once, the last with the end
    assert 3 <= len(counting.statements) <= most
    assert len(heard) == len(counting.statements)
    assert {notification.payload for notification in heard} == {""}
    assert shown(database) == last


def test_between_two_writes_lies_half_a_second(database: Database, counting: CountingDatabase) -> None:
    writer = ProgressWriter(counting)
    for done in range(1, 4):
        writer.show(value("copy:1", done))
        until(lambda done=done: shown(database) == {"copy:1": done})  # type: ignore[misc]
    first, second, third = counting.statements
    assert min(second - first, third - second) >= 0.45
    writer.close()


def test_the_last_value_before_a_silence_is_written(database: Database, writer: ProgressWriter) -> None:
    for done in range(1000):
        writer.show(value("copy:1", done))
    until(lambda: shown(database) == {"copy:1": 999})


def test_what_waits_is_written_at_the_end_and_nothing_after(database: Database, writer: ProgressWriter) -> None:
    writer.show(value("copy:1", 1))
    until(lambda: shown(database))
    writer.show(value("copy:1", 2))
    writer.close(timeout_s=10)
    assert shown(database) == {"copy:1": 2}
    writer.show(value("copy:1", 3))
    writer.close(timeout_s=10)
    assert shown(database) == {"copy:1": 2}


def test_a_writer_that_was_closed_before_it_began_writes_nothing(database: Database, writer: ProgressWriter) -> None:
    writer.close()
    writer.show(value("copy:1", 1))
    writer.close(timeout_s=10)
    assert not [thread for thread in threading.enumerate() if thread.name == "progress-writer"]
    assert shown(database) == {}


def test_values_outlast_an_outage_and_the_newest_wins(database: Database, writer: ProgressWriter) -> None:
    writer.show(value("copy:1", 1))
    until(lambda: shown(database))
    with database_away(database.dsn):
        writer.show(value("copy:1", 2))
        writer.show(value("copy:2", 5))
        threading.Event().wait(2 * FLUSH_EVERY_S)  # while the writer tries in vain
        writer.show(value("copy:1", 3))
    until(lambda: is_reachable(database))
    until(lambda: shown(database) == {"copy:1": 3, "copy:2": 5})


class FailingOnce(Database):
    """Its first transaction fails, when the test lets it."""

    entered, let = threading.Event(), threading.Event()

    @contextmanager
    def transaction(self, *, limit_s: float | None = None) -> Iterator[Connection]:
        if not self.entered.is_set():
            self.entered.set()
            assert self.let.wait(10)
            raise DatabaseUnavailable("the server went away")
        with super().transaction(limit_s=limit_s) as connection:
            yield connection


def test_a_value_that_could_not_be_written_replaces_no_newer_one(database: Database) -> None:
    failing = FailingOnce(database.dsn, application="failing")
    failing.open()
    failing.check_schema()
    writer = ProgressWriter(failing)
    writer.show(value("copy:1", 1))
    writer.show(value("copy:2", 1))
    assert failing.entered.wait(10)
    writer.show(value("copy:1", 2))
    failing.let.set()
    until(lambda: shown(database) == {"copy:1": 2, "copy:2": 1})
    writer.close(timeout_s=10)
    failing.close()


def is_reachable(database: Database) -> bool:
    try:
        shown(database)
    except DatabaseUnavailable:
        return False
    return True


def test_an_end_stays_the_end_whenever_its_transaction_comes(database: Database, writer: ProgressWriter) -> None:
    """Each job ends at another moment of the writer's half second, while its worker has just shown a value."""
    for number in range(12):
        claim = claimed(database)
        for done in range(20):
            writer.show(value(f"copy:{number}", done, claim=claim))
            threading.Event().wait(0.003)
        with database.transaction() as connection:
            jobs.finish(connection, claim)
            writer.show(value(f"copy:{number}", 20, claim=claim))
            progress.end_job(connection, claim)
        writer.show(value(f"copy:{number}", 21, claim=claim))
    writer.close(timeout_s=10)
    with database.transaction() as connection:
        assert connection.execute("select from progress").fetchall() == []


def test_a_value_whose_job_was_locked_for_a_moment_is_written_next_time(
    database: Database, writer: ProgressWriter
) -> None:
    """A heartbeat locks the jobs in work while it extends their leases."""
    claim = claimed(database)
    with database.transaction() as heartbeat:
        heartbeat.execute("update jobs set lease_until = now()")
        writer.show(value("other", 1))
        writer.show(value("copy:1", 9, claim=claim))
        until(lambda: "other" in shown(database))
        assert "copy:1" not in shown(database)
    until(lambda: shown(database) == {"other": 1, "copy:1": 9})
