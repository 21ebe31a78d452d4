import gzip
import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime

import pytest

from clients.errors import (
    AuthenticationFailed,
    BadAnswer,
    ClientError,
    Gone,
    RateLimited,
    Unavailable,
    Unreachable,
)
from clients.http import RequestFacts, mask_secrets
from tests.clients.asking import KEY, NOW, client, failure, reason
from tests.clients.hostile_server import (
    RESET,
    Answer,
    HostileServer,
    answer,
    drip,
    endless,
    hang,
    in_turn,
    ok,
    raw,
    redirect,
)

LETTERS = "abcdefghijklmnopqrstuvwxyzABCD"
ENOUGH_S = 5.0  # for what takes milliseconds


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


def test_an_answer_is_returned_with_status_headers_and_body(server: HostileServer) -> None:
    server.answers["/x"] = ok(b"<rss/>", "application/xml; charset=utf-8")
    response = client().get(f"{server.url}/x", {"q": "a b"}, {"X-Mine": "1"})
    assert (response.status, response.body, response.content_type) == (200, b"<rss/>", "application/xml")
    assert response.headers["content-length"] == "6"
    assert server.seen[0].params == {"q": "a b"}
    assert server.seen[0].headers["x-mine"] == "1"


def test_every_exchange_is_reported_without_secrets(server: HostileServer) -> None:
    facts: list[RequestFacts] = []
    server.answers["/x"] = redirect("/y")
    server.answers["/y"] = answer(503, b"busy")
    client(on_request=facts.append).get(f"{server.url}/x", {"apikey": KEY})
    assert [(fact.status, fact.error, fact.received_bytes) for fact in facts] == [(302, None, 0), (503, None, 4)]
    assert facts[0].url == f"{server.url}/x?apikey=***"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationFailed),
        (403, AuthenticationFailed),
        (404, Gone),
        (410, Gone),
        (429, RateLimited),
        (500, Unavailable),
        (503, Unavailable),
        (400, BadAnswer),
        (304, BadAnswer),
    ],
)
def test_a_bad_status_is_returned_and_raised_on_check(
    server: HostileServer, status: int, kind: type[ClientError]
) -> None:
    server.answers["/x"] = answer(status, b"why")
    response = client().get(f"{server.url}/x", {"apikey": KEY})
    assert response.body == (b"" if status == 304 else b"why")
    with pytest.raises(kind) as caught:
        response.check()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("120", 120.0),
        (format_datetime(NOW + timedelta(seconds=90)), 90.0),
        (format_datetime(NOW - timedelta(days=1)), 0.0),
        ("999999999999", 7 * 24 * 3600.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(server: HostileServer, text: str, expected_s: float | None) -> None:
    server.answers["/x"] = answer(429, Retry_After=text)
    with pytest.raises(RateLimited) as caught:
        client().get(f"{server.url}/x").check()
    assert caught.value.retry_after_s == expected_s


def test_a_reset_connection_is_tried_three_times_with_growing_delays(server: HostileServer) -> None:
    delays: list[float] = []
    server.answers["/x"] = in_turn(RESET, RESET, ok(b"there"))
    assert client(sleep=delays.append).get(f"{server.url}/x").body == b"there"
    assert delays == [0.1, 0.2]
    assert isinstance(failure(server, RESET), Unreachable)
    assert len(server.seen) == 6


def test_a_refused_connection_and_an_unknown_name_are_unreachable() -> None:
    with HostileServer() as stopped:
        pass
    with pytest.raises(Unreachable, match="refused"):
        client().get(stopped.url)

    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Unreachable, match="name or service not known"):
        client(resolve=resolve).get("http://nobody.invalid/")


