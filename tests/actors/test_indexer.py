"""An Indexer with a served feed and a real database: what it finds is one offer each, what it grabs is frozen."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.breaker import Breaker
from actors.health import HealthBoard
from actors.indexer import ClientTerms, Indexer
from actors.judge import Judge
from actors.messages import Work, WorkEnded
from clients.http import HttpClient
from clients.torznab import Torznab
from demo.feed import Feed, FeedOffer
from metrics.catalogue import Catalogue
from movies.failure import DEFAULT
from movies.movie import WantedMovie
from movies.offer import IndexerTerms, Protocol
from movies.policy import DelayProfile, Policy
from movies.profile import BUILTIN_PROFILES
from storage import acquisition, movies
from storage.database import Database
from storage.progress_writer import ProgressWriter
from tests.actors import job_rows
from tests.actors.job_rows import next_message

NAME, LANE = "open", "indexer:open"
GOOD = "Sintel.2010.1080p.BluRay.x264-GOOD"
HASH = "a" * 40


class Bench:
    """One wanted movie, and an indexer that offers what is in `feed`."""

    def __init__(self, database: Database, feed: Feed, policy: Policy) -> None:
        self.database, self.feed, self.queue = database, feed, Address("queue")
        self.progress = ProgressWriter(database)
        with database.transaction() as connection:
            wanted = WantedMovie(title="Sintel", year=2010, profile="hd")
            self.movie_id = movies.claim_movie(connection, wanted, source="api", root="/library")
        address = Address(LANE)
        client = ClientTerms(
            name="builtin",
            home=job_rows.NODE,
            priority=1,
            breaker=Breaker("client:builtin"),
            accepts_private=True,
            seed_ratio=None,
            seed_time_s=None,
        )
        Indexer.start(
            address,
            torznab=Torznab(name=NAME, url=feed.url, api_key=None, http=HttpClient()),
            breaker=Breaker(LANE),
            health=HealthBoard(),
            judge=Judge(profiles=BUILTIN_PROFILES, policy=policy),
            clients=[client],
            rss_interval_s=3600.0,
            seed_ratio=None,
            seed_time_s=None,
            progress_writer=self.progress,
            lease_s=30.0,
            database=database,
            queue=self.queue,
            metrics=Catalogue(CollectorRegistry()),
            policy=DEFAULT,
            node=job_rows.NODE,
        )
        assert isinstance(address.actor, Indexer)
        self.actor = address.actor

    def offer(self, *, age_s: float = 0.0) -> None:
        """Its torrent is a magnet link."""
        at = datetime.fromtimestamp(datetime.now(UTC).timestamp() - age_s, UTC)
        magnet = f"magnet:?xt=urn:btih:{HASH}"
        offer = FeedOffer(title=GOOD, guid=GOOD, size_bytes=2**33, magnet=magnet, published_at=at)
        self.feed.offers.insert(0, offer)

    def do(self, kind: str, **payload: Any) -> None:
        """Have a job of this kind done."""
        job_rows.enqueue(self.database, kind, lane=LANE, payload=payload, movie_id=self.movie_id, priority=9)
        claim = job_rows.claim(self.database, lane=LANE)
        self.actor.address.tell(Work(claim=claim), correlation_id=claim.correlation_id)
        assert next_message(self.queue) == WorkEnded(claim=claim)

    def search(self) -> None:
        self.do("search", movie_id=self.movie_id)

    def fetch(self) -> None:
        (release,) = self.rows("select id from releases")
        self.do("fetch", movie_id=self.movie_id, release_id=release["id"], attempt=1)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.database.transaction() as connection:
            return connection.execute(query.encode()).fetchall()

    def has_choice(self) -> bool:
        """Whether a choice is to be made now; it is taken away."""
        with self.database.transaction() as connection:
            deleted = connection.execute("delete from jobs where kind = 'select' returning id").fetchall()
        return bool(deleted)


@pytest.fixture
def feed() -> Iterator[Feed]:
    with Feed([]) as feed:
        yield feed


@pytest.fixture
def policy() -> Policy:
    delays = DelayProfile(preferred=Protocol.TORRENT, delay_s={Protocol.TORRENT: 3600.0})
    return Policy(terms={NAME: IndexerTerms()}, delay_profiles=(delays,))


@pytest.fixture
def bench(database: Database, feed: Feed, policy: Policy) -> Iterator[Bench]:
    bench = Bench(database, feed, policy)
    yield bench
    bench.actor.actor_ref.stop(block=False)
    bench.progress.close()


def test_a_release_that_comes_by_search_and_by_feed_is_one_offer_and_one_choice(bench: Bench) -> None:
    bench.offer(age_s=7200)
    bench.search()
    assert bench.has_choice()
    bench.do("rss")
    assert len(bench.rows("select from releases")) == len(bench.rows("select from verdicts")) == 1
    assert not bench.has_choice(), "it is not new any more"


def test_a_release_that_must_wait_asks_for_a_choice_when_it_is_new(bench: Bench) -> None:
    bench.offer()
    bench.do("rss")
    (verdict,) = bench.rows("select * from verdicts")
    assert (verdict["is_accepted"], verdict["is_pending"]) == (False, True)
    assert bench.has_choice()
    bench.do("rss")
    assert not bench.has_choice()


def test_what_a_feed_knew_when_it_brought_something_new_is_kept(bench: Bench) -> None:
    bench.offer(age_s=7200)
    for _ in range(2):
        bench.do("rss")
    (decision,) = bench.rows("select * from decisions")
    assert (decision["movie_id"], len(decision["judged"]), decision["taken"]) == (bench.movie_id, 1, None)


def test_the_facts_of_a_release_are_frozen_at_its_grab(bench: Bench) -> None:
    bench.offer(age_s=7200)
    bench.search()
    bench.fetch()
    (download,) = bench.rows("select * from downloads")
    assert download["infohash"] == HASH
    assert download["facts"] == {
        "title": GOOD,
        "quality": "Bluray-1080p",
        "release_group": "GOOD",
        "year": 2010,
        "size_bytes": 2**33,
        "flags": ["freeleech"],
    }


def test_a_torrent_on_the_blocklist_is_not_grabbed_under_another_name(bench: Bench) -> None:
    bench.offer(age_s=7200)
    bench.search()
    with bench.database.transaction() as connection:
        acquisition.block(
            connection, bench.movie_id, release_id=None, infohash=HASH, title="Another.Name", reason="dangerous"
        )
    bench.fetch()
    assert bench.rows("select from downloads") == []
    assert len(bench.rows("select from blocklist")) == 2
