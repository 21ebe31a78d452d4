"""Hostile and sloppy indexers over HTTP, and a well-behaved one: `demo.feed`."""

import gzip
import hashlib
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.errors import (
    AuthenticationFailed,
    BadAnswer,
    ClientError,
    Gone,
    RateLimited,
    Refused,
    Unavailable,
    Unreachable,
)
from clients.feed_xml import parse_xml
from clients.http import HttpClient
from clients.torznab import Item, LastSeen, Torrent, Torznab
from clients.torznab_feed import read_date
from demo.feed import Feed, FeedOffer
from tests.clients.hostile_server import (
    Answer,
    Connection,
    HostileServer,
    Seen,
    answer,
    message,
    ok,
    redirect,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "".join(["5ec", "ret"])
HASH = "0123456789abcdef0123456789abcdef01234567"
HASH_BASE32 = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"
MAGNET = f"magnet:?xt=urn:btih:{HASH}"
NAMESPACES = (
    'xmlns:torznab="http://torznab.com/schemas/2015/feed" '
    'xmlns:newznab="http://www.newznab.com/DTD/2010/feeds/attributes/"'
)
ALL_PARAMETERS = '<movie-search available="yes" supportedParams="q,imdbid,tmdbid,year"/>'


def caps(searching: str = ALL_PARAMETERS, *, search: str = '<search available="yes" supportedParams="q"/>') -> bytes:
    return f'<caps><limits default="100" max="100"/><searching>{search}{searching}</searching></caps>'.encode()


def item(inside: str = "", *, guid: str | None = "g1", title: str = "Sintel.2010.1080p", link: str = "/dl/1") -> str:
    parts = [f"<title>{title}</title>"]
    parts += [f"<guid>{guid}</guid>"] if guid is not None else []
    parts += [f"<link>{link}</link>"] if link else []
    return f"<item>{''.join(parts)}{inside}</item>"


def attr(name: str, value: object) -> str:
    return f'<torznab:attr name="{name}" value="{value}"/>'


def feed(*items: str) -> bytes:
    return f'<rss version="2.0" {NAMESPACES}><channel><title>t</title>{"".join(items)}</channel></rss>'.encode()


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


def serve(server: HostileServer, respond: Answer, *, capabilities: bytes | None = None) -> Torznab:
    """An indexer on the hostile server whose every search gets `respond`."""
    capable = ok(capabilities or caps())

    def by_function(seen: Seen, connection: Connection) -> None:
        (capable if seen.params.get("t") == "caps" else respond)(seen, connection)

    server.answers["/api"] = by_function
    return indexer(f"{server.url}/api")


def indexer(url: str) -> Torznab:
    http = HttpClient(connect_timeout_s=2, read_timeout_s=2, total_timeout_s=10, sleep=lambda seconds: None)
    return Torznab(name="open", url=url, api_key=KEY, http=http, now=lambda: NOW)


def found(server: HostileServer, *items: str) -> list[Item]:
    return serve(server, ok(feed(*items))).search(title="Sintel")


def one(server: HostileServer, *items: str) -> Item:
    (only,) = found(server, *items)
    return only


def failure(server: HostileServer, respond: Answer) -> ClientError:
    """The error of a search; neither its text nor its traceback has the key in it."""
    with pytest.raises(ClientError) as caught:
        serve(server, respond).search(title="Sintel")
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def searches(server: HostileServer) -> list[dict[str, str]]:
    """The parameters of every request but caps, without those every request has."""
    always = {"apikey", "cat", "extended", "offset", "limit"}
    asked = [seen.params for seen in server.seen if seen.params.get("t") not in (None, "caps")]
    assert all(always <= params.keys() for params in asked)
    return [{key: value for key, value in params.items() if key not in always} for params in asked]


# What a well-formed item says


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
        download_volume_factor=0.5,
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
            7334,
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
    size_bytes = one(server, item(inside)).size_bytes
    assert size_bytes == (7162100 * 1024 if expected == 7334 else expected)


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
        ("Mon, 01 Jan 0001 00:00:00 +1400", None),
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
        ("download_volume_factor", attr("downloadvolumefactor", "free"), 1.0),
        ("download_volume_factor", attr("downloadvolumefactor", "0"), 0.0),
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


# Documents that are not quite XML


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xef\xbb\xbf" + feed(item()), id="BOM"),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbf" + feed(item()), id="two BOMs"),
        pytest.param(b'\n <?xml version="1.0"?>' + feed(item()), id="space before the declaration"),
        pytest.param(feed(item("<description>a&nbsp;b</description>")), id="HTML entity"),
        pytest.param(feed(item("<description>a \xff b</description>")).replace(b"\xc3", b""), id="bad UTF-8"),
        pytest.param(feed(item("<description>a \0 b</description>")), id="NUL"),
        pytest.param(feed(item("<description>a \x08 b &#8; </description>")), id="C0"),
        pytest.param(feed(item("<comments>http://h/?a=b&c=d</comments>")), id="bare ampersand"),
        pytest.param(feed(item()).replace(NAMESPACES.encode(), b""), id="undeclared namespaces"),
        pytest.param(('<?xml version="1.0" encoding="utf-16"?>' + feed(item()).decode()).encode("utf-16"), id="UTF-16"),
        pytest.param(b'<?xml version="1.0" encoding="utf-16"?>' + feed(item()), id="UTF-8 that is said to be UTF-16"),
        pytest.param(
            b'<?xml version="1.0" encoding="iso-8859-1"?>' + feed(item("<x>\xe9</x>")).replace(b"\xc3\xa9", b"\xe9"),
            id="ISO-8859-1",
        ),
        pytest.param(b'<?xml version="1.0" encoding="klingon"?>' + feed(item()), id="unknown encoding"),
        pytest.param(
            b'<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://127.0.0.1:1/rss.dtd">'
            + feed(item("<description>a&nbsp;b</description>")),
            id="a harmless DOCTYPE, with an HTML entity",
        ),
        pytest.param(gzip.compress(feed(item())), id="gzip without a label"),
    ],
)
def test_a_sloppy_document_is_repaired(server: HostileServer, body: bytes) -> None:
    assert [each.title for each in serve(server, ok(body)).search(title="Sintel")] == ["Sintel.2010.1080p"]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b" \n", "empty", id="blank"),
        pytest.param(feed(item(), item())[:-40], "truncated", id="cut off in a tag"),
        pytest.param(feed(item(), item())[: -len("</channel></rss>")], "truncated", id="cut off between tags"),
        pytest.param(b"<!DOCTYPE html><html><form>log in</form></html>", "html", id="login page"),
        pytest.param(b"\xef\xbb\xbf\n<HTML><body>blocked", "html", id="block page"),
        pytest.param(b"Too many connections", "not_xml", id="plain text"),
        pytest.param(b'{"error": "no"}', "not_xml", id="JSON"),
        pytest.param(b"<rss><channel></rss></channel>", "not_xml", id="crossed tags"),
        pytest.param(b"<feed xmlns='http://www.w3.org/2005/Atom'/>", "wrong_root", id="Atom"),
        pytest.param(b"<rss/>", "wrong_root", id="no channel"),
        pytest.param(
            f'<!DOCTYPE rss [<!ENTITY l0 "lol">{LAUGHS}]><rss><channel><title>&l11;</title></channel></rss>'.encode(),
            "dtd",
            id="a billion laughs",
        ),
        pytest.param(
            f'<!DOCTYPE rss [<!ENTITY a "{"x" * 100_000}">]><rss>{"&a;" * 20_000}</rss>'.encode(), "dtd", id="quadratic"
        ),
        pytest.param(
            b'<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><channel>&a;</channel></rss>',
            "dtd",
            id="an entity that is a file",
        ),
        pytest.param(b"<!DOCTYPE rss [<!ATTLIST rss a CDATA 'b'>]><rss/>", "dtd", id="internal subset"),
        pytest.param(
            b'<?xml version="1.0" encoding="UTF-7"?>+ADw-+ACE-DOCTYPE rss +AFs-+ADw-+ACE-ENTITY a +ACI-b+ACI-+AD4-'
            b"+AF0-+AD4-<rss>+ACY-a;</rss>",
            "dtd",
            id="an entity in UTF-7",
        ),
        pytest.param(
            '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE rss [<!ENTITY a "b">]><rss>&a;</rss>'.encode("utf-16"),
            "dtd",
            id="an entity in UTF-16",
        ),
        pytest.param(b"<rss>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</rss>", "not_xml", id="200,000 deep"),
        pytest.param(b'<rss a="' + b"x" * 11_000_000 + b'"/>', "not_xml", id="a long attribute"),
        pytest.param(b"<rss>" + b"x" * 11_000_000 + b"</rss>", "not_xml", id="a long text"),
        pytest.param(feed(*["<item></item>"] * 1_000_000), "too_large", id="a million items"),
        pytest.param(b"x" * (16 * 1024 * 1024 + 1), "too_large", id="more than 16 MiB"),
        pytest.param(gzip.compress(b"\0" * 200_000_000), "too_large", id="gzip bomb"),
        pytest.param(b"&" * 15_000_000, "not_xml", id="many ampersands"),
        pytest.param(b"<!DOCTYPE " * 400_000, "truncated", id="many doctypes"),
    ],
)
def test_a_hostile_document_is_a_bad_answer_and_soon(server: HostileServer, body: bytes, reason: str) -> None:
    started_s = time.monotonic()
    error = failure(server, ok(body))
    assert isinstance(error, BadAnswer)
    assert error.reason == reason
    assert time.monotonic() - started_s < 5


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE rss SYSTEM "http://127.0.0.1:{port}/x.dtd">',
        '<!DOCTYPE rss PUBLIC "-//x" "http://127.0.0.1:{port}/x.dtd">',
        '<!DOCTYPE rss [<!ENTITY a SYSTEM "http://127.0.0.1:{port}/x">]>',
        '<!DOCTYPE rss [<!ENTITY % a SYSTEM "http://127.0.0.1:{port}/x"> %a;]>',
    ],
)
def test_parsing_never_opens_a_connection(server: HostileServer, declaration: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        body = declaration.format(port=listening.getsockname()[1]) + "<rss><channel>&a;</channel></rss>"
        try:
            parse_xml(body.encode())
        except BadAnswer as error:
            assert error.reason == "dtd"
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_web_page_is_known_by_its_content_type_unless_the_body_is_xml(server: HostileServer) -> None:
    error = failure(server, ok(b"<center>blocked</center>", "text/html; charset=utf-8"))
    assert isinstance(error, BadAnswer)
    assert error.reason == "html"
    assert len(serve(server, ok(feed(item()), "text/html")).search(title="x")) == 1


def test_many_attributes_and_more_items_than_the_cap_are_read_in_time(server: HostileServer) -> None:
    many = " ".join(f'a{number}="1"' for number in range(200_000))
    assert len(found(server, f"<item {many}><title>t</title><link>/1</link></item>")) == 1
    page = serve(server, ok(feed(*[item(guid=str(number)) for number in range(6000)]))).recent(since=None)
    assert (len(page.items), page.skipped) == (5000, 1000)


# Errors


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (100, AuthenticationFailed),
        (101, AuthenticationFailed),
        (199, AuthenticationFailed),
        (200, BadAnswer),
        (203, BadAnswer),
        (300, Gone),
        (410, Gone),
        (429, RateLimited),
        (500, RateLimited),
        (501, RateLimited),
        (900, Unavailable),
        (910, Unavailable),
        (7, BadAnswer),
        ("", BadAnswer),
    ],
)
@pytest.mark.parametrize("form", ["{}", "\ufeff{}", "<rss>{}</rss>", "<rss><channel>{}</channel></rss>"])
def test_an_error_element_counts_with_status_200(
    server: HostileServer, code: object, kind: type[ClientError], form: str
) -> None:
    error = failure(server, ok(form.format(f'<error code="{code}" description="why {KEY}"/>').encode()))
    assert type(error) is kind
    assert "why ***" in str(error)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, 100, AuthenticationFailed),
        (404, 201, BadAnswer),
        (400, 203, BadAnswer),
        (400, 900, Unavailable),
        (429, 900, RateLimited),
        (410, 410, Gone),
        (500, 900, Unavailable),
    ],
)
def test_the_error_element_of_a_bad_status_is_read(
    server: HostileServer, status: int, code: int, kind: type[ClientError]
) -> None:
    error = failure(server, answer(status, f'<error code="{code}" description="why"/>'.encode()))
    assert type(error) is kind
    assert "why" in str(error)


