import threading
from datetime import timedelta

import pytest

from clients.errors import AuthenticationFailed, Gone, Unreachable
from clients.http import HttpClient
from clients.torznab_feed import Item
from demo.feed import Feed, FeedOffer
from tests.clients.asking import KEY, NOW
from tests.clients.torznab_server import HASH, MAGNET, indexer


@pytest.fixture
def offers() -> list[FeedOffer]:
    return [
        FeedOffer(
            title="Sintel.2010.1080p.WEB-DL & more",
            guid="guid/1?a&b",
            size_bytes=5000,
            torrent=b"d4:infode",
            infohash=HASH,
            tmdb_id=45745,
            imdb_id="tt1727587",
            published_at=NOW - timedelta(hours=2),
        ),
        FeedOffer(
            title="Big.Buck.Bunny.2008.720p",
            guid="2",
            size_bytes=6000,
            magnet=MAGNET,
            tmdb_id=10378,
            seeders=3,
            published_at=NOW - timedelta(hours=1),
        ),
    ]


def titles(items: list[Item]) -> list[str]:
    return [each.title for each in items]


def test_the_demo_feed_is_searched_by_ids_and_by_title(offers: list[FeedOffer]) -> None:
    with Feed(offers, api_key=KEY) as running:
        demo = indexer(running.url)
        (sintel,) = demo.search(tmdb_id=45745)
        assert (sintel.title, sintel.imdb_id, sintel.size_bytes) == (
            "Sintel.2010.1080p.WEB-DL & more",
            "tt1727587",
            5000,
        )
        assert (sintel.published_at, sintel.infohash, sintel.seeders) == (NOW - timedelta(hours=2), HASH, 10)
        assert titles(demo.search(imdb_id="tt1727587")) == [sintel.title]
        assert titles(demo.search(title="Big Buck Bunny", year=2008, tmdb_id=1)) == ["Big.Buck.Bunny.2008.720p"]
        assert demo.search(title="Nothing") == []
        assert running.requests[0] == ("/api", {"t": "caps", "apikey": KEY})


def test_the_demo_feed_has_rss_newest_first_and_pages(offers: list[FeedOffer]) -> None:
    with Feed(offers) as running:
        page = indexer(running.url).recent(since=None)
        assert [each.guid for each in page.items] == ["2", "guid/1?a&b"]
        running.offers += [
            FeedOffer(title=f"Film {n}", guid=f"f{n}", size_bytes=1, torrent=b"d", published_at=NOW - timedelta(days=n))
            for n in range(1, 250)
        ]
        assert len(indexer(running.url).search(title="Film")) == 249


def test_the_demo_feed_hands_out_torrents_and_magnet_links(offers: list[FeedOffer]) -> None:
    with Feed(offers, api_key=KEY) as running:
        demo = indexer(running.url)
        sintel, bunny = (demo.search(tmdb_id=each.tmdb_id)[0] for each in offers)
        assert demo.fetch_torrent(sintel.link or "").torrent == b"d4:infode"
        assert demo.fetch_torrent(bunny.link or "").magnet == MAGNET
        running.offers.clear()
        with pytest.raises(Gone):
            demo.fetch_torrent(sintel.link or "")


def test_the_demo_feed_refuses_a_wrong_key_and_an_unknown_function(offers: list[FeedOffer]) -> None:
    with Feed(offers, api_key="another") as running, pytest.raises(AuthenticationFailed):
        indexer(running.url).caps()
    with Feed(offers) as running:
        response = HttpClient().get(running.url, {"t": "music"})
        assert (response.status, b'code="202"' in response.body) == (400, True)


def test_the_demo_feed_closes_its_port_and_opens_the_same_one_again(offers: list[FeedOffer]) -> None:
    running = Feed(offers)
    running.start()
    url = running.url
    demo = indexer(url)
    demo.caps()
    running.stop()
    with pytest.raises(Unreachable):
        demo.search(title="Sintel")
    running.start()
    running.start()
    assert running.url == url
    assert titles(demo.search(title="Sintel")) == ["Sintel.2010.1080p.WEB-DL & more"]
    running.stop()
    running.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "demo-feed" and thread.is_alive()]
