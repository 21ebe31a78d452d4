import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.torznab_feed import Item, read_date
from movies.offer import IndexerFlag
from tests.clients.asking import NOW
from tests.clients.hostile_server import HostileServer, ok
from tests.clients.torznab_server import HASH, HASH_BASE32, MAGNET, attr, feed, item, serve


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


def found(server: HostileServer, *items: str) -> list[Item]:
    return serve(server, ok(feed(*items))).search(title="Sintel")


def one(server: HostileServer, *items: str) -> Item:
    (only,) = found(server, *items)
    return only


def test_a_whole_item_is_read(server: HostileServer) -> None:
    values = {
        "category": "2000",
        "SIZE": "1466000000",
        "seeders": "12",
        "peers": "15",
        "infohash": HASH.upper(),
        "imdb": "1727587",
        "tmdbid": "45745",
        "year": "2010",
        "downloadvolumefactor": "0.5",
        "minimumratio": "1.5",
        "minimumseedtime": "172800",
    }
    inside = (
        "<comments>/details/1</comments><pubDate>Thu, 01 Jan 2026 10:00:00 +0200</pubDate><category>2040</category>"
        '<enclosure url="/dl/1.torrent" length="14000" type="application/x-bittorrent"/>'
        + "".join(attr(name, value) for name, value in values.items())
    )
    assert one(server, item(inside, link="/details/1")) == Item(
        indexer="open",
        guid="g1",
        title="Sintel.2010.1080p",
        link=f"{server.url}/dl/1.torrent",
        magnet=None,
        infohash=HASH,
        size_bytes=1466000000,
        seeders=12,
        peers=15,
        published_at=datetime(2026, 1, 1, 8, tzinfo=UTC),
        tmdb_id=45745,
        imdb_id="tt1727587",
        year=2010,
        categories=(2040, 2000),
        flags=frozenset({IndexerFlag.HALFLEECH}),
        minimum_ratio=1.5,
        minimum_seed_time_s=172800,
        details_url=f"{server.url}/details/1",
    )


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (attr("size", 700), 700),
        ("<size>700</size>", 700),
        (attr("size", "1466.75"), 1466),
        ('<enclosure url="/a" length="1466000000"/>', 1466000000),
        ('<enclosure url="/a" length="14321"/>', None),
        ('<enclosure url="/a" length="0"/><description>Size: 1.366GB</description>', 1466731331),
        (
            '<enclosure url="/a" length="garbage"/><description>Size: 7,162,100.0KB</description>',
            7_162_100 * 1024,
        ),
        ("<description>1.366 GiB, 5 files</description>", 1466731331),
        ("<description>100 Kbps</description>", None),
        ("<description>12341234 other</description>", None),
        ("<description>5 MB/s</description>", None),
        (attr("size", -1), None),
        (attr("size", 2**64), None),
        (attr("size", 2**63), None),
        (attr("size", "NaN"), None),
        (attr("size", 0), None),
        (attr("size", "") + "<size>5</size>", 5),
        ("", None),
    ],
)
def test_a_size_is_taken_from_where_it_makes_sense(server: HostileServer, inside: str, expected: int | None) -> None:
    assert one(server, item(inside)).size_bytes == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thu, 01 Jan 2026 10:00:00 GMT", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("Thu, 01 Jan 2026 10:00:00 EST", datetime(2026, 1, 1, 15, tzinfo=UTC)),
        ("Thu, 01 Jan 2026 10:00:00", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01T10:00:00", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01T10:00:00Z", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01 10:00:00 EST", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01T10:00:00+02:00", datetime(2026, 1, 1, 8, tzinfo=UTC)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", NOW),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
        ("Sat, 03 Jan 2026 10:00:00 GMT", NOW),
        ("Thu, 01 Jan -100 10:00:00 GMT", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_is_utc_and_never_in_the_future(text: str, expected: datetime | None) -> None:
    assert read_date(text, now=NOW) == expected


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_a_date(text: str) -> None:
    read_date(text, now=NOW)


@pytest.mark.parametrize(
    ("field", "inside", "expected"),
    [
        ("seeders", attr("seeders", "N/A"), None),
        ("seeders", attr("seeders", "-3"), None),
        ("seeders", attr("seeders", 10**30), None),
        ("peers", attr("seeders", 3) + attr("leechers", 4), 7),
        ("peers", attr("leechers", 4), 4),
        ("imdb_id", attr("imdb", "tt0133093"), "tt0133093"),
        ("imdb_id", attr("imdbid", "133093"), "tt0133093"),
        ("imdb_id", attr("imdb", "0"), None),
        ("imdb_id", attr("imdb", "tt0000000"), None),
        ("imdb_id", attr("imdb", "nm0000206"), None),
        ("tmdb_id", attr("tmdbid", "0"), None),
        ("year", attr("year", "1"), None),
        ("year", attr("year", "99999999999"), None),
        ("infohash", attr("infohash", HASH_BASE32), HASH),
        ("infohash", attr("infohash", "abc"), None),
        ("infohash", attr("magneturl", MAGNET), HASH),
        ("flags", attr("downloadvolumefactor", "free") + attr("nuked", "0"), set()),
        ("flags", attr("downloadvolumefactor", "0"), {"freeleech"}),
        ("flags", attr("uploadvolumefactor", "2") + attr("haspretime", "1"), {"double_upload", "scene"}),
        ("flags", attr("tag", "Internal") + attr("tag", "other") + attr("nuked", "1"), {"internal", "nuked"}),
        ("minimum_ratio", attr("minimumratio", "inf"), None),
        ("categories", "<category>Movies > HD</category><category>Movies</category>", (2040, 2000)),
        ("categories", "<category>Games</category>" + attr("category", 100002), (100002,)),
        ("seeders", '<newznab:attr name="Seeders" value="4"/>', 4),
        ("seeders", '<attr name="seeders" value="4"/>', 4),
        ("seeders", '<unknown:attr name="seeders" value="4"/>', 4),
        ("published_at", "", None),
        ("details_url", "<comments>javascript:alert(1)</comments>", None),
    ],
)
def test_an_odd_value_is_normalised_or_unknown(
    server: HostileServer, field: str, inside: str, expected: object
) -> None:
    assert getattr(one(server, item(inside)), field) == expected


@pytest.mark.parametrize(
    ("inside", "link", "expected"),
    [
        ("", "/dl/1?file=a", "{server}/dl/1?file=a"),
        ("", "dl/1", "{server}/dl/1"),
        ("", "//other.example/dl", "http://other.example/dl"),
        ("", "#frag", "{server}/api#frag"),
        ('<enclosure url="/dl/2" type="application/x-bittorrent"/>', "/page", "{server}/dl/2"),
        ('<enclosure url="/dl/2"/>', "/page", "{server}/dl/2"),
        ('<enclosure url="" type="application/x-bittorrent"/>', "/dl/1", "{server}/dl/1"),
        (
            '<enclosure url="/2.nzb" type="application/x-nzb"/><enclosure url="/2" type="application/x-bittorrent"/>',
            "/page",
            "{server}/2",
        ),
    ],
)
def test_the_link_is_the_torrent_made_absolute_without_the_key(
    server: HostileServer, inside: str, link: str, expected: str
) -> None:
    assert one(server, item(inside, link=link)).link == expected.format(server=server.url)


@pytest.mark.parametrize(
    "inside",
    [
        attr("magneturl", MAGNET),
        f'<enclosure url="{MAGNET}" type="application/x-bittorrent;x-scheme-handler/magnet"/>',
        f"<link>{MAGNET}</link>",
        f"<link></link><guid>{MAGNET}</guid>",
    ],
)
def test_a_magnet_link_is_found_wherever_it_stands(server: HostileServer, inside: str) -> None:
    only = one(server, item(inside, guid=None, link=""))
    assert (only.magnet, only.infohash, only.link) == (MAGNET, HASH, None)


def test_a_bad_item_is_skipped_and_counted_and_the_others_kept(server: HostileServer) -> None:
    bad = [
        item(title="", guid="b1"),
        item(link="", guid="b2"),
        item(link="file:///etc/passwd", guid="b3"),
        item(link="http://[bad/", guid="b4"),
        item('<enclosure url="/1.nzb" length="5" type="application/x-nzb"/>', guid="b5"),
        item(attr("magneturl", "magnet:?xt=nothing"), link="", guid="b6"),
        "<item/>",
    ]
    page = serve(server, ok(feed(item(), *bad, item(guid="g2")))).recent(since=None)
    assert [each.guid for each in page.items] == ["g1", "g2"]
    assert page.skipped == len(bad)


def test_an_item_without_a_guid_gets_one_that_stays(server: HostileServer) -> None:
    assert one(server, item(guid=None)).guid == f"{server.url}/dl/1"
    assert one(server, item(attr("infohash", HASH), guid=None)).guid == HASH


@pytest.mark.parametrize("guid", ["x" * 512, "\u8a71" * 170])
def test_a_guid_of_up_to_512_bytes_is_kept(server: HostileServer, guid: str) -> None:
    assert one(server, item(guid=guid)).guid == guid


@pytest.mark.parametrize("guid", ["x" * 513, "\u8a71" * 171, "\u8a71" * 2_000])
def test_the_digest_stands_for_a_guid_of_more_bytes(server: HostileServer, guid: str) -> None:
    assert one(server, item(guid=guid)).guid == f"sha256:{hashlib.sha256(guid.encode()).hexdigest()}"


def test_long_guids_that_differ_at_their_end_stay_two(server: HostileServer) -> None:
    both = found(server, item(guid="x" * 3_000 + "1"), item(guid="x" * 3_000 + "2"))
    assert len({each.guid for each in both}) == 2


def test_a_long_address_in_the_place_of_a_guid_is_bounded_too(server: HostileServer) -> None:
    link = f"{server.url}/dl/{'x' * 600}"
    only = one(server, item(guid=None, link=link))
    assert (only.link, only.guid) == (link, f"sha256:{hashlib.sha256(link.encode()).hexdigest()}")


def test_a_guid_given_twice_is_one_item_the_first(server: HostileServer) -> None:
    assert [each.title for each in found(server, item(title="a"), item(title="b"), item(guid="g2"))] == [
        "a",
        "Sintel.2010.1080p",
    ]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Sintel&#13;&#10;2010 &#x85;INFO forged", "Sintel 2010 INFO forged"),
        ("Sintel &#27;[31m2010", "Sintel [31m2010"),
        ("Sintel \x01\x1b2010", "Sintel 2010"),
        ("<![CDATA[<script>'; DROP TABLE movies;-- {{7*7}}]]>", "<script>'; DROP TABLE movies;-- {{7*7}}"),
        ("\U0001f3ac Sintel \u30b7\u30f3\u30c6\u30eb", "\U0001f3ac Sintel \u30b7\u30f3\u30c6\u30eb"),
        ("Caf&eacute;&nbsp;2010", "Caf\u00e9 2010"),
        ("Tom & Jerry &unknown; 2010", "Tom & Jerry &unknown; 2010"),
        ("x" * 1_000_000, "x" * 512),
        ("[" * 500, "[" * 500),
        ("7" * 2000, "7" * 512),
    ],
)
def test_a_title_is_one_bounded_line_and_otherwise_verbatim(server: HostileServer, title: str, expected: str) -> None:
    assert one(server, item(title=title)).title == expected