def test_a_request_limit_is_known_by_its_text(server: HostileServer) -> None:
    body = b'<error code="910" description="Request limit reached"/>'
    assert type(failure(server, ok(body))) is RateLimited


@pytest.mark.parametrize("retry_after", ["90", "Fri, 02 Jan 2026 03:05:35 GMT"])
def test_retry_after_is_kept_as_seconds_or_date(server: HostileServer, retry_after: str) -> None:
    http = HttpClient(now=lambda: NOW)
    server.answers["/api"] = answer(429, b'<error code="429"/>', Retry_After=retry_after)
    with pytest.raises(RateLimited) as caught:
        Torznab(name="open", url=f"{server.url}/api", api_key=None, http=http).caps()
    assert caught.value.retry_after_s == 90


@pytest.mark.parametrize(("status", "kind"), [(503, Unavailable), (403, AuthenticationFailed), (404, Gone)])
def test_a_page_in_front_of_the_indexer_counts_by_its_status(
    server: HostileServer, status: int, kind: type[ClientError]
) -> None:
    page = b"<!DOCTYPE html><title>Just a moment...</title>"
    assert type(failure(server, answer(status, page, Content_Type="text/html"))) is kind


def test_an_empty_result_is_no_error(server: HostileServer) -> None:
    assert found(server) == []


