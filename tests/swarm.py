"""A swarm of one: a film of random bytes is seeded on loopback for the client under test."""

import os
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clients.download_client import ClientDownload, DownloadClient, SeedGoal
from demo.seeder import Seed, Seeder
from tests.until import until

REPOSITORY = Path(__file__).parents[1]

FOREVER = SeedGoal()


@dataclass(frozen=True, kw_only=True)
class Swarm:
    seeder: Seeder
    seed: Seed
    """What is seeded; its torrent and magnet are for the client under test."""

    @property
    def film(self) -> bytes:
        return self.seed.path.read_bytes()


@contextmanager
def swarm(
    folder: Path,
    *,
    name: str = "Sintel.2010.1080p.mkv",
    size_bytes: int = 1_000_000,
    upload_limit_bytes_s: int = 0,
    is_private: bool = False,
) -> Iterator[Swarm]:
    """Seeds `folder/seed/name`, made here unless it is there. Equal name and size give equal bytes."""
    path = folder / "seed" / name
    if not path.exists():
        make_film(path, size_bytes)
    with Seeder(upload_limit_bytes_s=upload_limit_bytes_s) as seeder:
        yield Swarm(seeder=seeder, seed=seeder.seed(path, is_private=is_private))


def make_film(path: Path, size_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(path.name).randbytes(size_bytes))


def add(client: DownloadClient, seed: Seed, *, goal: SeedGoal = FOREVER, by_magnet: bool = False) -> None:
    client.add(
        infohash=seed.infohash,
        torrent=None if by_magnet else seed.torrent,
        magnet=seed.magnet if by_magnet else None,
        save_name="Sintel (2010)",
        seed_goal=goal,
    )


def once(
    client: DownloadClient, condition: Callable[[ClientDownload], bool], timeout_s: float = 15.0
) -> ClientDownload:
    """The only download, once `condition` is true of it."""
    (download,) = until(lambda: [found for found in client.downloads() if condition(found)], timeout_s=timeout_s)
    return download


def spawn(argv: Sequence[str], *, pass_fds: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    """Starts a process of ours from anywhere, as the daemon's main thread would."""
    return subprocess.Popen(argv, pass_fds=pass_fds, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
