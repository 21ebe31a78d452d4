"""Offers: one release as an indexer offers it, and what is agreed with that indexer."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from movies.title import clean_title


class Protocol(StrEnum):
    """How a release is downloaded."""

    TORRENT = "torrent"
    USENET = "usenet"


class IndexerFlag(StrEnum):
    """What an indexer says of a release beside its name."""

    FREELEECH = "freeleech"
    HALFLEECH = "halfleech"
    DOUBLE_UPLOAD = "double_upload"
    INTERNAL = "internal"
    SCENE = "scene"
    NUKED = "nuked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """One release as an indexer offers it; `None` is unknown. `infohash` is lower-case hex.

    Ids of 0 or without digits count as unknown. `leechers` are not among the `seeders`.
    """

    indexer: str
    guid: str
    title: str
    protocol: Protocol = Protocol.TORRENT
    size_bytes: int | None = None
    seeders: int | None = None
    leechers: int | None = None
    published_at: datetime | None = None
    infohash: str | None = None
    tmdb_id: int | None = None
    imdb_id: str | None = None
    flags: frozenset[IndexerFlag] = frozenset()


@dataclass(frozen=True, kw_only=True)
class IndexerTerms:
    """What decisions must know of an indexer.

    `priority` runs from 1 to 50, lower is better. Of `required_flags` a release needs one. An indexer with `tags`
    serves only movies that have one of them.
    """

    priority: int = 25
    minimum_seeders: int = 1
    required_flags: frozenset[IndexerFlag] = frozenset()
    tags: frozenset[str] = frozenset()


def release_key(title: str) -> str:
    """Return the key under which a release's name is remembered: one for all spellings of separators."""
    return clean_title(title)


def blocklist_keys(
    *,
    title: str,
    infohash: str | None = None,
    indexer: str | None = None,
    protocol: Protocol = Protocol.TORRENT,
    published_at: datetime | None = None,
) -> frozenset[str]:
    """Return the keys that keep a failed release out: its hash, and its name at this indexer (torrent) or of this time.

    Without the indexer (or, for Usenet, the time) the name alone keeps out every release of that name.
    """
    name, place = release_key(title), indexer if protocol is Protocol.TORRENT else _minute(published_at)
    keys = {name if place is None else f"{name}@{place}"}
    if infohash:
        keys.add(infohash.lower())
    return frozenset(keys)


def _minute(at: datetime | None) -> str | None:
    """Indexers disagree about the seconds of a post."""
    return None if at is None else f"{at.timestamp() // 60:.0f}"