# Capabilities


def test_capabilities_are_read(server: HostileServer) -> None:
    body = (
        b'<caps><limits default="50" max="75"/><searching><search available="yes" searchEngine="raw"/>'
        b'<movie-search available="yes" supportedParams="q, TMDBID"/></searching>'
        b'<categories><category id="2000" name="Movies"><subcat id="2040" name="HD"/></category>'
        b'<category id="x" name="odd"/></categories></caps>'
    )
    read = serve(server, ok(b""), capabilities=body).caps()
    assert (read.page_size, read.categories) == (75, {2000: "Movies", 2040: "HD"})
    assert read.movie_search.supports("tmdbid")
    assert not read.movie_search.supports("imdbid")
    assert (read.search.is_raw, read.movie_search.is_explicit, read.search.is_explicit) == (True, True, False)


def test_bare_capabilities_get_defaults(server: HostileServer) -> None:
    read = serve(server, ok(b""), capabilities=b"<caps/>").caps()
    assert (read.page_size, read.search.supports("q"), read.movie_search.is_available) == (100, True, False)


def test_capabilities_are_asked_for_once_in_seven_days(server: HostileServer) -> None:
    clock_s = [0.0]
    server.answers["/api"] = ok(caps())
    open_indexer = Torznab(
        name="open", url=f"{server.url}/api", api_key=None, http=HttpClient(), clock=lambda: clock_s[0]
    )
    for clock_s[0] in (0.0, 1.0, 7 * 24 * 3600.0, 7 * 24 * 3600.0 + 1, 7 * 24 * 3600.0 + 2):
        open_indexer.caps()
    assert len(server.seen) == 2


