"""The Selector on a real database: takes the best, waits for what may be taken soon, and looks again in time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.judge import Judge
from actors.messages import Work, WorkEnded
from actors.selector import LOOK_AGAIN_S, Selector
from metrics.catalogue import Catalogue
from movies.failure import DEFAULT
from movies.movie import DownloadState, ReleaseId, WantedMovie
from movies.offer import IndexerTerms, Offer, Protocol
from movies.policy import DelayProfile, Policy
from movies.profile import BUILTIN_PROFILES
from movies.release import parse_release
from storage import acquisition, decisions, downloads, jobs, movies, releases
from storage.acquisition import A_PENDING_RELEASE, SELECT_LANE
from storage.database import Database
from storage.releases import Links
from tests.actors import job_rows
from tests.actors.job_rows import next_message
from tests.storage.rows import intend

BLURAY, WEB = "Sintel.2010.1080p.BluRay.x264-GOOD", "Sintel.2010.1080p.WEB-DL.H264-SOON"
TERMS = {name: IndexerTerms() for name in ("one", "two")}
HOUR = timedelta(hours=1)


class Bench:
    """One movie, and a selector with `policy`."""

    def __init__(self, database: Database) -> None:
        self.database, self.queue = database, Address("queue")
        self.policy = Policy(terms=TERMS)
        self.closed: frozenset[str] = frozenset()
        self.free_bytes: int | None = None
        self.actors: list[Selector] = []
        with database.transaction() as connection:
            wanted = WantedMovie(title="Sintel", year=2010, profile="hd")
            self.movie_id = movies.claim_movie(connection, wanted, source="api", root="/library")

    def find(self, title: str = BLURAY, *, indexer: str = "one", age: timedelta | None = None) -> ReleaseId:
        """An indexer offers it, and it is judged once, as a search does."""
        at = None if age is None else datetime.now(UTC) - age
        offer = Offer(indexer=indexer, guid=title, title=title, published_at=at, size_bytes=2**33)
        with self.database.transaction() as connection:
            ids = releases.record(connection, [(offer, Links(link="http://127.0.0.1/x", magnet=None))])
            judged = self._judge().one(connection, self.movie_id, [(offer, parse_release(title))])
            assert judged is not None
            release_id = ids[title][0]
            decisions.log_verdicts(connection, self.movie_id, [(release_id, judged.verdicts[0])])
        return release_id

    def _judge(self) -> Judge:
        return Judge(
            profiles=BUILTIN_PROFILES,
            policy=self.policy,
            closed_indexers=lambda: self.closed,
            free_bytes=lambda root: self.free_bytes,
        )

    def ask(self, **how: Any) -> None:
        with self.database.transaction() as connection:
            acquisition.select(connection, self.movie_id, correlation_id="c", **how)

    def select(self, *, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Have the job that is due done; `meanwhile` happens after it was claimed."""
        claim = job_rows.claim(self.database, lane=SELECT_LANE)
        meanwhile()
        address = Address("selector")
        Selector.start(
            address,
            judge=self._judge(),
            database=self.database,
            queue=self.queue,
            metrics=Catalogue(CollectorRegistry()),
            policy=DEFAULT,
            node=job_rows.NODE,
        )
        assert isinstance(address.actor, Selector)
        self.actors.append(address.actor)
        address.tell(Work(claim=claim), correlation_id=claim.correlation_id)
        assert next_message(self.queue) == WorkEnded(claim=claim)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.database.transaction() as connection:
            return connection.execute(query.encode()).fetchall()

    @property
    def fetched(self) -> list[int]:
        """The releases that were taken."""
        return [row["payload"]["release_id"] for row in self.rows("select payload from jobs where kind = 'fetch'")]

    @property
    def next_look(self) -> Any:
        """What the movie's next choice waits for, and how long."""
        rows = self.rows(
            """select waiting_for, extract(epoch from run_at - now())::float8 as due_in_s from jobs
               where kind = 'select' and state = 'ready'"""
        )
        return (rows[0]["waiting_for"], rows[0]["due_in_s"]) if rows else None

    def make_due(self) -> None:
        with self.database.transaction() as connection:
            assert connection.execute("update jobs set run_at = now() where kind = 'select'").rowcount

    def delay(self, by: timedelta, **more: Any) -> None:
        profile = DelayProfile(preferred=Protocol.TORRENT, delay_s={Protocol.TORRENT: by.total_seconds()}, **more)
        self.policy = replace(self.policy, delay_profiles=(profile,))


