from collections.abc import Iterator
from datetime import timedelta

import pytest

from clients.errors import BadAnswer
from clients.torznab import LastSeen
from tests.clients.asking import NOW
from tests.clients.hostile_server import Answer, Connection, HostileServer, Seen, message, ok
from tests.clients.torznab_server import caps, feed, item, searches, serve


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


def paged(total: int, *, size: int = 100) -> Answer:
    """A server with `total` items, newest first, one a minute, that hands out `size` at a time."""

    def respond(seen: Seen, connection: Connection) -> None:
        offset = int(seen.params["offset"])
        minutes = range(offset, min(offset + size, total))
        connection.send(message(200, feed(*(dated(minute) for minute in minutes))))

    return respond


def dated(minutes_ago: int, guid: str | None = None) -> str:
    at = NOW - timedelta(minutes=minutes_ago + 1)
    return item(f"<pubDate>{at.isoformat()}</pubDate>", guid=guid or f"g{minutes_ago}")


def seen_at(minutes_ago: int, guid: str | None = None) -> LastSeen:
    return LastSeen(guid=guid or f"g{minutes_ago}", published_at=NOW - timedelta(minutes=minutes_ago + 1))


@pytest.mark.parametrize(
    ("total", "expected", "requests"), [(99, 99, 1), (100, 100, 2), (250, 250, 3), (1500, 1000, 10)]
)
def test_a_search_is_paged_to_its_end_or_1000(server: HostileServer, total: int, expected: int, requests: int) -> None:
    assert len(serve(server, paged(total)).search(title="x")) == expected
    assert len(searches(server)) == requests


def test_pages_larger_than_asked_for_are_followed_by_their_real_length(server: HostileServer) -> None:
    assert len(serve(server, paged(400, size=150)).search(title="x")) == 400
    assert [seen.params["offset"] for seen in server.seen[1:]] == ["0", "150", "300", "400"]


def test_a_server_that_ignores_the_offset_is_asked_twice(server: HostileServer) -> None:
    same = ok(feed(*(dated(minute) for minute in range(100))))
    assert len(serve(server, same).search(title="x")) == 100
    assert len(searches(server)) == 2


def test_a_guid_on_two_pages_is_one_item(server: HostileServer) -> None:
    def overlapping(seen: Seen, connection: Connection) -> None:
        start = int(seen.params["offset"]) // 2
        connection.send(message(200, feed(*(dated(minute) for minute in range(start, min(start + 100, 120))))))

    items = serve(server, overlapping).search(title="x")
    assert [each.guid for each in items] == [f"g{minute}" for minute in range(120)]


def test_the_page_size_of_the_indexer_is_kept_and_capped(server: HostileServer) -> None:
    small = caps().replace(b'default="100" max="100"', b'default="20" max="25"')
    serve(server, ok(feed()), capabilities=small).search(title="x")
    large = caps().replace(b'max="100"', b'max="5000"')
    serve(server, ok(feed()), capabilities=large).search(title="x")
    assert [seen.params["limit"] for seen in server.seen if seen.params["t"] == "search"] == ["25", "100"]


def test_the_first_rss_read_is_one_page_without_a_gap(server: HostileServer) -> None:
    page = serve(server, paged(500)).recent(since=None)
    assert (len(page.items), page.is_gap, page.last_seen) == (100, False, seen_at(0))
    assert searches(server) == [{"t": "movie"}]


def test_rss_is_paged_back_to_the_release_seen_last(server: HostileServer) -> None:
    page = serve(server, paged(500)).recent(since=seen_at(230))
    assert (len(page.items), page.is_gap, page.last_seen) == (300, False, seen_at(0))


def test_rss_is_paged_back_by_date_when_the_release_seen_last_is_gone(server: HostileServer) -> None:
    page = serve(server, paged(500)).recent(since=seen_at(50, guid="deleted"))
    assert (len(page.items), page.is_gap) == (100, False)


@pytest.mark.parametrize("total", [500, 5000])
def test_a_feed_that_does_not_reach_back_is_a_gap(server: HostileServer, total: int) -> None:
    page = serve(server, paged(total)).recent(since=seen_at(9000, guid="old"))
    assert (len(page.items), page.is_gap) == (min(total, 1000), True)


def test_a_feed_without_dates_is_read_back_to_the_same_guid(server: HostileServer) -> None:
    open_indexer = serve(server, ok(feed(item(guid="a"), item(guid="b"))))
    first = open_indexer.recent(since=None)
    assert first.last_seen == LastSeen(guid="a", published_at=None)
    assert not open_indexer.recent(since=first.last_seen).is_gap
    assert open_indexer.recent(since=LastSeen(guid="gone", published_at=None)).is_gap


def test_an_empty_feed_is_no_gap_and_forgets_nothing(server: HostileServer) -> None:
    page = serve(server, ok(feed())).recent(since=seen_at(5))
    assert (page.items, page.is_gap, page.last_seen) == ((), False, seen_at(5))


def test_a_date_in_the_future_does_not_become_the_release_seen_last(server: HostileServer) -> None:
    poison = item("<pubDate>Fri, 31 Dec 9999 23:59:59 GMT</pubDate>", guid="poison")
    page = serve(server, ok(feed(poison, dated(3), dated(4)))).recent(since=None)
    assert page.last_seen == seen_at(3)


def test_an_old_release_pinned_on_top_does_not_hide_a_gap(server: HostileServer) -> None:
    pinned = dated(100_000, guid="pinned")
    page = serve(server, ok(feed(pinned, dated(1), dated(2)))).recent(since=seen_at(60))
    assert page.is_gap


def test_a_page_cut_off_on_the_way_back_fails_the_whole_read(server: HostileServer) -> None:
    def cut(seen: Seen, connection: Connection) -> None:
        whole = feed(*(dated(minute) for minute in range(100)))
        connection.send(message(200, whole if seen.params["offset"] == "0" else whole[:-100]))

    with pytest.raises(BadAnswer) as caught:
        serve(server, cut).recent(since=seen_at(500))
    assert caught.value.reason == "truncated"