def test_a_search_that_was_not_understood_makes_capabilities_be_asked_for_again(server: HostileServer) -> None:
    open_indexer = serve(server, ok(b'<error code="203"/>'))
    for _ in range(2):
        with pytest.raises(BadAnswer):
            open_indexer.search(title="Sintel")
    assert [seen.params["t"] for seen in server.seen] == ["caps", "search"] * 2


def test_capabilities_can_be_an_error_or_something_else(server: HostileServer) -> None:
    with pytest.raises(AuthenticationFailed):
        serve(server, ok(b""), capabilities=b'<error code="100" description="Invalid API Key"/>').caps()
    with pytest.raises(BadAnswer) as caught:
        serve(server, ok(b""), capabilities=feed()).caps()
    assert caught.value.reason == "wrong_root"


# The search sequence


@pytest.mark.parametrize(
    ("movie_search", "expected"),
    [
        ('supportedParams="q,imdbid,tmdbid"', [{"t": "movie", "tmdbid": "603", "imdbid": "0133093"}]),
        ('supportedParams="q,tmdbid"', [{"t": "movie", "tmdbid": "603"}]),
        ('supportedParams="q,imdbid"', [{"t": "movie", "imdbid": "0133093"}]),
        ("", [{"t": "movie", "imdbid": "0133093"}]),
    ],
)
def test_ids_are_searched_as_the_indexer_takes_them_and_the_title_when_they_find_nothing(
    server: HostileServer, movie_search: str, expected: list[dict[str, str]]
) -> None:
    capabilities = caps(f'<movie-search available="yes" {movie_search}/>')
    serve(server, ok(feed()), capabilities=capabilities).search(
        title="The Matrix", year=1999, tmdb_id=603, imdb_id="tt0133093"
    )
    assert searches(server) == [*expected, {"t": "search", "q": "Matrix 1999"}]


