"""The offers in a Torznab feed, read with the forgiveness that feeds in the wild need.

An odd field becomes None. An item without a title, or with nothing to fetch a torrent from, is
skipped and counted; only a document that is no feed at all raises.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from lxml import etree

from clients.errors import BadAnswer, BadAnswerReason
from clients.metainfo import Magnet, normal_infohash, parse_magnet
from movies.offer import IndexerFlag

MAX_ITEMS = 5_000
MAX_TITLE_CHARACTERS = 512
MAX_GUID_BYTES = 512  # it is a key of an index, and PostgreSQL bounds those in bytes
MAX_TEXT_CHARACTERS = 8_192
MAX_CATEGORIES = 50
SMALLEST_FILM_BYTES = 1024 * 1024  # a shorter enclosure is as long as the .torrent file itself
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
CATEGORY_IDS = {
    "movies": 2000,
    "movies/foreign": 2010,
    "movies/other": 2020,
    "movies/sd": 2030,
    "movies/hd": 2040,
    "movies/uhd": 2045,
    "movies/bluray": 2050,
    "movies/3d": 2060,
    "movies/dvd": 2070,
    "movies/web-dl": 2080,
    "movies/x265": 2090,
}

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_WHOLE_NUMBER = re.compile(r"(\d{1,19})(?:\.\d{1,9})?", re.A)
_DECIMAL = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.A)
_SIZE_IN_TEXT = re.compile(r"(?<![\w.,-])(\d[\d,]{0,14}(?:\.\d{1,3})?)\s?([KMGT])i?B(?![\w/])", re.I | re.A)
_UNIT_BYTES = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_ZONE_NAME = re.compile(r"\s+\(?[A-Za-z]{1,5}\)?$")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One release offered by an indexer; None where it does not say, or says nonsense."""

    indexer: str
    guid: str  # at most 512 bytes of UTF-8; sha256:... in place of a longer one
    title: str  # one line, at most 512 characters
    link: str | None  # http or https, absolute; may carry a passkey
    magnet: str | None  # without peers and web seeds
    infohash: str | None  # 40 lower hex digits
    size_bytes: int | None
    seeders: int | None
    peers: int | None  # seeders and leechers
    published_at: datetime | None  # UTC, never later than the answer
    tmdb_id: int | None
    imdb_id: str | None  # tt0133093
    year: int | None
    categories: tuple[int, ...]
    flags: frozenset[IndexerFlag]
    minimum_ratio: float | None
    minimum_seed_time_s: int | None
    details_url: str | None


@dataclass(frozen=True, kw_only=True)
class Page:
    """One answer: `size` items were on it, `skipped` of them were of no use."""

    items: tuple[Item, ...]
    skipped: int
    size: int


def read_page(root: etree._Element, *, indexer: str, base_url: str, now: datetime) -> Page:
    """The offers of an `<rss>` document, at most 5,000; links are resolved against `base_url`."""
    channel = root.find("channel")
    if local_name(root) != "rss" or channel is None:
        raise BadAnswer(f"the answer is <{root.tag[:50]}> and no feed", reason=BadAnswerReason.WRONG_ROOT)
    elements = channel.findall("item")
    read = (_read_item(_Fields(element, base_url), indexer, now) for element in elements[:MAX_ITEMS])
    items = tuple(item for item in read if item is not None)
    return Page(items=items, skipped=len(elements) - len(items), size=len(elements))


