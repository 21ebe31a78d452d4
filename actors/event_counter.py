"""The EventCounter: feeds those metrics that count what happened from the outbox.

So each thing is counted once, however often its transaction was tried, and also when a daemon was killed just after it.
Daemons that share a database share this work: a sum over them is right, and which of them counted means nothing.
"""

import time
from collections.abc import Callable
from typing import assert_never

from actors.address import Address
from actors.base import Supervised
from actors.messages import EventCounterInbox, Tick, WakeUp
from actors.ticker import Ticker
from actors.waker import Waker
from metrics import logs
from metrics.catalogue import Catalogue
from movies.events import AcquisitionFailed, DownloadFailed, DownloadGrabbed, Happening, MovieImported, Unrecognised
from storage import subscription
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.listener import Listener

SUBSCRIBER = "metrics"
HIDDEN_S = 0.5
"""A slow transaction hides the next events."""
POLL_S = 30.0
AWAY_S = 1.0


class EventCounter(Supervised):
    """A subscriber of the outbox, woken by its notifications."""

    def __init__(
        self,
        address: Address,
        *,
        database: Database,
        metrics: Catalogue,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(address)
        self._database, self._metrics = database, metrics
        self._log = logs.logger(address.name)
        self._ticker, self._waker = Ticker(address, clock=clock), Waker(address)
        self._listener = Listener(database, "events", on_notify=lambda channel: self._waker.wake())

    def init(self) -> None:
        self._listener.start()
        self._ticker.set(0.0)

    def cleanup(self, reason: BaseException | None) -> None:
        self._listener.stop()

    def handle(self, message: EventCounterInbox) -> None:
        match message:
            case WakeUp():
                self._waker.seen()
                self._ticker.set(self._look())
            case Tick():
                if self._ticker.is_due():
                    self._ticker.set(self._look())
            case _:
                assert_never(message)

    def _look(self) -> float:
        """Count what is new; the seconds until the next look."""
        try:
            with self._database.transaction() as connection:
                batch = subscription.take(connection, SUBSCRIBER)
        except DatabaseUnavailable:
            return AWAY_S
        if batch.has_gap:
            self._log.warning("events were not counted: they are no longer kept")
        for event in batch.events:
            self._count(event.what)
        if not batch.has_more:
            return POLL_S
        return 0.0 if batch.events else HIDDEN_S

    def _count(self, what: Happening | Unrecognised) -> None:
        match what:
            case DownloadGrabbed():
                self._metrics.grabs.labels(client=what.client).inc()
            case DownloadFailed():
                self._metrics.downloads_failed.labels(client=what.client).inc()
            case MovieImported():
                self._metrics.imports.labels(method=what.method).inc()
            case AcquisitionFailed():
                self._metrics.acquisitions_failed.labels(outcome=what.outcome).inc()
