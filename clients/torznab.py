"""A Torznab indexer (Prowlarr, Jackett, or a tracker of its own): capabilities, search, RSS, torrents.

    ClientError                (see clients/errors.py)
    |-- Unavailable            no answer, a 5xx, or `<error>` 900, 910: back off
    |-- RateLimited            429, or `<error>` 429, 500, 501, or "Request limit reached"
    |-- AuthenticationFailed   401, 403, or `<error>` 100..199
    |-- Gone                   404, 410, or `<error>` 300, 410: the torrent, or the indexer, was taken away
    |-- Refused                a link that leads into a private network
    `-- BadAnswer              a web page, no XML, no feed, a search it does not understand (200..203)

An `<error>` counts whatever the HTTP status is, and is looked for before the status. The dialect is
that of Prowlarr 1.x and Jackett 0.2x as Radarr 5 speaks it. A client is used by one thread at a time.
"""

import re
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lxml import etree

from clients.errors import (
    AuthenticationFailed,
    BadAnswer,
    BadAnswerReason,
    ClientError,
    Gone,
    RateLimited,
    Refused,
    Unavailable,
)
from clients.feed_xml import parse_xml
from clients.http import HttpClient, Response, mask_secrets
from clients.metainfo import parse_magnet
from clients.torznab_caps import Caps, SearchMode, read_caps
from clients.torznab_feed import Item, Page, local_name, one_line, read_page

MOVIES = 2000
CAPS_AGE_S = 7 * 24 * 3600
MAX_RESULTS = 1_000


@dataclass(frozen=True, kw_only=True)
class LastSeen:
    """Where an RSS read ended: the newest release then, to be kept across restarts."""

    guid: str
    published_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RssPage:
    """What is new; `is_gap` when the feed did not reach back to the release seen last."""

    items: tuple[Item, ...]
    is_gap: bool
    last_seen: LastSeen | None  # hand it in next time
    skipped: int


@dataclass(frozen=True, kw_only=True)
class Torrent:
    """How to start a download: the .torrent file or the magnet link, exactly one of them."""

    torrent: bytes | None
    magnet: str | None