@pytest.fixture
def bench(database: Database) -> Iterator[Bench]:
    bench = Bench(database)
    yield bench
    for actor in bench.actors:
        actor.actor_ref.stop(block=False)


def test_the_best_is_taken_and_what_the_choice_knew_is_kept(bench: Bench) -> None:
    web, bluray = bench.find(WEB), bench.find(BLURAY)
    bench.ask()
    bench.select()
    assert bench.fetched == [bluray]
    assert bench.next_look is None
    with bench.database.transaction() as connection:
        decision = decisions.taken(connection, bench.movie_id)
    assert decision is not None
    assert (decision["taken"], decision["ranking"], decision["taken_by"]) == (bluray, [bluray, web], "quality")
    assert sorted(decision["judged"]) == sorted([web, bluray])
    (stored,) = bench.rows("select target from decisions")
    assert stored["target"]["title"] == "Sintel"


def test_releases_of_an_indexer_that_is_no_longer_configured_are_not_taken(bench: Bench) -> None:
    bench.find(indexer="one")
    bench.policy = replace(bench.policy, terms={"two": IndexerTerms()})
    bench.ask()
    bench.select()
    assert bench.fetched == []


def test_a_release_that_must_wait_is_looked_at_again_when_its_delay_ends(bench: Bench) -> None:
    bench.delay(HOUR)
    release_id = bench.find(age=timedelta(minutes=20))
    bench.ask()
    bench.select()
    assert bench.fetched == []
    assert bench.next_look == (A_PENDING_RELEASE, pytest.approx(2400, abs=30))
    (movie,) = bench.rows("select state, reason from movies")
    assert movie["state"] == "wanted"
    assert movie["reason"].startswith("waits for a release")
    with bench.database.transaction() as connection:
        connection.execute("update releases set published_at = now() - interval '61 min'")
    bench.make_due()
    bench.select()
    assert bench.fetched == [release_id]


def test_the_delay_of_the_first_release_is_the_delay_of_all(bench: Bench) -> None:
    bench.delay(HOUR)
    bench.find(WEB, age=timedelta(minutes=61))
    better = bench.find(BLURAY, age=timedelta(minutes=1))
    bench.ask()
    bench.select()
    assert bench.fetched == [better]


def test_a_choice_that_waits_is_made_at_once_when_something_better_comes(bench: Bench) -> None:
    bench.delay(HOUR, bypass_highest_quality=True)
    bench.find(WEB, age=timedelta(0))
    bench.ask()
    bench.select()
    assert bench.next_look == (A_PENDING_RELEASE, pytest.approx(3600, abs=30))
    best = bench.find("Sintel.2010.1080p.BluRay.REMUX.AVC-BEST", age=timedelta(0))
    bench.ask()
    assert bench.next_look == (None, pytest.approx(0, abs=5))
    bench.select()
    assert bench.fetched == [best]


def test_a_pending_release_is_not_taken_when_another_was_taken_meanwhile(bench: Bench) -> None:
    bench.delay(HOUR)
    bench.find(WEB, age=timedelta(0))
    bench.ask()
    bench.select()
    with bench.database.transaction() as connection:
        assert intend(connection, bench.movie_id) is not None
        connection.execute("update releases set published_at = now() - interval '61 min'")
    bench.make_due()
    bench.select()
    assert bench.fetched == []
    assert bench.next_look is None


