"""Offers: one row each, however often and by whatever way they arrive."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from movies.movie import ReleaseId
from movies.offer import IndexerFlag, Offer, Protocol
from storage import releases
from storage.database import Database
from storage.releases import Links

OFFER = Offer(
    indexer="one",
    guid="g1",
    title="Sintel.2010.1080p.BluRay.x264-GOOD",
    protocol=Protocol.USENET,
    size_bytes=2**33,
    seeders=3,
    leechers=1,
    published_at=datetime(2026, 1, 1, 8, 0, 1, 500_000, tzinfo=UTC),
    infohash="a" * 40,
    tmdb_id=45745,
    imdb_id="tt1727587",
    flags=frozenset({IndexerFlag.FREELEECH, IndexerFlag.SCENE}),
)
LINKS = Links(link="http://127.0.0.1/1", magnet=None)


def record(database: Database, *offers: Offer) -> dict[str, tuple[ReleaseId, bool]]:
    with database.transaction() as connection:
        return releases.record(connection, [(offer, LINKS) for offer in offers])


def test_an_offer_comes_out_as_it_went_in(database: Database) -> None:
    release_id, is_new = record(database, OFFER)["g1"]
    assert is_new
    with database.transaction() as connection:
        row = releases.one(connection, release_id)
        assert row is not None
        assert releases.offer_of(row) == OFFER
        assert releases.offers(connection, [release_id, ReleaseId(999)]) == {release_id: OFFER}
        assert (row["link"], row["magnet"]) == ("http://127.0.0.1/1", None)


def test_what_arrives_by_search_by_feed_and_by_push_is_one_offer_with_its_newest_facts(database: Database) -> None:
    first = record(database, OFFER)["g1"]
    again = record(database, replace(OFFER, seeders=9, infohash=None, flags=frozenset()))["g1"]
    assert (first, again) == ((first[0], True), (first[0], False))
    with database.transaction() as connection:
        found = releases.offers(connection, [first[0]])[first[0]]
    assert (found.seeders, found.infohash, found.flags) == (9, "a" * 40, frozenset())


def test_a_release_was_published_when_that_was_first_told(database: Database) -> None:
    first, at = record(database, OFFER)["g1"][0], OFFER.published_at
    assert at is not None
    for later in (at + timedelta(hours=1), None):
        record(database, replace(OFFER, published_at=later))
        with database.transaction() as connection:
            assert releases.offers(connection, [first])[first].published_at == at


def test_a_guid_that_is_twice_on_a_page_is_one_offer(database: Database) -> None:
    found = record(database, OFFER, replace(OFFER, seeders=9), replace(OFFER, guid="g2"))
    assert found.keys() == {"g1", "g2"}
    with database.transaction() as connection:
        assert [offer.seeders for offer in releases.offers(connection, [found["g1"][0]]).values()] == [9]


def test_an_empty_page_records_nothing(database: Database) -> None:
    assert record(database) == {}


def test_the_same_guid_of_another_indexer_is_another_offer(database: Database) -> None:
    one, other = record(database, OFFER)["g1"], record(database, replace(OFFER, indexer="two"))["g1"]
    assert one[0] != other[0]
    assert other[1]


def test_a_release_is_found_by_its_name_its_guid_and_its_id(database: Database) -> None:
    release_id, _ = record(database, OFFER)["g1"]
    with database.transaction() as connection:
        for name in (OFFER.title.lower(), "g1", str(release_id)):
            assert [row["id"] for row in releases.named(connection, name)] == [release_id]
        assert releases.named(connection, "Sintel") == []
