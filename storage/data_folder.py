"""The daemon's own folder: made 0700, locked by one process at a time, and where its secrets lie.

The lock is a `flock` that PostgreSQL inherits: while any process of an earlier daemon still has the cluster open, a new
one is refused, also from another PID namespace, where PostgreSQL's own pid file is blind.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from storage.errors import DataFolderLocked


class DataFolder:
    """`path` and what lies in it. `lock()` comes before anything is started on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock_fd: int | None = None

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def api_socket(self) -> Path:
        return self.path / "run" / "api.sock"

    @property
    def torrents(self) -> Path:
        return self.path / "torrents"

    def lock(self, *, wait_s: float = 10.0, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take the lock, waiting up to `wait_s` for a daemon that is just ending. DataFolderLocked names the holder."""
        self._make()
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    pid = _pid_in(fd)
                    os.close(fd)
                    holder = f"process {pid}" if pid else "another process"
                    raise DataFolderLocked(
                        f"{self.path} is in use by {holder}: stop it, or set another daemon.data_dir", pid=pid
                    ) from None
                sleep(0.05)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self.lock_fd = fd

    def unlock(self) -> None:
        """Release our hold; children that inherited the lock keep theirs until they end."""
        if self.lock_fd is not None:
            os.close(self.lock_fd)
            self.lock_fd = None

    def secret(self, name: str, *, make: Callable[[], str] = lambda: secrets.token_hex(16)) -> str:
        """The secret kept in the file `name` (0600), made on first use: by default 32 hex characters."""
        file = self.path / name
        try:
            return file.read_text().strip()
        except FileNotFoundError:
            pass
        draft = file.with_name(f"{name}.new")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as out:
            value = make()
            out.write(f"{value}\n")
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)  # whole or not at all: half a secret would be used for ever
        return value

    def _make(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.path / "run").mkdir(mode=0o700, exist_ok=True)
        self.torrents.mkdir(mode=0o700, exist_ok=True)


def _pid_in(fd: int) -> int | None:
    text = os.pread(fd, 32, 0).decode(errors="replace").strip()
    return int(text) if text.isdigit() else None