def _read_item(fields: "_Fields", indexer: str, now: datetime) -> Item | None:
    title = one_line(fields.text("title"), most=MAX_TITLE_CHARACTERS)
    magnet = fields.magnet()
    link = fields.link()
    if not title or fields.is_usenet() or not (link or magnet):
        return None
    infohash = normal_infohash(fields.attribute("infohash")) or (magnet.infohash if magnet else None)
    details_url = fields.url(fields.text("comments")) or fields.permalink()
    guid = one_line(fields.text("guid"), most=MAX_TEXT_CHARACTERS) or infohash or details_url or link or title
    seeders = fields.count("seeders")
    leechers = fields.count("leechers")
    peers = fields.count("peers")
    return Item(
        indexer=indexer,
        guid=_bounded(guid),
        title=title,
        link=link,
        magnet=magnet.uri if magnet else None,
        infohash=infohash,
        size_bytes=fields.size_bytes(),
        seeders=seeders,
        peers=peers if peers is not None or leechers is None else leechers + (seeders or 0),
        published_at=read_date(fields.text("pubdate"), now=now),
        tmdb_id=fields.count("tmdbid") or fields.count("tmdb") or None,
        imdb_id=_imdb_id(fields.attribute("imdbid") or fields.attribute("imdb")),
        year=_year(fields.count("year"), now),
        categories=fields.categories(),
        flags=fields.flags(),
        minimum_ratio=fields.decimal("minimumratio"),
        minimum_seed_time_s=fields.count("minimumseedtime"),
        details_url=details_url,
    )


class _Fields:
    """An `<item>` taken apart: texts by tag, values of `attr` by name, enclosures."""

    def __init__(self, element: etree._Element, base_url: str) -> None:
        self._base_url = urlsplit(base_url)._replace(query="", fragment="").geturl()  # the query has the API key
        self._texts: dict[str, str] = {}
        self._attributes: dict[str, str] = {}
        self._categories: list[str] = []
        self._tags: set[str] = set()
        self._enclosures: list[tuple[str, str, str]] = []  # url, type, length
        for child in element:
            name = local_name(child)
            text = child.text or ""
            if name == "attr":
                self._add_attribute(child.get("name", "").lower(), child.get("value", ""))
            elif name == "enclosure":
                self._enclosures.append((child.get("url", ""), child.get("type", "").lower(), child.get("length", "")))
            elif name == "category":
                self._categories.append(text)
            else:
                self._texts.setdefault(name, text)

    def _add_attribute(self, name: str, value: str) -> None:
        if name == "category":
            self._categories.append(value)
        elif name == "tag":
            self._tags.add(value.strip().lower())
        else:
            self._attributes.setdefault(name, value)

    def text(self, tag: str) -> str:
        return self._texts.get(tag, "")

    def attribute(self, name: str) -> str:
        return self._attributes.get(name, "").strip()

    def count(self, name: str) -> int | None:
        number = _whole_number(self.attribute(name))
        return number if number is not None and number < 2**31 else None

    def decimal(self, name: str) -> float | None:
        text = self.attribute(name)
        return float(text) if _DECIMAL.fullmatch(text) else None

    def url(self, text: str) -> str | None:
        """The absolute http or https address; None for anything else."""
        text = text.strip()
        if not text or len(text) > MAX_TEXT_CHARACTERS or _CONTROL.search(text):
            return None
        try:
            absolute = urljoin(self._base_url, text)
            is_web = urlsplit(absolute).scheme in ("http", "https") and bool(urlsplit(absolute).hostname)
        except ValueError:
            return None
        return absolute if is_web else None

    def permalink(self) -> str | None:
        """The guid where it is a whole address."""
        return self.url(self.text("guid")) if self.text("guid").lstrip().startswith(("http://", "https://")) else None

    def is_usenet(self) -> bool:
        """Whether there are enclosures and all of them are NZB files."""
        return bool(self._enclosures) and all(map(_is_nzb, self._enclosures))

    def _addresses(self) -> Iterator[str]:
        """Where the torrent may be, the best first: `<link>` is a web page where there is an enclosure."""
        torrents = [enclosure for enclosure in self._enclosures if not _is_nzb(enclosure)]
        yield from (url for url, _, _ in sorted(torrents, key=lambda found: "bittorrent" not in found[1]))
        yield self.text("link")

    def link(self) -> str | None:
        return next((url for url in map(self.url, self._addresses()) if url), None)

    def magnet(self) -> Magnet | None:
        for text in (self.attribute("magneturl"), *self._addresses(), self.text("guid")):
            if text.lstrip()[:7].lower() == "magnet:":
                try:
                    return parse_magnet(text)
                except BadAnswer:
                    continue
        return None

    def size_bytes(self) -> int | None:
        for text in (self.attribute("size"), self.text("size")):
            size_bytes = _whole_number(text.strip()) or _size_in(text)
            if size_bytes:
                return size_bytes
        lengths = [_whole_number(length.strip()) or 0 for _, _, length in self._enclosures]
        longest = max(lengths, default=0)
        return longest if longest >= SMALLEST_FILM_BYTES else _size_in(self.text("description"))

    def flags(self) -> frozenset[IndexerFlag]:
        """What the tags and the numbers that stand for the same tell."""
        download, upload = self.decimal("downloadvolumefactor"), self.decimal("uploadvolumefactor")
        told = {
            IndexerFlag.FREELEECH: download == 0,
            IndexerFlag.HALFLEECH: download == 0.5,
            IndexerFlag.DOUBLE_UPLOAD: upload is not None and upload >= 2,
            IndexerFlag.SCENE: "1" in (self.attribute("prematch"), self.attribute("haspretime")),
            IndexerFlag.NUKED: self.attribute("nuked") == "1",
        }
        return frozenset(flag for flag in IndexerFlag if told.get(flag) or flag.value in self._tags)

    def categories(self) -> tuple[int, ...]:
        found = (_category_id(text) for text in self._categories[:MAX_CATEGORIES])
        return tuple(dict.fromkeys(number for number in found if number is not None))


