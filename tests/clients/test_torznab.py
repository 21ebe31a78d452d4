from collections.abc import Iterator

import pytest

from clients.errors import (
    AuthenticationFailed,
    BadAnswer,
    ClientError,
    Gone,
    RateLimited,
    Refused,
    Unavailable,
)
from clients.http import HttpClient
from clients.torznab import Torrent, Torznab
from tests.clients.asking import KEY, NOW
from tests.clients.hostile_server import Answer, HostileServer, answer, ok, redirect
from tests.clients.torznab_server import MAGNET, caps, failure, feed, item, searches, serve


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


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
    assert serve(server, ok(feed())).search(title="Sintel") == []


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
    assert (read.search.is_raw, read.movie_search.is_raw) == (True, False)


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
