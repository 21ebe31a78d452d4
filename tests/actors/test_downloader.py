"""A Downloader and its duty: it polls while that is its own, and what it learns after losing it is not written."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.breaker import Breaker, BreakerSettings, BreakerState
from actors.downloader import IDLE_POLL_S, Downloader, StallLimits
from actors.duty import LOOK_EVERY_S
from actors.health import HealthBoard
from actors.messages import Tick
from clients.download_client import ClientDownload, ClientState, SeedGoal
from metrics.catalogue import Catalogue
from movies.failure import DEFAULT
from movies.movie import WantedMovie
from storage import downloads, duties, movies
from storage.acquisition import client_duty
from storage.database import Database
from storage.progress_writer import ProgressWriter
from tests.storage.rows import INFOHASH, intend
from tests.supervision.manual_clock import ManualClock
from tests.supervision.probe import START_S

HOME = "here"
DUTY = client_duty("builtin", HOME)
COMPLETE = ClientDownload(
    infohash=INFOHASH,
    name="Sintel",
    state=ClientState.COMPLETED,
    size_bytes=1,
    done_bytes=1,
    rate_bytes_s=0,
    eta_s=None,
    ratio=0.0,
    seeding_time_s=0,
    save_path="/downloads",
    content_path="/downloads/Sintel.mkv",
    error=None,
    category="understudy",
    is_seed_goal_reached=False,
    is_private=False,
)


class Client:
    """A client with one complete download; `meanwhile` happens while it is asked for its list."""

    name = "builtin"

    def __init__(self) -> None:
        self.polls = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def add(
        self, *, infohash: str, torrent: bytes | None, magnet: str | None, save_name: str, seed_goal: SeedGoal
    ) -> None:
        raise NotImplementedError

    def downloads(self, also: frozenset[str] = frozenset()) -> list[ClientDownload]:
        self.polls += 1
        self.meanwhile()
        return [COMPLETE]

    def files(self, infohash: str) -> list[tuple[str, int]]:
        raise NotImplementedError

    def remove(self, infohash: str, *, with_data: bool) -> None:
        raise NotImplementedError

    def test(self) -> str:
        return "a client"

    def close(self) -> None:
        """Nothing is open."""


class Bench:
    """A Downloader that looks when it is told, and one download that its client has."""

    def __init__(self, database: Database) -> None:
        self.database, self.client, self.clock = database, Client(), ManualClock()
        self.breaker = Breaker("client:builtin", BreakerSettings())
        self.progress = ProgressWriter(database)
        with database.transaction() as connection:
            sintel = WantedMovie(title="Sintel", year=2010, profile="hd")
            self.download_id = intend(connection, movies.claim_movie(connection, sintel, source="api", root="/library"))
            connection.execute("update downloads set state = 'downloading'")
        self.address = Address("client:builtin", clock=self.clock)
        self.actor: Downloader | None = None

    def start(self) -> Downloader:
        Downloader.start(
            self.address,
            client=self.client,
            home=HOME,
            breaker=self.breaker,
            health=HealthBoard(),
            stall=StallLimits(no_progress_s=60.0, metadata_s=60.0),
            remove="never",
            poll_interval_s=1.0,
            progress_writer=self.progress,
            clock=self.clock,
            database=self.database,
            queue=Address("queue"),
            metrics=Catalogue(CollectorRegistry()),
            policy=DEFAULT,
            node="stage",
        )
        assert isinstance(self.address.actor, Downloader)
        self.address.actor.ready.get(timeout=START_S)
        return self.address.actor

    def look(self, *, after_s: float = 0.0) -> str:
        """Have it look, started if it was not; the download's state then."""
        self.actor = self.actor or self.start()
        self.clock.advance(after_s)
        self.address.ask(Tick(), timeout_s=START_S)
        assert self.download_id is not None
        with self.database.transaction() as connection:
            return str((downloads.one(connection, self.download_id) or {})["state"])

    def is_taken(self, *, by: str = "wings") -> bool:
        """Whether another node has the duty then, if it could be had."""
        with self.database.transaction() as connection:
            return duties.take(connection, DUTY, node=by, token=uuid4(), lease_s=60.0)

    def oversleep(self) -> None:
        """Another node has it, since ours ran out."""
        with self.database.transaction() as connection:
            connection.execute("update duties set until = clock_timestamp()")
        assert self.is_taken()

    def close(self) -> None:
        if self.actor is not None:
            self.actor.actor_ref.stop(block=False)
            assert self.actor.gone.wait(START_S)
        self.progress.close()


@pytest.fixture
def bench(database: Database) -> Iterator[Bench]:
    bench = Bench(database)
    yield bench
    bench.close()


def test_who_has_the_duty_polls_and_writes(bench: Bench) -> None:
    assert bench.look() == "completed"
    assert not bench.is_taken()


def test_what_was_learnt_after_the_duty_was_lost_is_not_written(bench: Bench) -> None:
    bench.client.meanwhile = bench.oversleep
    assert bench.look() == "downloading"
    assert bench.client.polls == 1
    with bench.database.transaction() as connection:
        assert connection.execute("select from jobs").fetchall() == []


def test_who_has_lost_the_duty_does_not_poll(bench: Bench) -> None:
    bench.client.meanwhile = bench.oversleep
    bench.look()
    assert bench.look(after_s=IDLE_POLL_S) == "downloading"
    assert bench.client.polls == 1


def test_who_does_not_reach_the_client_leaves_it_to_another(bench: Bench) -> None:
    bench.look()
    bench.breaker.transition_to(BreakerState.FORCED_OPEN)
    bench.look(after_s=IDLE_POLL_S)
    bench.look(after_s=LOOK_EVERY_S)
    assert bench.is_taken()


def test_who_does_not_reach_the_client_does_not_take_the_duty(bench: Bench) -> None:
    bench.breaker.transition_to(BreakerState.FORCED_OPEN)
    bench.look()
    bench.look(after_s=LOOK_EVERY_S)
    assert bench.client.polls == 0
    assert bench.is_taken()


def test_a_stop_leaves_the_duty_to_another(bench: Bench) -> None:
    bench.look()
    bench.close()
    assert bench.is_taken()