def test_an_error_status_is_not_tried_again(server: HostileServer) -> None:
    server.answers["/x"] = answer(500)
    client().get(f"{server.url}/x")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "respond",
    [
        pytest.param(drip(b"x"), id="one byte of body after the other"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nA: ", head=b""), id="one byte of header after the other"),
        pytest.param(drip(b"1\r\nx\r\n", head=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), id="chunks"),
        pytest.param(drip(b"x", head=b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"), id="with a length"),
    ],
)
def test_a_slow_answer_is_cut_at_the_total_deadline(server: HostileServer, respond: Answer) -> None:
    started_s = time.monotonic()
    error = failure(server, respond, total_timeout_s=0.3)
    assert type(error) is Unavailable
    assert "within 0.3 s" in str(error)
    assert 0.25 < time.monotonic() - started_s < ENOUGH_S


def test_the_deadline_spans_redirects_and_retries(server: HostileServer) -> None:
    server.answers["/y"] = drip(b"x")
    assert type(failure(server, redirect("/y"), total_timeout_s=0.3)) is Unavailable
    error = failure(server, in_turn(RESET, drip(b"x")), total_timeout_s=0.3)
    assert "within 0.3 s" in str(error)


@pytest.mark.parametrize(
    "respond", [hang(), hang(b"HTTP/1.1 200 OK\r\n\r\n"), hang(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")]
)
def test_silence_ends_at_the_read_timeout(server: HostileServer, respond: Answer) -> None:
    error = failure(server, respond, read_timeout_s=0.2)
    assert type(error) is Unavailable
    assert "silent" in str(error)


def test_no_thread_stays_behind_a_request(server: HostileServer) -> None:
    before = {thread.ident for thread in threading.enumerate() if isinstance(thread, threading.Timer)}
    server.answers["/x"] = ok(b"")
    client(total_timeout_s=60).get(f"{server.url}/x")
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for timer in timers:
        timer.join(ENOUGH_S)
    assert not [timer for timer in timers if timer.is_alive() and timer.ident not in before]


def test_a_body_is_cut_at_its_cap(server: HostileServer) -> None:
    assert reason(failure(server, endless(b"x" * 10_000))) == "too_large"
    assert reason(failure(server, ok(b"x" * 100_001))) == "too_large"
    server.answers["/x"] = ok(b"x" * 100_000)
    assert len(client().get(f"{server.url}/x").body) == 100_000


def test_a_gzip_bomb_is_cut_at_the_same_cap(server: HostileServer) -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    assert len(bomb) < 100_000
    assert reason(failure(server, answer(200, bomb, Content_Encoding="gzip"))) == "too_large"


def test_gzip_is_recognised_by_its_bytes_and_not_by_its_label(server: HostileServer) -> None:
    server.answers["/x"] = in_turn(
        answer(200, gzip.compress(b"<rss/>"), Content_Encoding="gzip"),
        answer(200, gzip.compress(b"<rss/>")),
        answer(200, b"<rss/>", Content_Encoding="gzip"),
    )
    assert [client().get(f"{server.url}/x").body for _ in range(3)] == [b"<rss/>"] * 3


def test_broken_gzip_and_other_encodings_are_bad_answers(server: HostileServer) -> None:
    whole = gzip.compress(b"<rss/>" * 100)
    assert reason(failure(server, answer(200, whole[:-12]))) == "truncated"
    assert reason(failure(server, answer(200, b"\x1f\x8b" + b"nonsense"))) == "malformed"
    for encoding in ("br", "zstd", "gzip, gzip"):
        assert reason(failure(server, answer(200, b"x", Content_Encoding=encoding))) == "malformed"


def test_a_body_shorter_than_promised_is_truncated(server: HostileServer) -> None:
    assert reason(failure(server, answer(200, b"<rss/>", Content_Length="60"))) == "truncated"
    cut_chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"
    assert reason(failure(server, raw(cut_chunk))) == "truncated"


def test_a_body_longer_than_promised_ends_where_promised(server: HostileServer) -> None:
    server.answers["/x"] = answer(200, b"<rss/><!--more-->", Content_Length="6")
    assert client().get(f"{server.url}/x").body == b"<rss/>"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
        b"220 ftp.example.org ready\r\n",
        b"HTTP/1.1 OK 200\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_bad_answer(server: HostileServer, head: bytes) -> None:
    assert reason(failure(server, raw(head))) == "malformed"


def test_relative_redirects_are_followed_and_the_key_is_not_sent_again(server: HostileServer) -> None:
    server.answers["/x"] = redirect("y?page=2")
    server.answers["/y"] = ok(b"there")
    response = client().get(f"{server.url}/x", {"apikey": KEY}, {"X-Key": KEY})
    assert (response.body, response.url) == (b"there", f"{server.url}/y?page=2")
    assert server.seen[1].params == {"page": "2"}
    assert server.seen[1].headers["x-key"] == KEY


def test_a_redirect_to_a_magnet_link_is_the_answer(server: HostileServer) -> None:
    server.answers["/x"] = redirect("magnet:?xt=urn:btih:" + "a" * 40, status=301)
    response = client().get(f"{server.url}/x")
    assert response.magnet == "magnet:?xt=urn:btih:" + "a" * 40
    response.check()


def test_a_redirect_loop_stops_after_five(server: HostileServer) -> None:
    assert reason(failure(server, redirect("/x"))) == "redirect_loop"
    assert len(server.seen) == 6


def test_the_body_of_a_redirect_is_not_read(server: HostileServer) -> None:
    server.answers["/x"] = raw(b"HTTP/1.1 302 Found\r\nLocation: /y\r\n\r\n" + b"x" * 1_000_000)
    server.answers["/y"] = ok(b"there")
    assert client().get(f"{server.url}/x").body == b"there"


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://h/api?t=search&apikey=abc&q=x", "http://h/api?t=search&apikey=***&q=x"),
        ("http://h/dl?jackett_apikey=abc&path=x#f", "http://h/dl?jackett_apikey=***&path=x#***"),
        ("http://h/rss?passkey=abc&torrent_pass=d&authkey=e", "http://h/rss?passkey=***&torrent_pass=***&authkey=***"),
        ("http://h/?TOKEN=abc", "http://h/?TOKEN=***"),
        ("https://user:pa@ss@h:1/x", "https://***@h:1/x"),
        ("http://t/0123456789abcdef0123456789abcdef/announce", "http://t/***/announce"),
        ("GET http://a:b@h/?apikey=c failed", "GET http://***@h/?apikey=*** failed"),
        (f"http://h/rss/download/1/{LETTERS}/f.torrent", "http://h/rss/download/1/***/f.torrent"),
        (f"http://h/{LETTERS}.torrent", "http://h/***.torrent"),
        (f"http://h//{LETTERS}/", "http://h//***/"),
        ("http://h/rss?pid=abc&cat=2000", "http://h/rss?pid=***&cat=2000"),
        ("http://h/dl?k=abc&r=d&u=1;tp=e", "http://h/dl?k=***&r=***&u=1;tp=***"),
        ("http://h/dl#apikey=abc", "http://h/dl#***"),
        ("http://h/?a=b#/x?c=d", "http://h/?a=b#***"),
        ("http://p/1/download?link=Z9%2Fa+b%3D&file=Sintel+2010", "http://p/1/download?link=***&file=Sintel+2010"),
        ("http://h/dl?id=0123456789abcdef", "http://h/dl?id=***"),
        ("http://h/dl?id=0123456789abcde", "http://h/dl?id=0123456789abcde"),
        ("http://h/dl?x=0_3-5678%2Babc%2Fdef%3D%3D;y=2", "http://h/dl?x=***;y=2"),
        (f"http://h/dl?url=http%3A%2F%2Ft%2F{LETTERS}%2Ff", "http://h/dl?url=http%3A%2F%2Ft%2F***%2Ff"),
        (f"GET /dl?x={LETTERS} HTTP/1.1", "GET /dl?x=*** HTTP/1.1"),
        (f"see 'http://h/?x={LETTERS}' (#5)", "see 'http://h/?x=***' (#5)"),
    ],
)
def test_secrets_in_addresses_are_masked(url: str, masked: str) -> None:
    assert mask_secrets(url) == masked


@pytest.mark.parametrize(
    "text",
    [
        "http://h/api?t=caps",
        "http://h/api?t=search&q=Supercalifragilisticexpialidocious&cat=2000,2010,2020,2030",
        "http://h/api?q=Supercalifragilisticexpialidocious+1080p",
        "http://h/api?q=A%2FSupercalifragilisticexpialidocious",
        "http://h/dl?file=The.Night.of.the.Living.Dead.1968",
        "http://h/dl?file=The%20Night%20of%20the%20Living%20Dead",
        "http://h/download/12345/The.Night.of.the.Living.Dead.1968.torrent",
        "http://a-host-with-a-long-name.averylongdomainwithoutanydot.example/x",
        "http://averylongdomainwithoutanydot/x",
        "error 500: request #5 is over the limit (#5)",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert mask_secrets(text) == text


@pytest.mark.parametrize("part", ["?", "a.", "key", "?key", "a://", "/a", "%2F", "?a=", "x#", "?a=0123456789abcdef."])
def test_no_text_takes_long_to_mask(part: str) -> None:
    text = (part * 60_000)[:60_000]
    start_s = time.process_time()
    mask_secrets(f"?{text}")
    assert time.process_time() - start_s < 1.0


def test_what_urllib3_logs_is_masked(server: HostileServer, caplog: pytest.LogCaptureFixture) -> None:
    server.answers["/x"] = ok(b"")
    with caplog.at_level(logging.DEBUG):
        client().get(f"{server.url}/x", {"apikey": KEY})
    assert "apikey=***" in caplog.text
    assert KEY not in caplog.text
