"""What survives the torrent session: one file a torrent with libtorrent's resume data and our own facts beside it.

A file is complete or not there: it is written under another name, synced, and renamed. One that cannot be read is kept
as `.bad` and said, and the other torrents are restored.
"""

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import libtorrent as lt

from clients.download_client import SeedGoal
from clients.errors import Unavailable

SUFFIX = ".resume"
OUR_KEY = b"understudy"
"""libtorrent ignores keys of the resume dictionary it does not know."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One torrent as it is found again after a restart."""

    infohash: str
    name: str
    seed_goal: SeedGoal
    is_complete: bool = False
    is_seed_goal_reached: bool = False
    refusal: str | None = None
    """Why it was taken out of the session for good; such a record has no resume data."""


class ResumeFolder:
    """The state folder, made and locked. Unavailable where it cannot be used or another session holds it."""

    def __init__(self, path: str, *, lock_timeout_s: float = 4.0) -> None:
        """Waits for the lock: the session of a daemon that was just killed needs a moment to end."""
        self.path = Path(path)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"state folder cannot be used: {error}") from error
        give_up_at = time.monotonic() + lock_timeout_s
        while not self._has_lock():
            if time.monotonic() > give_up_at:
                raise Unavailable(f"another torrent session holds the state folder {path}")
            time.sleep(0.05)

    def write(self, record: Record, params: lt.add_torrent_params | None) -> None:
        """Replace the torrent's file; `params` None only for a refused one. OSError where the disk does not take it."""
        ours = json.dumps(asdict(record)).encode()
        entry = lt.write_resume_data(params) if params else {}
        final = self._file(record.infohash)
        fresh = final.with_suffix(".new")
        with open(fresh, "wb") as file:
            file.write(lt.bencode({**entry, OUR_KEY: ours}))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(final)
        self._sync()

    def delete(self, infohash: str) -> None:
        self._file(infohash).unlink(missing_ok=True)
        self._sync()

    def read_all(self) -> Iterator[tuple[Record, lt.add_torrent_params | None]]:
        for file in sorted(self.path.glob(f"*{SUFFIX}")):
            try:
                data = file.read_bytes()
                ours = json.loads(_ours(lt.bdecode(data)))
                record = Record(**{**ours, "seed_goal": SeedGoal(**ours["seed_goal"])})
                yield record, None if record.refusal else lt.read_resume_data(data)
            except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
                print(f"resume data set aside: {file}: {error}", file=sys.stderr)
                file.rename(file.with_suffix(".bad"))

    def _file(self, infohash: str) -> Path:
        return self.path / f"{infohash}{SUFFIX}"

    def _has_lock(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _sync(self) -> None:
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _ours(entry: Any) -> Any:
    return entry[OUR_KEY]