def test_the_title_is_not_searched_when_the_ids_found_something(server: HostileServer) -> None:
    assert serve(server, ok(feed(item()))).search(title="The Matrix", tmdb_id=603)
    assert searches(server) == [{"t": "movie", "tmdbid": "603"}]


@pytest.mark.parametrize(
    ("title", "year", "expected"),
    [
        ("The Matrix", 1999, "Matrix 1999"),
        ("The", None, "The"),
        ("Am\u00e9lie", 2001, "Amelie 2001"),
        ("Ocean's Eleven", None, "Oceans Eleven"),
        ("Lilo & Stitch", None, "Lilo and Stitch"),
        ("E.T. the Extra-Terrestrial", 1982, "ET the Extra Terrestrial 1982"),
        ("1+1", None, "1 1"),
        (
            "\u5343\u3068\u5343\u5c0b\u306e\u795e\u96a0\u3057\u304c",
            None,
            "\u5343\u3068\u5343\u5c0b\u306e\u795e\u96a0\u3057\u304c",
        ),
        ("\uc62c\ub4dc\ubcf4\uc774", 2003, "\uc62c\ub4dc\ubcf4\uc774 2003"),
        ("...", None, "..."),
    ],
)
def test_a_title_is_searched_as_bare_words(server: HostileServer, title: str, year: int | None, expected: str) -> None:
    serve(server, ok(feed())).search(title=title, year=year)
    assert searches(server) == [{"t": "search", "q": expected}]


def test_a_raw_search_engine_gets_the_title_with_its_punctuation(server: HostileServer) -> None:
    capabilities = caps(search='<search available="yes" searchEngine="raw"/>')
    serve(server, ok(feed()), capabilities=capabilities).search(title="Am\u00e9lie: 1+1", year=2001)
    assert searches(server) == [{"t": "search", "q": "Am\u00e9lie: 1 1 2001"}]


def test_an_indexer_without_text_search_is_asked_by_movie_search_or_not_at_all(server: HostileServer) -> None:
    none = '<search available="no"/>'
    serve(server, ok(feed()), capabilities=caps(search=none)).search(title="Sintel")
    assert searches(server) == [{"t": "movie", "q": "Sintel"}]
    nothing = caps('<movie-search available="no"/>', search=none)
    assert serve(server, ok(feed()), capabilities=nothing).search(title="Sintel", tmdb_id=1) == []
    assert len(searches(server)) == 1


