"""The world around the daemon: a film, an indexer that offers it, a peer that seeds it, and each download client."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.feed import Feed, FeedOffer
from demo.film import make_film
from demo.seeder import Seed, Seeder
from storage.embedded import EmbeddedPostgres, free_port
from tests.pipeline.daemon import BUILTIN, INDEXER, QBITTORRENT
from tests.postgres import add_template, postgres_server
from tests.qbittorrent_server import PASSWORD, USERNAME, qbittorrent_server

GOOD = "Sintel.2010.1080p.BluRay.x264-GOOD"
WORSE = "Sintel.2010.720p.BluRay.x264-WORSE"


@dataclass
class World:
    """`feed` is served and `seeder` seeds what `release` makes, until the test ends."""

    folder: Path
    feed: Feed
    seeder: Seeder

    def release(self, name: str = GOOD, *, seconds: int = 60, is_private: bool = False) -> Seed:
        """A film under this release name, seeded; not offered yet."""
        path = self.folder / "seed" / f"{name}.mkv"
        path.parent.mkdir(exist_ok=True)
        make_film(path, title=name, duration_s=seconds, width=640, height=360)
        return self.seeder.seed(path, is_private=is_private)

    def offer(
        self,
        seed: Seed,
        *,
        guid: str | None = None,
        torrent: bytes | None = None,
        seeders: int = 10,
        imdb_id: str | None = None,
        title: str | None = None,
        download_status: int = 200,
    ) -> None:
        """Put it first in the feed."""
        name = title or seed.path.stem
        self.feed.offers.insert(
            0,
            FeedOffer(
                title=name,
                guid=guid or name,
                size_bytes=seed.size_bytes,
                torrent=torrent or seed.torrent,
                seeders=seeders,
                imdb_id=imdb_id,
                download_status=download_status,
            ),
        )

    def limit_rate(self, bytes_s: int) -> None:
        self.seeder.limit_rate(bytes_s)

    @property
    def indexer(self) -> str:
        """The configuration of the indexer."""
        return INDEXER.format(name="open-movies", url=self.feed.url)


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, which it may stop and start."""
    with postgres_server(tmp_path / "postgres") as server:
        add_template(server)
        yield server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Seeder() as seeder, Feed([]) as feed:
        yield World(folder=tmp_path, feed=feed, seeder=seeder)


Client = Callable[[], AbstractContextManager[str]]


@pytest.fixture(params=["builtin", "qbittorrent"])
def client(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Iterator[str]:
    """The configuration of each download client in turn, a real one; the seeder dials it."""
    with (builtin if request.param == "builtin" else qbittorrent)(world, tmp_path) as config:
        yield config


@dataclass(frozen=True)
class Undialed:
    """A download client that no peer knows yet; `port` is where it listens for them."""

    config: str
    port: int


@pytest.fixture(params=["builtin", "qbittorrent"])
def undialed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Undialed]:
    """Each download client in turn, without a peer until the test has the seeder dial it."""
    if request.param == "builtin":
        port = free_port()
        yield Undialed(BUILTIN.format(port=port), port)
        return
    profile = tmp_path / "qbittorrent"
    profile.mkdir()
    with qbittorrent_server(profile) as server:
        config = QBITTORRENT.format(url=server.url, username=USERNAME, password=PASSWORD)
        yield Undialed(config, server.listen_port)


@pytest.fixture
def builtin_client(world: World, tmp_path: Path) -> Iterator[str]:
    with builtin(world, tmp_path) as config:
        yield config


@contextmanager
def builtin(world: World, folder: Path) -> Iterator[str]:
    port = free_port()
    world.seeder.keep_dialing(port)
    try:
        yield BUILTIN.format(port=port)
    finally:
        world.seeder.stop_dialing(port)


@contextmanager
def qbittorrent(world: World, folder: Path) -> Iterator[str]:
    profile = folder / "qbittorrent"
    profile.mkdir()
    with qbittorrent_server(profile) as server:
        world.seeder.keep_dialing(server.listen_port)
        yield QBITTORRENT.format(url=server.url, username=USERNAME, password=PASSWORD)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, where root may mount one."""
    folder = tmp_path / "run" / "library"
    folder.mkdir(parents=True)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]).returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], capture_output=True)  # the test may have done so
