import gzip
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from clients.connection import is_public
from clients.errors import (
    AuthenticationFailed,
    BadAnswer,
    BadAnswerReason,
    ClientError,
    Gone,
    RateLimited,
    Refused,
    Unavailable,
    Unreachable,
)
from clients.http import HttpClient, RequestFacts, mask_secrets
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

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "".join(["5ec", "ret"])  # never literally in a source line, so that no traceback shows it by itself
ENOUGH_S = 5.0  # for what takes milliseconds


def client(**options: object) -> HttpClient:
    settings: dict[str, object] = {
        "connect_timeout_s": 2,
        "read_timeout_s": 2,
        "total_timeout_s": 4,
        "max_bytes": 100_000,
        "sleep": lambda seconds: None,
        "now": lambda: NOW,
    }
    return HttpClient(**(settings | options))  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


def failure(server: HostileServer, respond: Answer, **options: object) -> ClientError:
    """The error of a request that carries a key; the key is in neither its text nor its traceback."""
    server.answers["/x"] = respond
    with pytest.raises(ClientError) as caught:
        client(**options).get(f"{server.url}/x", {"apikey": KEY})
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def reason(error: ClientError) -> BadAnswerReason:
    assert isinstance(error, BadAnswer)
    return error.reason


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


def test_a_refused_connection_and_an_unknown_name_are_unreachable(server: HostileServer) -> None:
    with HostileServer() as stopped:
        pass
    with pytest.raises(Unreachable, match="refused"):
        client().get(stopped.url)
    with pytest.raises(Unreachable, match=r"name or service not known|temporary failure"):
        client().get("http://nobody.invalid/")


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
    "location",
    ["file:///etc/passwd", "ftp://example.org/x", "gopher://example.org/", "data:text/xml,<rss/>", "javascript:1"],
)
def test_a_redirect_to_another_scheme_is_refused(server: HostileServer, location: str) -> None:
    assert isinstance(failure(server, redirect(location)), Refused)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:5432",
        "localhost:1",
        "169.254.169.254",
        "[::1]",
        "0.0.0.0",
        "[::]",
        "10.1.2.3",
        "192.168.1.1",
        "100.64.0.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
    ],
)
def test_a_redirect_into_a_private_network_is_refused(server: HostileServer, host: str) -> None:
    error = failure(server, redirect(f"http://{host}/admin"))
    assert isinstance(error, Refused)
    assert "private address" in str(error)


@pytest.mark.parametrize("location", ["http://[bad/", "http://a:99999/", "http://[::1/"])
def test_a_redirect_to_what_is_no_address_is_a_bad_answer(server: HostileServer, location: str) -> None:
    assert reason(failure(server, redirect(location))) == "malformed"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("::ffff:93.184.216.34", True),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("255.255.255.255", False),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, expected: bool) -> None:
    assert is_public(ip_address(address)) is expected


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "home.example" else ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(Refused, match=r"10\.0\.0\.1"):
        client(resolve=resolve).get("http://else.example/x", trusted_url="http://home.example/")


def test_a_name_is_resolved_once_and_the_checked_address_is_dialled(server: HostileServer) -> None:
    asked: list[str] = []
    checked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    def is_allowed(address: object) -> bool:
        checked.append(str(address))
        return True

    server.answers["/x"] = ok(b"there")
    url = f"http://else.example:{server.port}/x"
    response = client(resolve=resolve, is_allowed=is_allowed).get(url, trusted_url="http://home.example/")
    assert (response.body, asked, checked) == (b"there", ["else.example"], ["127.0.0.1"])
    assert server.seen[0].headers["host"] == f"else.example:{server.port}"


def test_neither_key_nor_header_nor_cookie_reaches_another_host(server: HostileServer) -> None:
    with HostileServer() as other:
        server.answers["/x"] = answer(302, b"", Location=f"http://else.example:{other.port}/y", Set_Cookie="s=1")
        other.answers["/y"] = ok(b"there")
        asking = client(resolve=lambda host, port: ["127.0.0.1"], is_allowed=lambda address: True)
        url = server.url.replace("http://", f"http://user:{KEY}@") + "/x"
        assert asking.get(url, {"apikey": KEY}, {"X-Api-Key": KEY}).body == b"there"
        assert "authorization" in server.seen[0].headers
        assert KEY not in repr(other.seen[0])
        assert not {"cookie", "authorization", "referer"} & other.seen[0].headers.keys()


def test_the_trusted_endpoint_may_be_private_and_no_other_port_of_it(server: HostileServer) -> None:
    server.answers["/x"] = ok(b"there")
    assert client().get(f"{server.url}/x", trusted_url=f"{server.url}/api").body == b"there"
    with pytest.raises(Refused):
        client().get(f"{server.url}/x", trusted_url="http://127.0.0.1:1/api")


def test_an_address_that_is_none_is_refused_before_any_connection() -> None:
    with pytest.raises(Refused, match="only http and https"):
        client().get("ftp://example.org/")
    with pytest.raises(BadAnswer, match="not an address"):
        client().get("http://[nonsense/")


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    made = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-subj", "/CN=elsewhere", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    return context


def test_a_self_signed_certificate_is_not_accepted(certificate: ssl.SSLContext) -> None:
    with HostileServer(tls=certificate) as server:
        error = failure(server, ok(b"there"))
        assert type(error) is Unavailable
        assert "self-signed certificate" in str(error)
        assert server.seen == []


def test_a_tls_handshake_that_never_ends_is_cut(server: HostileServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable):
        client(connect_timeout_s=0.2).get(f"https://127.0.0.1:{silent.getsockname()[1]}/")


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://h/api?t=search&apikey=abc&q=x", "http://h/api?t=search&apikey=***&q=x"),
        ("http://h/dl?jackett_apikey=abc&path=x#f", "http://h/dl?jackett_apikey=***&path=x#f"),
        ("http://h/rss?passkey=abc&torrent_pass=d&authkey=e", "http://h/rss?passkey=***&torrent_pass=***&authkey=***"),
        ("http://h/?TOKEN=abc", "http://h/?TOKEN=***"),
        ("https://user:pa@ss@h:1/x", "https://***@h:1/x"),
        ("http://t/0123456789abcdef0123456789abcdef/announce", "http://t/***/announce"),
        ("GET http://a:b@h/?apikey=c failed", "GET http://***@h/?apikey=*** failed"),
        ("http://h/api?t=caps", "http://h/api?t=caps"),
    ],
)
def test_secrets_in_addresses_are_masked(url: str, masked: str) -> None:
    assert mask_secrets(url) == masked


def test_what_urllib3_logs_is_masked(server: HostileServer, caplog: pytest.LogCaptureFixture) -> None:
    server.answers["/x"] = ok(b"")
    with caplog.at_level(logging.DEBUG):
        client().get(f"{server.url}/x", {"apikey": KEY})
    assert "apikey=***" in caplog.text
    assert KEY not in caplog.text