def test_an_indexer_that_is_down_keeps_its_releases_waiting_and_not_those_of_others(bench: Bench) -> None:
    bench.closed = frozenset({"one"})
    bench.find(BLURAY, indexer="one")
    bench.ask()
    bench.select()
    assert bench.fetched == []
    assert bench.next_look == ("indexer:one", pytest.approx(LOOK_AGAIN_S, abs=30))
    web = bench.find(WEB, indexer="two")
    bench.ask()
    bench.select()
    assert bench.fetched == [web]


def test_a_disk_without_room_keeps_what_was_found_waiting(bench: Bench) -> None:
    bluray = bench.find(BLURAY)
    bench.free_bytes = 2**20
    bench.ask()
    bench.select()
    assert bench.fetched == []
    assert bench.next_look == ("room in /library", pytest.approx(LOOK_AGAIN_S, abs=30))
    bench.free_bytes = 2**40
    bench.make_due()
    bench.select()
    assert bench.fetched == [bluray]


def test_a_choice_that_waits_for_an_indexer_is_woken_when_that_is_back(bench: Bench) -> None:
    bench.closed = frozenset({"one"})
    bluray = bench.find(BLURAY, indexer="one")
    bench.ask()
    bench.select()
    bench.closed = frozenset()
    with bench.database.transaction() as connection:
        assert jobs.wake_waiting(connection, ["indexer:one"]) == 1
    bench.select()
    assert bench.fetched == [bluray]


def test_what_is_found_while_the_choice_is_made_is_chosen_from_as_well(bench: Bench) -> None:
    bench.find(WEB)
    bench.ask()
    later: list[ReleaseId] = []

    def find_later() -> None:
        later.append(bench.find(BLURAY))
        with bench.database.transaction() as connection:
            connection.execute("update verdicts set decided_at = now() + interval '1 s' where release_id = %s", later)

    bench.select(meanwhile=find_later)
    assert bench.fetched == []
    with bench.database.transaction() as connection:
        connection.execute("update verdicts set decided_at = now() - interval '1 s'")
    bench.select()
    assert bench.fetched == later


def test_a_failed_release_is_taken_again_by_a_retry_only(bench: Bench) -> None:
    release_id = bench.find(BLURAY)
    with bench.database.transaction() as connection:
        download_id = intend(connection, bench.movie_id)
        assert download_id is not None
        connection.execute("update downloads set release_id = %s", (release_id,))
        downloads.move(connection, download_id, DownloadState.FAILED, expected=(DownloadState.GRABBING,))
    bench.ask()
    bench.select()
    assert bench.fetched == []
    bench.ask(is_retry=True)
    bench.select()
    assert bench.fetched == [release_id]


def test_one_that_never_failed_is_taken_before_a_better_one_that_did(bench: Bench) -> None:
    failed, web = bench.find(BLURAY), bench.find(WEB)
    with bench.database.transaction() as connection:
        download_id = intend(connection, bench.movie_id)
        assert download_id is not None
        connection.execute("update downloads set release_id = %s", (failed,))
        downloads.move(connection, download_id, DownloadState.FAILED, expected=(DownloadState.GRABBING,))
    bench.ask()
    bench.select()
    assert bench.fetched == [web]
    (decision,) = bench.rows("select taken_by from decisions")
    assert decision["taken_by"] == "failures"


def test_a_waiting_choice_counts_the_attempts_of_what_fails_meanwhile(bench: Bench) -> None:
    bench.delay(HOUR)
    bench.find(WEB, age=timedelta(0))
    bench.ask()
    bench.select()
    bench.ask(is_retry=True, attempt=2, delay_s=10)
    (job,) = bench.rows("select payload, attempt, waiting_for from jobs where kind = 'select' and state = 'ready'")
    assert (job["payload"]["is_retry"], job["attempt"], job["waiting_for"]) == (True, 2, None)
    assert bench.next_look == (None, pytest.approx(10, abs=5))


def test_a_movie_that_is_gone_has_nothing_chosen_for_it(bench: Bench) -> None:
    bench.ask()
    with bench.database.transaction() as connection:
        connection.execute("update movies set profile = 'no longer configured'")
    bench.select()
    assert bench.fetched == []
