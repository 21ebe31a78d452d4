"""Torznab documents made by hand, and an indexer on a hostile server that sends them."""

import traceback

import pytest

from clients.errors import ClientError
from clients.http import HttpClient
from clients.torznab import Torznab
from tests.clients.asking import KEY, NOW
from tests.clients.hostile_server import Answer, Connection, HostileServer, Seen, ok

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
