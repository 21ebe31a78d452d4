"""The HealthMonitor: looks at the whole from time to time and says what a person should know."""

import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import assert_never

from actors.address import Address
from actors.base import Supervised
from actors.breaker import Breaker, BreakerState, SavedBreaker
from actors.health import HealthBoard
from actors.messages import HealthMonitorInbox, Tick, WakeUp
from metrics import logs
from movies.movie import MovieState
from storage import breakers, dead_letters, job_list, movies, nodes
from storage.database import Database
from storage.dead_letters import Cause
from storage.errors import DatabaseUnavailable

CHECK_EVERY_S = 2.0
COUNT_EVERY_S = 10.0
AWAY_S = 60.0
USE = {
    BreakerState.OPEN: "not used now:",
    BreakerState.HALF_OPEN: "tried again:",
    BreakerState.FORCED_OPEN: "not used until its breaker is closed:",
    BreakerState.DISABLED: "used whether it answers or not:",
    BreakerState.METRICS_ONLY: "used whether it answers or not:",
}
"""What a breaker's state means for its dependency."""


class HealthMonitor(Supervised):
    """`standing` are facts of the configuration. Breakers are saved once the daemon `has_begun` and restored them."""

    def __init__(
        self,
        address: Address,
        *,
        database: Database,
        node: str,
        health: HealthBoard,
        breakers: Sequence[Breaker],
        standing: Sequence[tuple[str, str]],
        has_begun: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(address)
        self._database, self._node, self._health, self._breakers = database, node, health, breakers
        self._standing, self._has_begun = standing, has_begun
        self._log = logs.logger(address.name)
        self._clock, self._next_count = clock, 0.0
        self._offers: set[str] = set()
        self._away: set[str] = set()
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
                if self._clock() >= self._next_count:
                    self._next_count = self._clock() + COUNT_EVERY_S
                    self._look_at_work()
                self.address.tell_after(CHECK_EVERY_S, Tick())
            case _:
                assert_never(message)

    def _look_at_breakers(self) -> None:
        changed = {}
        for breaker in self._breakers:
            saved, source = breaker.saved(), f"breaker:{breaker.dependency}"
            if saved.state is BreakerState.CLOSED:
                self._health.clear(source)
            else:
                self._health.set(source, f"{breaker.dependency}: {USE[saved.state]} {saved.reason}".rstrip())
            if self._saved.get(breaker.dependency) != (saved.state, saved.reason, saved.opened_count):
                changed[breaker.dependency] = saved
        if changed and self._has_begun.is_set():
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
                nodes.seen(connection, self._node)
                away = nodes.away(connection, longer_than_s=AWAY_S)
                dead = job_list.counts(connection)["dead"]
                blocked = movies.count(connection, MovieState.BLOCKED)
                cleared = dead_letters.cleared(connection, node=self._node)
        except DatabaseUnavailable:
            return
        self._set_or_clear("dead_letters", dead, f"{dead} dead letters: see understudy jobs dead")
        self._set_or_clear("blocked", blocked, f"{blocked} movies are blocked: see understudy movies")

        self._offer_retries(cleared)
        self._show_away({row["name"]: row["seen_at"] for row in away})

    def _show_away(self, seen_at: Mapping[str, datetime]) -> None:
        """Nodes that are not there, and what waits for them."""
        for name in self._away - seen_at.keys():
            self._health.clear(f"node:{name}")
        for name, at in seen_at.items():
            text = f"node {name} was last seen at {at:%Y-%m-%d %H:%M} UTC: what is in its own clients waits for it"
            self._health.set(f"node:{name}", text)
        self._away = set(seen_at)

    def _offer_retries(self, cleared: Sequence[tuple[Cause, int]]) -> None:
        """Dead letters whose dependency answers again: a person decides, one command does it."""
        offers = {
            f"dead_letters:{cause.lane}:{cause.reason}": f"{cause.lane} answers again: {number} dead letters"
            f" ({cause.reason}) may be tried again by understudy jobs retry"
            f" --lane {shlex.quote(cause.lane or '')} --reason {shlex.quote(cause.reason or '')}"
            for cause, number in cleared
        }
        for source in self._offers - offers.keys():
            self._health.clear(source)
        for source, text in offers.items():
            self._health.set(source, text)
        self._offers = set(offers)

    def _set_or_clear(self, source: str, number: int, text: str) -> None:
        if number:
            self._health.set(source, text)
        else:
            self._health.clear(source)
