"""Rows that several storage tests begin with."""

from movies.format_facts import FormatFacts
from movies.movie import DownloadId, MovieId, ReleaseId
from movies.offer import Offer
from movies.quality import Revision, quality_named
from storage import downloads, imports, releases
from storage.database import Connection
from storage.files import Identity
from storage.releases import Links

RELEASE = "Sintel.2010.1080p.BluRay.x264-DURIAN"
INFOHASH = "6a9759bffd5c0af65319979fb7832189f4f3c35d"


def add_release(connection: Connection, title: str = RELEASE, *, infohash: str = INFOHASH) -> ReleaseId:
    """A release as the indexer "one" offered it."""
    offer = Offer(indexer="one", guid=title, title=title, infohash=infohash)
    found = releases.record(connection, [(offer, Links(link=f"http://127.0.0.1/{title}", magnet=None))])
    return found[title][0]


def intend(
    connection: Connection,
    movie_id: MovieId,
    *,
    title: str = RELEASE,
    infohash: str = INFOHASH,
    quality: str = "Bluray-1080p",
    attempt: int = 1,
    facts: FormatFacts | None = None,
) -> DownloadId | None:
    """The intent to grab a release with the client "builtin" of the node "here"."""
    return downloads.intend(
        connection,
        movie_id=movie_id,
        release_id=add_release(connection, title, infohash=infohash),
        node="here",
        client="builtin",
        infohash=infohash,
        title=title,
        quality=quality_named(quality),
        revision=Revision(version=2),
        facts=facts,
        torrent=b"d8:announce0:e",
        magnet=None,
        attempt=attempt,
        size_bytes=1000,
        seed_ratio=1.0,
        seed_time_s=None,
        correlation_id="c",
    )


def import_film(
    connection: Connection,
    movie_id: MovieId,
    download_id: DownloadId,
    *,
    title: str = RELEASE,
    facts: FormatFacts | None = None,
) -> None:
    """The movie's file is from this download."""
    imports.done(
        connection,
        download_id,
        movie_id=movie_id,
        path="/library/Sintel (2010)/Sintel (2010).mkv",
        identity=Identity(device=1, inode=2, size_bytes=1000, mtime_ns=4),
        method="hardlink",
        quality="WEBDL-1080p",
        revision={"version": 2, "real": 0},
        release_title=title,
        facts=facts.as_json() if facts else None,
    )
