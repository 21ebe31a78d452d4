"""What every download client is to the rest of the daemon: one protocol, and the values it speaks in."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ClientState(StrEnum):
    """Where a download stands in its client; the client's own words are mapped to these."""

    QUEUED = "queued"
    """Waiting for a slot, or its files are being checked."""
    METADATA = "metadata"
    """A magnet whose torrent file has not come yet: neither name, size nor files are certain."""
    DOWNLOADING = "downloading"
    STALLED = "stalled"
    """Wants data and gets none at this moment; normal for seconds, whether it is for good is the caller's to judge."""
    PAUSED = "paused"
    """Stopped before it was complete, by a person or because the client may not use the network."""
    COMPLETED = "completed"
    """Every byte is in place, whether it is still seeding or not."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class SeedGoal:
    """How long to seed: until either limit is reached. Both None: no rule of ours, the client's own settings hold."""

    ratio: float | None = None
    """Uploaded bytes by downloaded bytes."""
    time_s: int | None = None

    def is_reached(self, *, ratio: float, seeding_time_s: int) -> bool:
        by_ratio = self.ratio is not None and ratio >= self.ratio
        return by_ratio or (self.time_s is not None and seeding_time_s >= self.time_s)


@dataclass(frozen=True, kw_only=True)
class ClientDownload:
    """One torrent as its client lists it."""

    infohash: str
    """40 lower-case hexadecimal digits: version 1 where the torrent has one, else version 2 cut to that length."""
    name: str
    state: ClientState
    size_bytes: int
    """0 while a magnet has no metadata."""
    done_bytes: int
    rate_bytes_s: int
    eta_s: int | None
    """None when unknown."""
    ratio: float
    seeding_time_s: int
    save_path: str
    content_path: str | None
    """The file, or the folder of a torrent with several; None while unknown."""
    error: str | None
    """What a person should read, whatever the state."""
    category: str | None
    is_seed_goal_reached: bool
    is_private: bool


@dataclass(frozen=True, kw_only=True)
class PathMapping:
    """A folder as the client names it, and the same folder as this machine names it."""

    remote: str
    local: str


def local_path(path: str, mappings: Iterable[PathMapping]) -> str:
    """`path` of the client as a path of this machine; the longest `remote` that holds it wins."""
    for mapping in sorted(mappings, key=lambda mapping: len(mapping.remote), reverse=True):
        remote = mapping.remote.rstrip("/\\")
        rest = path[len(remote) :]
        if path.startswith(remote) and (not rest or rest[0] in "/\\"):
            return mapping.local.rstrip("/") + (rest.replace("\\", "/") if "\\" in mapping.remote else rest)
    return path


class DownloadClient(Protocol):
    """A program that downloads torrents. Every method may raise the errors of `clients.errors`."""

    @property
    def name(self) -> str: ...

    def add(
        self,
        *,
        infohash: str,
        torrent: bytes | None,
        magnet: str | None,
        save_name: str,
        seed_goal: SeedGoal,
    ) -> None:
        """Have the torrent downloaded; it is listed when this returns. One that is already there is adopted.

        Either `torrent` (the file's bytes) or `magnet` is given. `save_name` names a magnet until its metadata comes.
        """

    def downloads(self, also: frozenset[str] = frozenset()) -> list[ClientDownload]:
        """Everything in our category, and the infohashes in `also` whatever their category, by one list call."""

    def files(self, infohash: str) -> list[tuple[str, int]]:
        """(path relative to `save_path`, size in bytes) of each file; empty before the metadata. Gone if not there."""

    def remove(self, infohash: str, *, with_data: bool) -> None:
        """Forget the torrent and, `with_data`, delete its files. One that is not there is no error.

        One that is not ours is left alone, and its files with it, also when we followed it by its infohash.
        """

    def test(self) -> str:
        """The client's version, once it has been reached, accepted us, and may use the network."""

    def close(self) -> None:
        """Let go of connections and processes; downloads stay as they are."""
