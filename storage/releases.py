"""Every offer seen and what was thought of it: the decision log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from movies.decision import Offer, Verdict
from movies.movie import MovieId, ReleaseId
from movies.quality import UNKNOWN
from movies.release import Unparsable
from storage.database import Connection

FACTS = "id, indexer, guid, title, link, magnet, infohash, size_bytes, seeders, tmdb_id, imdb_id, published_at"


@dataclass(frozen=True, kw_only=True)
class Links:
    """How to get a release's torrent: from its indexer, by magnet, or either."""

    link: str | None
    magnet: str | None


def record(connection: Connection, offers: Sequence[tuple[Offer, Links]]) -> dict[str, tuple[ReleaseId, bool]]:
    """Store offers with their download links; by guid, their ids and whether they were never seen before.

    All offers are of one indexer. One seen again updates its row, because sizes, seeders and links change.
    """
    ids = {}
    for offer, links in offers:
        row = connection.execute(
            """insert into releases (indexer, guid, title, link, magnet, infohash, size_bytes, seeders, tmdb_id,
                                     imdb_id, published_at)
               values (%(indexer)s, %(guid)s, %(title)s, %(link)s, %(magnet)s, %(infohash)s, %(size_bytes)s,
                       %(seeders)s, %(tmdb_id)s, %(imdb_id)s, %(published_at)s)
               on conflict (indexer, guid) do update set title = excluded.title, link = excluded.link,
                   magnet = excluded.magnet, infohash = coalesce(excluded.infohash, releases.infohash),
                   size_bytes = excluded.size_bytes,
                   seeders = excluded.seeders, tmdb_id = excluded.tmdb_id, imdb_id = excluded.imdb_id,
                   published_at = excluded.published_at, last_seen_at = now()
               returning id, xmax = 0 as is_new""",
            asdict(offer) | asdict(links),
        ).fetchone()
        assert row is not None
        ids[offer.guid] = (ReleaseId(row["id"]), bool(row["is_new"]))
    return ids


def log_verdicts(connection: Connection, movie_id: MovieId, verdicts: Iterable[tuple[ReleaseId, Verdict]]) -> None:
    """What is thought of each release now, with all reasons; replaces what was thought before."""
    for release_id, verdict in verdicts:
        connection.execute(
            """insert into verdicts (movie_id, release_id, is_accepted, quality, reasons) values (%s, %s, %s, %s, %s)
               on conflict (movie_id, release_id) do update set is_accepted = excluded.is_accepted,
                   quality = excluded.quality, reasons = excluded.reasons, decided_at = clock_timestamp()""",
            (
                movie_id,
                release_id,
                verdict.is_accepted,
                UNKNOWN.name if isinstance(verdict.parsed, Unparsable) else verdict.parsed.quality.name,
                Jsonb([asdict(rejection) for rejection in verdict.rejections]),
            ),
        )


def candidates(connection: Connection, movie_id: MovieId) -> list[tuple[dict[str, Any], int]]:
    """Every release ever judged for the movie, with how often a download of it failed."""
    rows = connection.execute(
        f"""select {FACTS}, (select count(*) from downloads where movie_id = %(movie_id)s
                             and release_id = releases.id and state = 'failed') as failures
            from releases where id in (select release_id from verdicts where movie_id = %(movie_id)s)""".encode(),
        {"movie_id": movie_id},
    ).fetchall()
    return [({name: row[name] for name in row if name != "failures"}, int(row["failures"])) for row in rows]


def has_verdict_since(connection: Connection, movie_id: MovieId, since: datetime) -> bool:
    """Whether something was judged for the movie after `since`."""
    row = connection.execute(
        "select from verdicts where movie_id = %s and decided_at > %s limit 1", (movie_id, since)
    ).fetchone()
    return row is not None


def one(connection: Connection, release_id: ReleaseId) -> dict[str, Any] | None:
    return connection.execute(f"select {FACTS} from releases where id = %s".encode(), (release_id,)).fetchone()


def offer_of(row: Mapping[str, Any], *, indexer_priority: int, minimum_seeders: int) -> Offer:
    """A stored release as decisions see it."""
    facts = {name: value for name, value in row.items() if name not in ("id", "link", "magnet")}
    return Offer(**facts, indexer_priority=indexer_priority, minimum_seeders=minimum_seeders)


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
    """The next look at the feed is this node's, also where another one planned it."""
    connection.execute(
        "update jobs set node = %s where unique_key = %s and state = 'ready' and node is distinct from %s",
        (node, f"rss:{indexer}", node),
    )


def judged(connection: Connection, movie_id: MovieId, *, limit: int = 500) -> list[dict[str, Any]]:
    """The decision log of a movie: accepted releases first, then the newest."""
    return connection.execute(
        """select releases.id, indexer, title, size_bytes, seeders, published_at, quality, is_accepted, reasons,
                  decided_at
           from verdicts join releases on releases.id = verdicts.release_id
           where movie_id = %s order by is_accepted desc, releases.id desc limit %s""",
        (movie_id, limit),
    ).fetchall()
