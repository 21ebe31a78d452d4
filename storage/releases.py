"""Every offer ever seen, one row per indexer and guid, and how far each feed was read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from movies.movie import MovieId, ReleaseId
from movies.offer import IndexerFlag, Offer, Protocol
from storage.database import Connection
from storage.movie_titles import is_number

OFFERED = """indexer, guid, title, protocol, link, magnet, infohash, size_bytes, seeders, leechers, flags, tmdb_id,
    imdb_id, published_at"""
FACTS = f"id, {OFFERED}"
_OFFER = tuple(field.name for field in fields(Offer))


@dataclass(frozen=True, kw_only=True)
class Links:
    """How to get a release's torrent: from its indexer, by magnet, or either."""

    link: str | None
    magnet: str | None


def record(connection: Connection, offers: Sequence[tuple[Offer, Links]]) -> dict[str, tuple[ReleaseId, bool]]:
    """Store offers with their download links; by guid, their ids and whether they were never seen before.

    All offers are of one indexer. One seen again updates its row, because sizes, seeders and links change; that it was
    published stays as it was first told, or a feed whose dates move along would have it delayed for ever.
    """
    by_guid = {offer.guid: _row(offer, links) for offer, links in offers}
    rows = connection.execute(
        f"""insert into releases ({OFFERED}) select {OFFERED} from jsonb_populate_recordset(null::releases, %s)
            order by guid
            on conflict (indexer, guid) do update set title = excluded.title, protocol = excluded.protocol,
                link = excluded.link, magnet = excluded.magnet,
                infohash = coalesce(excluded.infohash, releases.infohash),
                size_bytes = excluded.size_bytes, seeders = excluded.seeders, leechers = excluded.leechers,
                flags = excluded.flags, tmdb_id = excluded.tmdb_id, imdb_id = excluded.imdb_id,
                published_at = least(releases.published_at, excluded.published_at), last_seen_at = now()
            returning id, guid, xmax = 0 as is_new""".encode(),
        (Jsonb(list(by_guid.values())),),
    ).fetchall()
    return {row["guid"]: (ReleaseId(row["id"]), bool(row["is_new"])) for row in rows}


def _row(offer: Offer, links: Links) -> dict[str, Any]:
    at = offer.published_at
    return asdict(offer) | asdict(links) | {"flags": sorted(offer.flags), "published_at": at and at.isoformat()}


def candidates(connection: Connection, movie_id: MovieId) -> list[tuple[dict[str, Any], int]]:
    """Every release ever judged for the movie, with how often a download of it failed."""
    rows = connection.execute(
        f"""select {FACTS}, (select count(*) from downloads where movie_id = %(movie_id)s
                             and release_id = releases.id and state = 'failed') as failures
            from releases where id in (select release_id from verdicts where movie_id = %(movie_id)s)""".encode(),
        {"movie_id": movie_id},
    ).fetchall()
    return [({name: row[name] for name in row if name != "failures"}, int(row["failures"])) for row in rows]


def one(connection: Connection, release_id: ReleaseId) -> dict[str, Any] | None:
    return connection.execute(f"select {FACTS} from releases where id = %s".encode(), (release_id,)).fetchone()


def offer_of(row: Mapping[str, Any]) -> Offer:
    """A stored release as decisions see it."""
    facts = {name: row[name] for name in _OFFER if name in row}
    flags = frozenset(IndexerFlag(flag) for flag in row["flags"])
    return Offer(**facts | {"protocol": Protocol(row["protocol"]), "flags": flags})


def offers(connection: Connection, release_ids: Collection[ReleaseId]) -> dict[ReleaseId, Offer]:
    """Those of these releases that are still known."""
    return {ReleaseId(row["id"]): offer_of(row) for row in without_links(connection, release_ids)}


def without_links(connection: Connection, release_ids: Collection[ReleaseId]) -> list[dict[str, Any]]:
    """The rows of those that are still known; links may carry a passkey."""
    rows = connection.execute(
        f"select {FACTS} from releases where id = any(%s) order by id".encode(), (list(release_ids),)
    ).fetchall()
    return [{name: value for name, value in row.items() if name not in ("link", "magnet")} for row in rows]


def named(connection: Connection, name: str) -> list[dict[str, Any]]:
    """The releases of this name, or whose id or guid it is, whichever indexer has them."""
    return connection.execute(
        f"select {FACTS} from releases where id = %s or guid = %s or lower(title) = lower(%s) order by id".encode(),
        (int(name) if is_number(name) else None, name, name),
    ).fetchall()


def newest_in_feed(connection: Connection, indexer: str) -> tuple[str, datetime | None] | None:
    """Guid and time of the newest release that the indexer's feed showed when it was last read."""
    row = connection.execute("select newest_guid, newest_at from feeds where indexer = %s", (indexer,)).fetchone()
    return (row["newest_guid"], row["newest_at"]) if row and row["newest_guid"] is not None else None


def remember_feed(connection: Connection, indexer: str, *, newest_guid: str | None, newest_at: datetime | None) -> None:
    """The feed was read now, up to this release."""
    connection.execute(
        """insert into feeds (indexer, newest_guid, newest_at) values (%s, %s, %s) on conflict (indexer) do update
           set newest_guid = coalesce(excluded.newest_guid, feeds.newest_guid),
               newest_at = coalesce(excluded.newest_at, feeds.newest_at), synced_at = now()""",
        (indexer, newest_guid, newest_at),
    )


def last_synced_s(connection: Connection, indexer: str) -> float | None:
    """Seconds since the feed was last read, waiting for whoever is just recording that; None if never."""
    row = connection.execute(
        "select extract(epoch from clock_timestamp() - synced_at)::float8 as s from feeds where indexer = %s for share",
        (indexer,),
    ).fetchone()
    return float(row["s"]) if row else None


def take_feed_over(connection: Connection, indexer: str, *, node: str) -> None:
    """The next look at the feed is this node's, also where another one planned it, and waited for its connection."""
    connection.execute(
        """update jobs set node = %s, run_at = case when waiting_for is null then run_at else now() end,
               waiting_for = null
           where unique_key = %s and state = 'ready' and node is distinct from %s""",
        (node, f"rss:{indexer}", node),
    )
