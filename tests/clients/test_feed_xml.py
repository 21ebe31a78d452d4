import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from clients.errors import BadAnswer
from clients.feed_xml import parse_xml
from tests.clients.hostile_server import HostileServer, ok
from tests.clients.torznab_server import NAMESPACES, failure, feed, item, serve


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


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


def test_an_html_entity_beside_a_doctype_does_not_cut_a_text_short(server: HostileServer) -> None:
    body = b'<!DOCTYPE rss SYSTEM "http://127.0.0.1:1/rss.dtd">' + feed(item(title="Sintel&nbsp;2010"))
    assert [each.title for each in serve(server, ok(body)).search(title="Sintel")] == ["Sintel 2010"]


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE rss SYSTEM "http://127.0.0.1:{port}/x.dtd">',
        '<!DOCTYPE rss PUBLIC "-//x" "http://127.0.0.1:{port}/x.dtd">',
        '<!DOCTYPE rss [<!ENTITY a SYSTEM "http://127.0.0.1:{port}/x">]>',
        '<!DOCTYPE rss [<!ENTITY % a SYSTEM "http://127.0.0.1:{port}/x"> %a;]>',
    ],
)
def test_parsing_never_opens_a_connection(declaration: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        body = declaration.format(port=listening.getsockname()[1]) + "<rss><channel>&a;</channel></rss>"
        with suppress(BadAnswer):
            parse_xml(body.encode())
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_web_page_is_known_by_its_content_type_unless_the_body_is_xml(server: HostileServer) -> None:
    error = failure(server, ok(b"<center>blocked</center>", "text/html; charset=utf-8"))
    assert isinstance(error, BadAnswer)
    assert error.reason == "html"
    assert len(serve(server, ok(feed(item()), "text/html")).search(title="x")) == 1


def test_many_attributes_and_more_items_than_the_cap_are_read_in_time(server: HostileServer) -> None:
    many = " ".join(f'a{number}="1"' for number in range(200_000))
    assert len(serve(server, ok(feed(f"<item {many}><title>t</title><link>/1</link></item>"))).search(title="t")) == 1
    page = serve(server, ok(feed(*[item(guid=str(number)) for number in range(6000)]))).recent(since=None)
    assert (len(page.items), page.skipped) == (5000, 1000)
