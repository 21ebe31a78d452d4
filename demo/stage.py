"""The demo's stage: everything around the daemon, made for real in one temporary folder.

A film, an indexer that offers it among others, a peer that seeds it, and a configuration that asks for it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from demo.feed import Feed, FeedOffer
from demo.film import make_film
from demo.seeder import Seeder
from storage.embedded import free_port

TITLE, YEAR = "The Understudy", 2026
RELEASE = "The.Understudy.2026.1080p.BluRay.x264-STAGE"
RATE_BYTES_S = 3_000_000

CONFIG = """\
[daemon]
data_dir = "data"
log_format = "json"
debug = true                 # lets the demo crash an actor

[api]
listen = "127.0.0.1:{api_port}"

[breaker]                    # quick, because this is a demo
window = 2
minimum_calls = 2
wait = "1s"

[[roots]]
path = "library"
min_free = "1MiB"

[[indexers]]
name = "open-movies"
url = "{feed_url}"
rss_interval = "1s"
limits = {{ every = "100ms" }}

[[download_clients]]
name = "builtin"
type = "builtin"
download_dir = "downloads"
bind = "lo"
port = {torrent_port}
poll_interval = "250ms"

[wanted.hd]
titles = ["{title} ({year})"]
"""


@dataclass
class Stage:
    """`feed` and `seeder` run until `close()`."""

    folder: Path
    feed: Feed
    seeder: Seeder

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def close(self) -> None:
        self.seeder.close()
        self.feed.stop()


def set_stage(folder: Path) -> Stage:
    """Make the film, seed it, serve the feed and write the configuration."""
    film = folder / "seed" / f"{RELEASE}.mkv"
    film.parent.mkdir()
    make_film(film, title=f"{TITLE} ({YEAR})")
    seeder = Seeder(film, upload_limit_bytes_s=RATE_BYTES_S)
    feed = Feed(offers(seeder, film))
    feed.start()
    torrent_port, api_port = free_port(), free_port()
    seeder.keep_dialing(torrent_port)
    text = CONFIG.format(feed_url=feed.url, torrent_port=torrent_port, api_port=api_port, title=TITLE, year=YEAR)
    (folder / "config.toml").write_text(text)
    return Stage(folder=folder, feed=feed, seeder=seeder)


def offers(seeder: Seeder, film: Path) -> list[FeedOffer]:
    """The film, and three that must not be taken: a worse quality, a screener, another film of that name."""
    torrent = seeder.torrent(film)
    right = FeedOffer(title=RELEASE, guid="right", size_bytes=film.stat().st_size, torrent=torrent, seeders=3)
    wrong = {
        "The.Understudy.2026.720p.WEB-DL.H264-STAGE": "worse",
        "The.Understudy.2026.HDCAM.x264-STAGE": "cam",
        "The.Understudy.1998.1080p.BluRay.x264-STAGE": "other",
    }
    return [
        FeedOffer(title=title, guid=guid, size_bytes=film.stat().st_size, magnet=_magnet(), seeders=200)
        for title, guid in wrong.items()
    ] + [right]


def _magnet() -> str:
    return f"magnet:?xt=urn:btih:{os.urandom(20).hex()}"