def local_name(element: etree._Element) -> str:
    """The tag without namespace or prefix, in lower case."""
    return element.tag.rpartition("}")[2].rpartition(":")[2].lower()


def one_line(text: str, *, most: int) -> str:
    """The text as one line of at most `most` characters, without control characters."""
    return " ".join(_CONTROL.sub(" ", text[:MAX_TEXT_CHARACTERS]).split())[:most].rstrip()


def read_date(text: str, *, now: datetime) -> datetime | None:
    """RFC 1123 or ISO 8601, in UTC where no known zone is given; a future date counts as `now`."""
    text = text.strip()[:100]
    readers: tuple[Callable[[str], datetime], ...] = (datetime.fromisoformat, parsedate_to_datetime)
    for candidate in (text, _ZONE_NAME.sub("", text)):
        for read in readers:
            try:
                date = read(candidate)
                date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
            except (ValueError, OverflowError):
                continue
            return min(date, now) if date >= EARLIEST else None
    return None


def _bounded(guid: str) -> str:
    """The guid, or where it is too long its digest, which stands for the same release just as well."""
    encoded = guid.encode()
    return guid if len(encoded) <= MAX_GUID_BYTES else f"sha256:{hashlib.sha256(encoded).hexdigest()}"


def _is_nzb(enclosure: tuple[str, str, str]) -> bool:
    url, kind, _ = enclosure
    return "nzb" in kind or (not kind and url.partition("?")[0].lower().endswith(".nzb"))


def _whole_number(text: str) -> int | None:
    found = _WHOLE_NUMBER.fullmatch(text)
    return int(found[1]) if found and int(found[1]) < 2**63 else None


def _size_in(text: str) -> int | None:
    """Bytes from a text such as "Size: 1.366GB" or "7,162,100.0KB", in binary units."""
    found = _SIZE_IN_TEXT.search(text[:MAX_TEXT_CHARACTERS])
    if found is None:
        return None
    size_bytes = math.floor(float(found[1].replace(",", "")) * _UNIT_BYTES[found[2].lower()])
    return size_bytes if 0 < size_bytes < 2**63 else None


def _imdb_id(text: str) -> str | None:
    found = re.fullmatch(r"(?:tt)?0*([1-9][0-9]{0,9})", text.lower())
    return f"tt{found[1].zfill(7)}" if found else None


def _year(year: int | None, now: datetime) -> int | None:
    return year if year is not None and 1870 <= year <= now.year + 10 else None


def _category_id(text: str) -> int | None:
    name = text.strip().lower()[:100]
    if re.fullmatch(r"[0-9]{1,9}", name):
        return int(name)
    return CATEGORY_IDS.get(re.sub(r"\s*[/>]\s*", "/", name))
