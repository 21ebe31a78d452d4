"""What a person should know: open breakers, kept for the next start, and groups that are parked."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.breaker import Breaker, BreakerSettings, BreakerState, Outage
from actors.health import HealthBoard
from actors.health_monitor import HealthMonitor
from actors.messages import Tick, WakeUp
from metrics.catalogue import Catalogue
from storage import breakers
from storage.database import Database
from tests.database_outage import database_away
from tests.supervision.manual_clock import ManualClock
from tests.supervision.probe import START_S

INDEXER = "indexer:open"


def child(name: str, *, state: str = "running") -> dict[str, Any]:
    return {"name": name, "state": state, "zombies": 0, "last_error": "a bug", "children": []}


class Bench:
    """A monitor that looks when it is told, at one breaker and at `tree`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.health = HealthBoard()
        self.metrics = Catalogue(CollectorRegistry())
        self.breaker = Breaker(INDEXER, BreakerSettings(window_size=1, wait_s=100.0, max_wait_s=100.0))
        self.tree: list[dict[str, Any]] = []
        self.address = Address("health_monitor", clock=ManualClock())
        HealthMonitor.start(
            self.address,
            database=database,
            node="here",
            health=self.health,
            breakers=[self.breaker],
            standing=[("indexers", "no indexer is configured")],
            describe_tree=lambda: self.tree,
            metrics=self.metrics,
        )
        assert isinstance(self.address.actor, HealthMonitor)
        self.monitor = self.address.actor
        self.monitor.ready.get(timeout=START_S)

    def look(self, message: Tick | WakeUp | None = None) -> dict[str, str]:
        """Have it look; the items it shows then."""
        self.address.ask(message or Tick(), timeout_s=START_S)
        return {item.source: item.text for item in self.health.items()}

    def fail(self) -> None:
        with pytest.raises(Outage), self.breaker.call():
            raise Outage("connection refused")

    def saved(self) -> list[tuple[str, str, int]]:
        with self.database.transaction() as connection:
            rows = breakers.listed(connection, node="here")
        return [(row["dependency"], row["state"], row["opened_count"]) for row in rows]

    def value(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


@pytest.fixture
def bench(database: Database) -> Iterator[Bench]:
    bench = Bench(database)
    yield bench
    bench.monitor.actor_ref.stop(block=False)
    assert bench.monitor.gone.wait(START_S)


def test_what_the_configuration_lacks_stands_from_the_start(bench: Bench) -> None:
    assert bench.look() == {"indexers": "no indexer is configured"}


@pytest.mark.parametrize("message", [Tick(), WakeUp()])
def test_an_open_breaker_is_an_item_and_a_row_until_it_closes(bench: Bench, message: Tick | WakeUp) -> None:
    bench.fail()
    assert bench.look(message)[f"breaker:{INDEXER}"] == "indexer:open: not used now: connection refused"
    assert bench.saved() == [(INDEXER, "open", 1)]
    bench.breaker.reset()
    assert f"breaker:{INDEXER}" not in bench.look(message)
    assert bench.saved() == [(INDEXER, "closed", 0)]


def test_a_breaker_opened_by_hand_says_how_it_is_closed_again(bench: Bench) -> None:
    bench.breaker.transition_to(BreakerState.FORCED_OPEN, reason="by hand")
    assert bench.look()[f"breaker:{INDEXER}"] == "indexer:open: not used until its breaker is closed: by hand"
    assert bench.saved() == [(INDEXER, "forced_open", 0)]


def test_a_breaker_that_changes_while_the_database_is_away_is_saved_later(bench: Bench, dsn: str) -> None:
    with database_away(dsn):
        bench.fail()
        assert f"breaker:{INDEXER}" in bench.look()
    bench.look()
    assert bench.saved() == [(INDEXER, "open", 1)]


def test_a_parked_group_is_an_item_and_counted_until_it_runs_again(bench: Bench) -> None:
    bench.tree = [child("indexers", state="parked"), child("queue")]
    assert bench.look()["group:indexers"] == "indexers crashed too often: a bug"
    assert bench.value("understudy_actor_groups_parked") == 1
    bench.tree = [child("indexers"), child("queue")]
    assert "group:indexers" not in bench.look()
    assert bench.value("understudy_actor_groups_parked") == 0