class Torznab:
    """One indexer behind its full API address, such as `http://127.0.0.1:9117/api`."""

    def __init__(
        self,
        *,
        name: str,
        url: str,
        api_key: str | None,
        http: HttpClient,
        categories: tuple[int, ...] = (MOVIES,),
        page_size_cap: int = 100,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self._url = url
        self._api_key = api_key
        self._http = http
        self._categories = categories
        self._page_size_cap = page_size_cap
        self._clock = clock
        self._now = now
        self._caps: Caps | None = None
        self._caps_read_at_s = 0.0

    def caps(self) -> Caps:
        """The indexer's capabilities, asked for once in 7 days and again after a search it did not understand."""
        if self._caps is None or self._clock() - self._caps_read_at_s > CAPS_AGE_S:
            root, _ = self._ask({"t": "caps"})
            self._caps = read_caps(root)
            self._caps_read_at_s = self._clock()
        return self._caps

    def search(
        self,
        *,
        title: str | None = None,
        year: int | None = None,
        tmdb_id: int | None = None,
        imdb_id: str | None = None,
    ) -> list[Item]:
        """Offers for one movie, by its ids where the indexer knows them, else and otherwise by title.

        Each guid once, in the indexer's order, at most 1,000. Empty when it has none or cannot be asked.
        """
        by_ids = _ids_query(self.caps().movie_search, tmdb_id=tmdb_id, imdb_id=imdb_id)
        found = self._all_items(by_ids) if by_ids else []
        if found or not title:
            return found
        by_title = _title_query(self.caps(), title=title, year=year)
        return self._all_items(by_title) if by_title else []

    def recent(self, *, since: LastSeen | None) -> RssPage:
        """The newest offers back to `since`, at most 1,000; without `since`, one page."""
        mode = "movie" if self.caps().movie_search.is_available else "search"
        asked_at = self._now()
        items: list[Item] = []
        skipped = 0
        is_reached = since is None
        for page in self._pages({"t": mode}):
            items += page.items
            skipped += page.skipped
            is_reached = is_reached or (since is not None and _reaches(page, since))
            if is_reached:
                break
        return RssPage(
            items=tuple(items),
            is_gap=bool(items) and not is_reached,
            last_seen=_newest(items, asked_at=asked_at) or since,
            skipped=skipped,
        )

    def fetch_torrent(self, link: str, *, magnet: str | None = None) -> Torrent:
        """The torrent behind an item's link, or `magnet` where the link turns out to be of no use."""
        try:
            if link.lower().startswith("magnet:"):
                return _by_magnet(link)
            return self._torrent(self._http.get(link, trusted_url=self._url))
        except (BadAnswer, Gone, Refused):
            if magnet is None:
                raise
            return _by_magnet(magnet)

    def _torrent(self, response: Response) -> Torrent:
        if response.magnet is not None:
            return _by_magnet(response.magnet)
        if response.status < 300 and response.body.startswith(b"d"):
            return Torrent(torrent=response.body, magnet=None)
        if response.status < 300 and response.body.startswith(b"magnet:?"):
            return _by_magnet(response.body.decode("utf-8", "replace"))
        root = self._read(response)
        raise BadAnswer(f"{self.name} sent <{root.tag[:50]}> for a torrent", reason=BadAnswerReason.WRONG_ROOT)

    def _all_items(self, query: Mapping[str, str]) -> list[Item]:
        return [item for page in self._pages(query) for item in page.items][:MAX_RESULTS]

    def _pages(self, query: Mapping[str, str]) -> Iterator[Page]:
        """Pages with the items not on an earlier one, until a page is not full or brings nothing new.

        The latter is how a server shows that it ignores `offset`.
        """
        limit = min(self._page_size_cap, self.caps().page_size)
        seen: set[str] = set()
        offset = 0
        while offset < MAX_RESULTS:
            page = self._page({**query, "offset": str(offset), "limit": str(limit)})
            fresh: dict[str, Item] = {}
            for item in page.items:
                if item.guid not in seen:
                    fresh.setdefault(item.guid, item)
            yield replace(page, items=tuple(fresh.values()))
            seen |= fresh.keys()
            offset += page.size
            if page.size < limit or not fresh:
                return

    def _page(self, query: Mapping[str, str]) -> Page:
        categories = ",".join(map(str, self._categories))
        root, base_url = self._ask({**query, "cat": categories, "extended": "1"})
        return read_page(root, indexer=self.name, base_url=base_url, now=self._now())

    def _ask(self, query: Mapping[str, str]) -> tuple[etree._Element, str]:
        """The document that answers the query, and the address it came from."""
        key = {"apikey": self._api_key} if self._api_key else {}
        response = self._http.get(self._url, {**query, **key})
        return self._read(response), response.url

    def _read(self, response: Response) -> etree._Element:
        try:
            root = parse_xml(response.body, content_type=response.content_type)
        except BadAnswer as error:
            response.check()
            raise BadAnswer(f"{self.name}: {error}", reason=error.reason) from error
        fault = _fault_in(root)
        if fault is not None:
            raise self._error_for(fault, response)
        response.check()
        return root

    def _error_for(self, fault: etree._Element, response: Response) -> ClientError:
        """Our error for `<error code="..." description="..."/>`."""
        code, description = fault.get("code", ""), fault.get("description", "")
        text = one_line(f"{self.name} answered error {code}: {description}", most=300)
        text = mask_secrets(text.replace(self._api_key, "***") if self._api_key else text)
        is_limit = code in ("429", "500", "501") or "limit reached" in description.lower()
        if response.status == 429 or (is_limit and not _is_hundred(code, 1)):
            return RateLimited(text, retry_after_s=response.retry_after_s)
        if _is_hundred(code, 1):
            return AuthenticationFailed(text)
        if _is_hundred(code, 2):
            self._caps = None
            return BadAnswer(text, reason=BadAnswerReason.REQUEST_NOT_UNDERSTOOD)
        if code in ("300", "410") or response.status == 410:
            return Gone(text)
        if _is_hundred(code, 9) or response.status >= 500:
            return Unavailable(text)
        return BadAnswer(text, reason=BadAnswerReason.STATUS)


def _is_hundred(code: str, hundred: int) -> bool:
    return len(code) == 3 and code.isdigit() and code[0] == str(hundred)


def _fault_in(root: etree._Element) -> etree._Element | None:
    """The `<error>` of a document: its root, or inside `<rss>` or its channel."""
    if local_name(root) == "error":
        return root
    found = root.find("error")
    return found if found is not None else root.find("channel/error")


def _by_magnet(uri: str) -> Torrent:
    return Torrent(torrent=None, magnet=parse_magnet(uri).uri)


def _ids_query(mode: SearchMode, *, tmdb_id: int | None, imdb_id: str | None) -> dict[str, str] | None:
    """The search by the ids that the indexer takes, both at once if it takes both; None if neither."""
    ids = {}
    if tmdb_id is not None and mode.supports("tmdbid"):
        ids["tmdbid"] = str(tmdb_id)
    if imdb_id is not None and mode.supports("imdbid"):
        ids["imdbid"] = imdb_id.removeprefix("tt")
    return {"t": "movie", **ids} if ids else None


def _title_query(caps: Caps, *, title: str, year: int | None) -> dict[str, str] | None:
    kinds = {"search": caps.search, "movie": caps.movie_search}
    for kind, mode in kinds.items():
        if mode.supports("q"):
            return {"t": kind, "q": f"{_query_title(title, mode)} {year or ''}".strip()}
    return None


def _query_title(title: str, mode: SearchMode) -> str:
    """The title as the indexer's search wants it: whole for a raw one, else bare words without accents."""
    if mode.is_raw:
        return " ".join(title.replace("+", " ").split())
    letters = unicodedata.normalize("NFD", title.replace("&", " and "))
    plain = unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", letters))
    words = re.sub(r"[^\w]+|_", " ", re.sub(r"['`.\u2019]", "", plain)).split()
    if len(words) > 1 and words[0].lower() == "the":
        words = words[1:]
    return " ".join(words) or title


def _reaches(page: Page, since: LastSeen) -> bool:
    """Whether the page goes back to the release seen last: it is there, or the page ends before it."""
    if since.published_at is None:
        return any(item.guid == since.guid for item in page.items)
    dates = [item.published_at for item in page.items if item.published_at is not None]
    is_there = any(
        item.guid == since.guid and (item.published_at is None or item.published_at <= since.published_at)
        for item in page.items
    )
    return is_there or bool(dates and dates[-1] < since.published_at)


def _newest(items: list[Item], *, asked_at: datetime) -> LastSeen | None:
    """The newest release with a date in the past; later dates are wrong and were made the time of reading."""
    dated = [item for item in items if item.published_at is not None and item.published_at < asked_at]
    if dated:
        newest = max(dated, key=lambda item: item.published_at or asked_at)
        return LastSeen(guid=newest.guid, published_at=newest.published_at)
    return LastSeen(guid=items[0].guid, published_at=None) if items else None