def test_every_search_says_categories_key_and_page(server: HostileServer) -> None:
    server.answers["/api"] = ok(caps())
    with pytest.raises(BadAnswer):
        Torznab(name="open", url=f"{server.url}/api", api_key=KEY, http=HttpClient(), categories=(2000, 2045)).search(
            title="x"
        )
    assert server.seen[-1].params == {
        "t": "search",
        "q": "x",
        "cat": "2000,2045",
        "extended": "1",
        "offset": "0",
        "limit": "100",
        "apikey": KEY,
    }


# Paging


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
    assert [seen.params["offset"] for seen in server.seen[1:]] == ["0", "150", "300"]


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


# RSS


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


# Torrents


def test_a_torrent_is_fetched_from_its_link(server: HostileServer) -> None:
    open_indexer = serve(server, ok(b""))
    server.answers["/dl"] = ok(b"d4:infode", "application/x-bittorrent")
    assert open_indexer.fetch_torrent(f"{server.url}/dl") == Torrent(torrent=b"d4:infode", magnet=None)


@pytest.mark.parametrize("respond", [redirect(MAGNET, 301), ok(f"{MAGNET}\n".encode(), "text/plain")])
def test_a_link_can_lead_to_a_magnet_link(server: HostileServer, respond: Answer) -> None:
    open_indexer = serve(server, ok(b""))
    server.answers["/dl"] = respond
    assert open_indexer.fetch_torrent(f"{server.url}/dl") == Torrent(torrent=None, magnet=MAGNET)
    assert open_indexer.fetch_torrent(f"{MAGNET}&x.pe=10.0.0.1:1") == Torrent(torrent=None, magnet=MAGNET)


@pytest.mark.parametrize(
    ("respond", "kind"),
    [
        (ok(b"<!DOCTYPE html><html>log in</html>", "text/html"), BadAnswer),
        (ok(b""), BadAnswer),
        (ok(feed()), BadAnswer),
        (redirect("magnet:?xt=urn:btih:nonsense"), BadAnswer),
        (redirect("http://169.254.169.254/latest"), Refused),
        (answer(410), Gone),
        (answer(404, b"gone"), Gone),
        (ok(b'<error code="300"/>'), Gone),
        (answer(429, b"", Retry_After="60"), RateLimited),
        (ok(b'<error code="501" description="Download limit reached"/>'), RateLimited),
        (answer(500, b'<error code="900" description="tracker is down"/>'), Unavailable),
        (answer(401), AuthenticationFailed),
    ],
)
def test_a_link_that_leads_to_no_torrent_says_why_or_falls_back_to_the_magnet_link(
    server: HostileServer, respond: Answer, kind: type[ClientError]
) -> None:
    open_indexer = serve(server, ok(b""))
    server.answers["/dl"] = respond
    with pytest.raises(kind):
        open_indexer.fetch_torrent(f"{server.url}/dl?apikey={KEY}")
    if kind in (BadAnswer, Refused, Gone):
        assert open_indexer.fetch_torrent(f"{server.url}/dl", magnet=MAGNET).magnet == MAGNET
    else:
        with pytest.raises(kind):
            open_indexer.fetch_torrent(f"{server.url}/dl", magnet=MAGNET)


def test_a_download_link_to_another_private_host_is_refused(server: HostileServer) -> None:
    open_indexer = serve(server, ok(b""))
    with HostileServer() as other, pytest.raises(Refused):
        open_indexer.fetch_torrent(f"{other.url}/dl")


# The demo's feed


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


def test_the_demo_feed_is_read_by_a_sha1_of_any_torrent(tmp_path: Path) -> None:
    digest = hashlib.sha1(b"x").hexdigest()
    offer = FeedOffer(title="Film", guid="1", size_bytes=1, torrent=b"d", infohash=digest)
    with Feed([offer]) as running:
        assert indexer(running.url).search(title="Film")[0].infohash == digest
