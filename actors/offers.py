"""What an indexer answered, as decisions see it."""

from collections.abc import Iterable

from clients.torznab_feed import Item
from movies.movie import MovieId
from movies.offer import Offer
from movies.release import ParsedRelease, Unparsable, parse_release
from movies.verdict import Verdict
from storage import movies
from storage.database import Connection
from storage.releases import Links

Parsed = tuple[Offer, ParsedRelease | Unparsable]


def read_items(items: Iterable[Item]) -> tuple[list[Parsed], dict[str, Links]]:
    """The offers with their names read, and by guid how to get each; a guid counts once."""
    offers: dict[str, Parsed] = {}
    links: dict[str, Links] = {}
    for item in items:
        offers[item.guid] = offer_of(item), parse_release(item.title)
        links[item.guid] = Links(link=item.link, magnet=item.magnet)
    return list(offers.values()), links


def offer_of(item: Item) -> Offer:
    return Offer(
        indexer=item.indexer,
        guid=item.guid,
        title=item.title,
        size_bytes=item.size_bytes,
        seeders=item.seeders,
        leechers=None if item.peers is None else max(0, item.peers - (item.seeders or 0)),
        published_at=item.published_at,
        infohash=item.infohash,
        tmdb_id=item.tmdb_id,
        imdb_id=item.imdb_id,
        flags=item.flags,
    )


def name_movie(connection: Connection, movie_id: MovieId, verdicts: Iterable[Verdict]) -> None:
    """A movie known by a bare id takes title and year of the first release that was accepted for it."""
    for verdict in verdicts:
        if verdict.is_accepted and isinstance(verdict.parsed, ParsedRelease):
            movies.name_if_unnamed(connection, movie_id, title=verdict.parsed.title, year=verdict.parsed.year)
            return
