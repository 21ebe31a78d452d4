"""The metrics that count what happened: each thing once, also what happened while nobody counted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.event_counter import SUBSCRIBER, EventCounter
from metrics.catalogue import Catalogue
from movies.events import AcquisitionFailed, DownloadFailed, DownloadGrabbed, Happening, MovieImported, MovieSearching
from movies.movie import DownloadId
from storage import events
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable
from tests.database_outage import database_away
from tests.supervision.probe import START_S
from tests.until import until

GRABBED = DownloadGrabbed(download_id=DownloadId(1), client="builtin")
FAILED = DownloadFailed(download_id=DownloadId(1), client="builtin", reason="download stalled", error="no byte")
RETRIED = AcquisitionFailed(reason="download stalled", error="no byte", attempt=1, outcome="retried")
IMPORTED = MovieImported(path="/library/f", download_id=DownloadId(2), method="hardlink")


@contextmanager
def counting(database: Database) -> Iterator[Catalogue]:
    """The metrics of a daemon whose counter runs."""
    metrics = Catalogue(CollectorRegistry())
    address = Address("event_counter")
    EventCounter.start(address, database=database, metrics=metrics)
    counter = address.actor
    assert isinstance(counter, EventCounter)
    counter.ready.get(timeout=START_S)
    try:
        yield metrics
    finally:
        counter.actor_ref.stop(block=False)
        assert counter.gone.wait(START_S)


def say(database: Database, *happened: Happening) -> None:
    for what in happened:
        with database.transaction() as connection:
            events.emit(connection, what)


def counts(*catalogues: Catalogue) -> list[float]:
    """Grabs, failed downloads, failed acquisitions, imports; the sum over the daemons."""
    names: Sequence[tuple[str, dict[str, str]]] = [
        ("grabs", {"client": "builtin"}),
        ("downloads_failed", {"client": "builtin"}),
        ("acquisitions_failed", {"outcome": "retried"}),
        ("imports", {"method": "hardlink"}),
    ]
    return [
        sum(metrics.registry.get_sample_value(f"understudy_{name}_total", labels) or 0 for metrics in catalogues)
        for name, labels in names
    ]


def is_subscribed(database: Database) -> bool:
    with database.transaction() as connection:
        found = connection.execute("select from subscribers where name = %s", (SUBSCRIBER,)).fetchone()
    return found is not None


def test_what_happens_is_counted(database: Database) -> None:
    with counting(database) as metrics:
        until(lambda: is_subscribed(database))
        say(database, MovieSearching(), GRABBED, FAILED, RETRIED, GRABBED, IMPORTED)
        until(lambda: counts(metrics) == [2, 1, 1, 1])


def test_what_happened_while_nobody_counted_is_counted_and_nothing_twice(database: Database) -> None:
    with counting(database) as metrics:
        until(lambda: is_subscribed(database))
        say(database, GRABBED)
        until(lambda: counts(metrics) == [1, 0, 0, 0])
    say(database, FAILED, RETRIED)
    with counting(database) as metrics:
        say(database, IMPORTED)
        until(lambda: counts(metrics) == [0, 1, 1, 1])


def test_daemons_count_together_what_one_would_count(database: Database) -> None:
    with counting(database) as one, counting(database) as other:
        until(lambda: is_subscribed(database))
        say(database, *[GRABBED] * 50)
        until(lambda: counts(one, other)[0] >= 50)
        say(database, IMPORTED)
        until(lambda: counts(one, other) == [50, 0, 0, 1])


def test_it_comes_back_after_an_outage(database: Database) -> None:
    with counting(database) as metrics:
        until(lambda: is_subscribed(database))
        with database_away(database.dsn):
            pass
        until(lambda: is_told(database))
        until(lambda: counts(metrics) == [1, 0, 0, 0])


class Unprepared(Database):
    """Counts who asks for it."""

    looks = 0

    @contextmanager
    def transaction(self, *, limit_s: float | None = None) -> Iterator[Connection]:
        self.looks += 1
        with super().transaction(limit_s=limit_s) as connection:
            yield connection


def test_it_begins_when_the_database_is_prepared_though_nothing_happens(dsn: str) -> None:
    database = Unprepared(dsn, application="test")
    database.open()
    try:
        with counting(database):
            until(lambda: database.looks >= 2, what="its own look, and the one when it begins to listen")
            database.prepare()
            until(lambda: is_subscribed(database))
    finally:
        database.close()


def is_told(database: Database) -> bool:
    try:
        say(database, GRABBED)
    except DatabaseUnavailable:
        return False
    return True


def test_what_a_slow_transaction_hides_is_counted_when_that_has_ended(database: Database) -> None:
    with counting(database) as metrics:
        until(lambda: is_subscribed(database))
        with database.transaction() as silent:
            silent.execute("select pg_current_xact_id()")
            say(database, GRABBED)
            with pytest.raises(AssertionError):
                until(lambda: counts(metrics)[0], timeout_s=0.3)
        until(lambda: counts(metrics) == [1, 0, 0, 0])
