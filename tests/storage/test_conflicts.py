"""Two real transactions in each other's way (F28): the loser is told that it may do all of it again, and that works."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from storage.database import Connection, Database
from storage.errors import Conflict

BARRIER_S = 10.0
Meet = Callable[[], object]


@pytest.fixture
def rows(database: Database) -> Database:
    """Two counters that stand at 0."""
    with database.transaction() as connection:
        connection.execute("create table counters (id int primary key, value int not null)")
        connection.execute("insert into counters values (1, 0), (2, 0)")
    return database


def alone() -> None:
    """They met the first time."""


def count(connection: Connection, which: int) -> None:
    connection.execute("update counters set value = value + 1 where id = %s", (which,))


def deadlock(connection: Connection, first: int, meet: Meet) -> None:
    connection.execute("set local deadlock_timeout = '20ms'")
    count(connection, first)
    meet()
    count(connection, 3 - first)


def serialization(connection: Connection, first: int, meet: Meet) -> None:
    connection.execute("set transaction isolation level repeatable read")
    connection.execute("select value from counters")
    meet()
    count(connection, 1)
    count(connection, 2)


def lock_timeout(connection: Connection, first: int, meet: Meet) -> None:
    connection.execute("set local lock_timeout = '20ms'")
    count(connection, first)
    meet()
    count(connection, 3 - first)


@pytest.mark.parametrize("way", [deadlock, serialization, lock_timeout])
def test_who_lost_to_another_transaction_does_it_again_and_both_count(
    way: Callable[[Connection, int, Meet], None], rows: Database
) -> None:
    barrier, conflicts = threading.Barrier(2), []

    def work(first: int) -> None:
        meet: Meet = partial(barrier.wait, BARRIER_S)
        while True:
            try:
                with rows.transaction() as connection:
                    way(connection, first, meet)
                return
            except Conflict as error:
                conflicts.append(str(error))
                meet = alone

    with ThreadPoolExecutor(2) as both:
        for future in [both.submit(work, first) for first in (1, 2)]:
            future.result()
    assert conflicts
    assert all("another transaction was in the way" in text for text in conflicts)
    with rows.transaction() as connection:
        assert connection.execute("select id, value from counters order by id").fetchall() == [
            {"id": 1, "value": 2},
            {"id": 2, "value": 2},
        ]
