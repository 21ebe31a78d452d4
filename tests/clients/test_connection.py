import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from clients.connection import is_public
from clients.errors import BadAnswer, Refused, Unavailable
from tests.clients.asking import KEY, client, failure, reason
from tests.clients.hostile_server import HostileServer, answer, ok, redirect


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


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
