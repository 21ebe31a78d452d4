"""All listeners of a process share one connection, and nobody's first or lost notification is missed."""

import threading
from collections.abc import Iterator

import pytest

from storage.database import Database
from storage.listener import Listener
from tests.database_outage import database_away
from tests.until import until


class Heard(Listener):
    """Notes what it was called for."""

    def __init__(self, database: Database, *channels: str) -> None:
        self.heard: list[str] = []
        super().__init__(database, *channels, on_notify=self.heard.append)


@pytest.fixture
def two(database: Database) -> Iterator[tuple[Heard, Heard]]:
    """One begins while the other listens already, to something else."""
    first, second = Heard(database, "jobs"), Heard(database, "events")
    first.start()
    until(lambda: first.heard == ["jobs"])
    second.start()
    until(lambda: second.heard == ["events"])
    first.heard.clear()
    second.heard.clear()
    yield first, second
    first.stop()
    second.stop()


def notify(database: Database, channel: str) -> None:
    with database.transaction() as connection:
        connection.execute("select pg_notify(%s, '')", (channel,))


def listening(database: Database) -> int:
    """How many connections listen on this database."""
    with database.transaction() as connection:
        row = connection.execute(
            """select count(*) as number from pg_stat_activity
               where datname = current_database() and query ilike 'listen%'"""
        ).fetchone()
    assert row is not None
    return int(row["number"])


def test_two_listeners_share_one_connection_and_each_hears_its_own(
    database: Database, two: tuple[Heard, Heard]
) -> None:
    until(lambda: listening(database) == 1)
    for channel in ("events", "jobs", "events"):
        notify(database, channel)
    until(lambda: (two[0].heard, two[1].heard) == (["jobs"], ["events", "events"]))


def test_both_are_called_after_an_outage(database: Database, two: tuple[Heard, Heard]) -> None:
    with database_away(database.dsn):
        pass
    until(lambda: (two[0].heard, two[1].heard) == (["jobs"], ["events"]))


def test_one_that_joins_a_channel_that_is_heard_already_is_called_at_once(
    database: Database, two: tuple[Heard, Heard]
) -> None:
    third = Heard(database, "jobs")
    third.start()
    until(lambda: third.heard == ["jobs"])
    third.stop()
    assert two[0].heard == []


def test_one_that_stopped_hears_nothing_more_and_the_other_goes_on(
    database: Database, two: tuple[Heard, Heard]
) -> None:
    two[0].stop()
    notify(database, "jobs")
    notify(database, "events")
    until(lambda: two[1].heard == ["events"])
    assert two[0].heard == []


def test_the_connection_closes_with_the_last_and_opens_again_with_the_next(
    database: Database, two: tuple[Heard, Heard]
) -> None:
    for listener in two:
        listener.stop()
    until(lambda: listening(database) == 0)
    again = Heard(database, "jobs")
    again.start()
    until(lambda: again.heard == ["jobs"])
    notify(database, "jobs")
    until(lambda: again.heard == ["jobs", "jobs"])
    again.stop()


def test_listeners_that_come_and_go_at_once_all_hear(database: Database) -> None:
    names = [f"channel_{number}" for number in range(12)]
    listeners = [Heard(database, name) for name in names]
    threads = [threading.Thread(target=listener.start) for listener in listeners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: all(listener.heard for listener in listeners))
    for listener in listeners[::2]:
        listener.stop()
    for name in names:
        notify(database, name)
    for listener, name in zip(listeners[1::2], names[1::2], strict=True):
        until(lambda listener=listener, name=name: listener.heard.count(name) >= 2)  # type: ignore[misc]
        listener.stop()
    until(lambda: listening(database) == 0)
