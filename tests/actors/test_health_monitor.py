from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from actors.breaker import Breaker, Outage
from actors.health import HealthBoard
from actors.health_monitor import HealthMonitor
from metrics.catalogue import Catalogue
from storage import breakers
from storage.database import Database
from tests.actors.probe import START_S, QuickAddress
from tests.until import until


def child(name: str, *children: dict[str, Any], state: str = "running", zombies: int = 0) -> dict[str, Any]:
    return {"name": name, "state": state, "zombies": zombies, "last_error": "a bug", "children": list(children)}


class Bench:
    """A monitor that looks all the time at one breaker and at `tree`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.health = HealthBoard()
        self.metrics = Catalogue(CollectorRegistry())
        self.breaker = Breaker("indexer:open", failures=1, wait_s=100.0, max_wait_s=100.0)
        self.tree: list[dict[str, Any]] = []
        self.address = QuickAddress("health_monitor")
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
        assert self.address.actor is not None
        self.actor = self.address.actor
        self.actor.ready.get(timeout=START_S)

    def items(self) -> dict[str, str]:
        return {item.source: item.text for item in self.health.items()}

    def saved(self) -> list[tuple[str, str]]:
        with self.database.transaction() as connection:
            return [(row["dependency"], row["state"]) for row in breakers.listed(connection, node="here")]

    def value(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


@pytest.fixture
def bench(database: Database) -> Iterator[Bench]:
    bench = Bench(database)
    yield bench
    bench.actor.actor_ref.stop(block=False)
    assert bench.actor.gone.wait(START_S)


def test_what_the_configuration_lacks_stands_from_the_start(bench: Bench) -> None:
    assert bench.items() == {"indexers": "no indexer is configured"}


def test_an_open_breaker_is_an_item_and_a_row_until_it_closes(bench: Bench) -> None:
    with pytest.raises(Outage), bench.breaker.call():
        raise Outage("connection refused")
    until(lambda: bench.saved() == [("indexer:open", "open")])
    assert bench.items()["breaker:indexer:open"] == "indexer:open is not used now: connection refused"
    bench.breaker.reset()
    until(lambda: bench.saved() == [("indexer:open", "closed")])
    assert "breaker:indexer:open" not in bench.items()


def test_a_parked_group_is_an_item_and_counted_until_it_runs_again(bench: Bench) -> None:
    bench.tree = [child("indexers", state="parked"), child("queue")]
    until(lambda: bench.items().get("group:indexers") == "indexers crashed too often: a bug")
    assert bench.value("understudy_actor_groups_parked") == 1
    bench.tree = [child("indexers"), child("queue")]
    until(lambda: "group:indexers" not in bench.items())
    assert bench.value("understudy_actor_groups_parked") == 0


def test_the_zombies_of_the_whole_tree_are_counted(bench: Bench) -> None:
    bench.tree = [child("importers", child("root:/a", zombies=2), child("root:/b")), child("queue", zombies=1)]
    until(lambda: bench.value("understudy_actor_zombies") == 3)
    bench.tree = [child("queue")]
    until(lambda: bench.value("understudy_actor_zombies") == 0)
