"""The HealthMonitor: looks at the whole from time to time and says what a person should know."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from actors.address import Address
from actors.base import Supervised
from actors.breaker import Breaker, BreakerState, SavedBreaker
from actors.health import HealthBoard
from actors.messages import HealthMonitorInbox, Tick, WakeUp
from metrics import logs
from metrics.catalogue import Catalogue
from movies.movie import MovieState
from storage import breakers, job_list, movies
from storage.database import Database
from storage.errors import DatabaseUnavailable

CHECK_EVERY_S = 2.0
COUNT_EVERY_S = 10.0
CLOSED = (BreakerState.CLOSED, "", 0)
USE = {
    BreakerState.OPEN: "not used now:",
    BreakerState.HALF_OPEN: "tried again:",
    BreakerState.FORCED_OPEN: "not used until its breaker is closed:",
    BreakerState.DISABLED: "used whether it answers or not:",
    BreakerState.METRICS_ONLY: "used whether it answers or not:",
}
"""What a breaker's state means for its dependency."""


class HealthMonitor(Supervised):
    """`standing` are facts of the configuration that a person should know; `describe_tree` gives the tree."""

    def __init__(
        self,
        address: Address,
        *,
        database: Database,
        node: str,
        health: HealthBoard,
        breakers: Sequence[Breaker],
        standing: Sequence[tuple[str, str]],
        describe_tree: Callable[[], list[dict[str, Any]]],
        metrics: Catalogue,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(address)
        self._database, self._node, self._health, self._breakers = database, node, health, breakers
        self._standing, self._describe_tree, self._metrics = standing, describe_tree, metrics
        self._log = logs.logger(address.name)
        self._clock, self._next_count = clock, 0.0
        self._saved: dict[str, tuple[BreakerState, str, int]] = {}

    def init(self) -> None:
        for source, text in self._standing:
            if self._health.set(source, text):
                self._log.warning("worth knowing", source=source, reason=text)
        self.address.tell_after(0.0, Tick())

    def handle(self, message: HealthMonitorInbox) -> None:
        match message:
            case WakeUp():
                self._look_at_breakers()
            case Tick():
                self._look_at_breakers()
                self._look_at_groups()
                if self._clock() >= self._next_count:
                    self._next_count = self._clock() + COUNT_EVERY_S
                    self._look_at_work()
                self.address.tell_after(CHECK_EVERY_S, Tick())
            case _:
                assert_never(message)

    def _look_at_breakers(self) -> None:
        changed = {}
        for breaker in self._breakers:
            breaker.tick()
            saved, source = breaker.saved(), f"breaker:{breaker.dependency}"
            if saved.state is BreakerState.CLOSED:
                self._health.clear(source)
            else:
                self._health.set(source, f"{breaker.dependency}: {USE[saved.state]} {saved.reason}".rstrip())
            if self._saved.get(breaker.dependency, CLOSED) != (saved.state, saved.reason, saved.opened_count):
                changed[breaker.dependency] = saved
        if changed:
            self._save(changed)

    def _save(self, changed: Mapping[str, SavedBreaker]) -> None:
        """For the next start. While the database is away they stay to be saved."""
        try:
            with self._database.transaction() as connection:
                for dependency, saved in changed.items():
                    breakers.save(
                        connection,
                        node=self._node,
                        dependency=dependency,
                        state=saved.state.value,
                        retry_in_s=saved.retry_in_s,
                        opened_count=saved.opened_count,
                        reason=saved.reason,
                    )
        except DatabaseUnavailable:
            return
        self._saved |= {name: (saved.state, saved.reason, saved.opened_count) for name, saved in changed.items()}

    def _look_at_work(self) -> None:
        """What waits for a person: dead letters, and movies that are blocked."""
        try:
            with self._database.transaction() as connection:
                dead = job_list.counts(connection)["dead"]
                blocked = movies.count(connection, MovieState.BLOCKED)
        except DatabaseUnavailable:
            return
        self._set_or_clear("dead_letters", dead, f"{dead} dead letters: see understudy jobs dead")
        self._set_or_clear("blocked", blocked, f"{blocked} movies are blocked: see understudy movies")

    def _set_or_clear(self, source: str, number: int, text: str) -> None:
        if number:
            self._health.set(source, text)
        else:
            self._health.clear(source)

    def _look_at_groups(self) -> None:
        tree = self._describe_tree()
        self._metrics.parked.set(sum(child["state"] == "parked" for child in tree))
        for child in tree:
            source = f"group:{child['name']}"
            if child["state"] == "parked":
                self._health.set(source, f"{child['name']} crashed too often: {child['last_error']}", severity="error")
            else:
                self._health.clear(source)
