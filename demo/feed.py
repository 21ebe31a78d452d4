"""A small Torznab indexer over HTTP on 127.0.0.1, with the offers it is given and their torrents.

    with Feed([FeedOffer(title="Sintel.2010.1080p.WEB-DL.x264-DEMO", ...)]) as feed:
        Torznab(name="demo", url=feed.url, api_key=None, http=HttpClient())

It speaks the dialect of Prowlarr: caps, search by text and by ids, RSS, paging, downloads that are
a .torrent file or a redirect to a magnet link, and `<error>` for a wrong key.
"""

import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.sax.saxutils import escape, quoteattr

PAGE_SIZE = 100
CATEGORY = 2040  # Movies/HD
CAPS = f"""<?xml version="1.0" encoding="UTF-8"?>
<caps>
  <server title="Understudy demo"/>
  <limits default="{PAGE_SIZE}" max="{PAGE_SIZE}"/>
  <searching>
    <search available="yes" supportedParams="q"/>
    <movie-search available="yes" supportedParams="q,imdbid,tmdbid"/>
  </searching>
  <categories><category id="2000" name="Movies"><subcat id="{CATEGORY}" name="Movies/HD"/></category></categories>
</caps>
"""
TORRENT_TYPE = "application/x-bittorrent"


@dataclass(frozen=True, kw_only=True)
class FeedOffer:
    """One release on offer, with its .torrent file or its magnet link or both."""

    title: str
    guid: str
    size_bytes: int
    torrent: bytes | None = field(default=None, repr=False)
    magnet: str | None = None
    infohash: str | None = None
    tmdb_id: int | None = None
    imdb_id: str | None = None  # tt0133093
    seeders: int = 10
    download_status: int = 200  # what a request for the torrent is answered with
    published_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Feed:
    """The indexer; `offers` may be changed while it runs, `requests` are the (path, parameters) it got.

    `port` 0 takes a free one, and the same one again on the next start.
    """

    def __init__(self, offers: list[FeedOffer] | None = None, *, api_key: str | None = None, port: int = 0) -> None:
        self.offers = list(offers or [])
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.port = port
        self._api_key = api_key
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """The API address; known after the first start."""
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        """Listens from here on; nothing happens if it does already. OSError if the port is taken."""
        if self._server is None:
            self._server = _Server(self, self.port)
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.02,), name="demo-feed", daemon=True).start()

    def stop(self) -> None:
        """Closes the port, so that connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, path: str, params: dict[str, str]) -> "Answer":
        """What the indexer says to one request."""
        self.requests.append((path, params))
        if self._api_key is not None and params.get("apikey") != self._api_key:
            return _xml(_error(100, "Invalid API Key"), status=401)
        if path == "/download":
            return self._download(params.get("guid", ""))
        if path != "/api":
            return Answer(404, "text/plain", b"no such page")
        kind = params.get("t", "")
        if kind == "caps":
            return _xml(CAPS)
        if kind not in ("search", "movie"):
            return _xml(_error(202, f"No such function ({kind})"), status=400)
        found = [offer for offer in self.offers if _is_wanted(offer, params)]
        newest_first = sorted(found, key=lambda offer: offer.published_at, reverse=True)
        return _xml(self._rss(_page_of(newest_first, params)))

    def _download(self, guid: str) -> "Answer":
        offer = next((offer for offer in self.offers if offer.guid == guid), None)
        if offer is not None and offer.download_status != 200:
            return Answer(offer.download_status, "text/plain", b"")
        if offer is not None and offer.torrent is not None:
            return Answer(200, TORRENT_TYPE, offer.torrent)
        if offer is not None and offer.magnet is not None:
            return Answer(301, "text/plain", b"", location=offer.magnet)
        return _xml(_error(300, "No such item"), status=404)

    def _rss(self, found: list[FeedOffer]) -> str:
        items = "".join(_item(offer, self._link(offer)) for offer in found)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<rss version="2.0" xmlns:torznab="http://torznab.com/schemas/2015/feed">'
            f"<channel><title>Understudy demo</title>{items}</channel></rss>"
        )

    def _link(self, offer: FeedOffer) -> str:
        key = {} if self._api_key is None else {"apikey": self._api_key}
        return f"http://127.0.0.1:{self.port}/download?{urlencode({'guid': offer.guid, **key})}"


@dataclass(frozen=True)
class Answer:
    """Status, media type, body, and where a redirect goes."""

    status: int
    content_type: str
    body: bytes
    location: str | None = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, feed: Feed, port: int) -> None:
        self.feed = feed
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        answer = self.server.feed.answer(parts.path, dict(parse_qsl(parts.query)))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.location is not None:
            self.send_header("Location", answer.location)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: `Feed.requests` has it all."""


def _xml(text: str, *, status: int = 200) -> Answer:
    return Answer(status, "application/rss+xml; charset=utf-8", text.encode())


def _error(code: int, description: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><error code="{code}" description={quoteattr(description)}/>'


def _is_wanted(offer: FeedOffer, params: dict[str, str]) -> bool:
    """By any of the ids if there are any, else by all words of `q`; everything without either (RSS)."""
    ids = [
        offer.tmdb_id is not None and params.get("tmdbid") == str(offer.tmdb_id),
        offer.imdb_id is not None and params.get("imdbid", "").removeprefix("tt") == offer.imdb_id.removeprefix("tt"),
    ]
    if "tmdbid" in params or "imdbid" in params:
        return any(ids)
    return _words(params.get("q", "")) <= _words(offer.title)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower().replace("'", "")))


def _page_of(found: list[FeedOffer], params: dict[str, str]) -> list[FeedOffer]:
    offset, limit = (
        int(text) if text.isdigit() else default
        for text, default in ((params.get("offset", ""), 0), (params.get("limit", ""), PAGE_SIZE))
    )
    return found[offset : offset + min(limit, PAGE_SIZE)]


def _item(offer: FeedOffer, link: str) -> str:
    attributes = {
        "category": CATEGORY,
        "size": offer.size_bytes,
        "seeders": offer.seeders,
        "peers": offer.seeders,
        "infohash": offer.infohash,
        "magneturl": offer.magnet,
        "tmdbid": offer.tmdb_id,
        "imdb": offer.imdb_id.removeprefix("tt") if offer.imdb_id is not None else None,
        "downloadvolumefactor": 0,
    }
    return (
        f"<item><title>{escape(offer.title)}</title><guid>{escape(offer.guid)}</guid><link>{escape(link)}</link>"
        f"<pubDate>{format_datetime(offer.published_at)}</pubDate><size>{offer.size_bytes}</size>"
        f'<enclosure url={quoteattr(link)} length="{offer.size_bytes}" type="{TORRENT_TYPE}"/>'
        + "".join(
            f'<torznab:attr name="{name}" value={quoteattr(str(value))}/>'
            for name, value in attributes.items()
            if value is not None
        )
        + "</item>"
    )
