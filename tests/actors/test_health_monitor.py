"""What a person should know: open breakers, kept for the next start, and groups that are parked."""

import threading
from collections.abc import Iterator

import pytest

from actors.address import Address
from actors.breaker import Breaker, BreakerSettings, BreakerState, Outage
from actors.health import HealthBoard
from actors.health_monitor import COUNT_EVERY_S, HealthMonitor
from actors.messages import Tick, WakeUp
from storage import breakers, dead_letters
from storage.database import Database
from storage.dead_letters import Cause
from tests.actors import job_rows
from tests.database_outage import database_away
from tests.supervision.manual_clock import ManualClock
from tests.supervision.probe import START_S

INDEXER = "indexer:open"


class Bench:
    """A monitor that looks when it is told, at one breaker and at `tree`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.health = HealthBoard()
        self.breaker = Breaker(INDEXER, BreakerSettings(window_size=1, wait_s=100.0, max_wait_s=100.0))
        self.has_begun = threading.Event()
        self.has_begun.set()
        self.address, self.clock = Address("health_monitor", clock=ManualClock()), ManualClock()
        HealthMonitor.start(
            self.address,
            database=database,
            node="here",
            health=self.health,
            breakers=[self.breaker],
            standing=[("indexers", "no indexer is configured")],
            has_begun=self.has_begun,
            clock=self.clock,
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

    def stop(self) -> None:
        self.monitor.actor_ref.stop(block=False)
        assert self.monitor.gone.wait(START_S)


@pytest.fixture
def bench(database: Database) -> Iterator[Bench]:
    bench = Bench(database)
    yield bench
    bench.stop()


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


def test_dead_letters_whose_dependency_is_back_are_offered_to_be_retried_together(bench: Bench) -> None:
    def letters() -> list[str]:
        bench.clock.advance(COUNT_EVERY_S)
        return [text for source, text in bench.look().items() if source.startswith(f"dead_letters:{INDEXER}")]

    bench.fail()
    for _ in range(2):
        job_id = job_rows.enqueue(bench.database, lane=INDEXER)
        with bench.database.transaction() as connection:
            connection.execute(
                "update jobs set state = 'dead', reason = 'server error', ended_at = now() where id = %s", (job_id,)
            )
    assert letters() == []
    bench.breaker.reset()
    assert letters() == [
        "indexer:open answers again: 2 dead letters (server error) may be tried again by"
        " understudy jobs retry --lane indexer:open --reason 'server error'"
    ]
    with bench.database.transaction() as connection:
        dead_letters.retry_all(connection, Cause(lane=INDEXER, reason="server error"))
    assert letters() == []


def test_what_was_saved_before_is_made_true_by_a_new_monitor(database: Database) -> None:
    """It may have been closed by hand while no monitor was there to save that."""
    with database.transaction() as connection:
        breakers.save(
            connection,
            node="here",
            dependency=INDEXER,
            state="forced_open",
            retry_in_s=0.0,
            opened_count=1,
            reason="by hand",
        )
    bench = Bench(database)
    bench.look()
    assert bench.saved() == [(INDEXER, "closed", 0)]
    bench.stop()


def test_nothing_is_saved_before_what_was_saved_is_restored(bench: Bench) -> None:
    bench.has_begun.clear()
    bench.fail()
    bench.look()
    before = bench.saved()
    bench.has_begun.set()
    bench.look()
    assert bench.saved() == [(INDEXER, "open", 1)] != before
