"""A backup as a file: it gets its name when it is whole and on the disk, and ends in a checksum of itself.

The checksum follows what pg_dump wrote, which pg_restore does not read to the end of the file: its own tools take the
file as it is. Of a killed backup a draft may remain; its lock tells it from one that is being written.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from storage.file_errors import FolderGone, TargetExists, reported
from storage.syscalls import flush_folder, rename_new

PARTIAL = ".partial"
CHUNK_BYTES = 1024 * 1024
_SEAL_BEGIN = "\nunderstudy-backup"
_SEAL = _SEAL_BEGIN + " sha256 {}\n"
_SEAL_BYTES = len(_SEAL.format("0" * 64))
_SEALED = re.compile(_SEAL.format("([0-9a-f]{64})").encode())


@contextlib.contextmanager
def whole_or_not_at_all(target: Path) -> Iterator[int]:
    """A descriptor to write to; the file appears as `target` when the block has succeeded, and never before.

    Raises TargetExists, FolderGone, NoSpace or another FileError.
    """
    with reported("back up to", target, absent=FolderGone):
        if os.path.lexists(target):
            raise TargetExists(f"back up to {target}: there is a file already, and it is not replaced")
        file, draft = tempfile.mkstemp(prefix=f".{target.name}.", suffix=PARTIAL, dir=target.parent)
    try:
        with contextlib.suppress(OSError):  # where no locks are to be had, nobody deletes it either
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file
        with reported("back up to", target):
            os.fsync(file)
            folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                rename_new(os.path.basename(draft), target.name, source_folder=folder, target_folder=folder)
                flush_folder(folder)
            finally:
                os.close(folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        raise
    finally:
        os.close(file)


def remove_abandoned(folder: Path) -> None:
    """Delete the drafts that killed backups left in `folder`; those still being written hold a lock."""
    for path in folder.glob(f".*{PARTIAL}"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def seal(file: int) -> None:
    """Append the checksum. Raises OSError."""
    size_bytes = os.fstat(file).st_size
    text = _SEAL.format(_checksum(file, size_bytes)).encode()
    written = os.pwrite(file, text, size_bytes)
    while written < len(text):
        written += os.pwrite(file, text[written:], size_bytes + written)


def is_intact(file: int) -> bool:
    """False for a checksum that does not match; a file without one, by pg_dump alone or cut short, may be whole."""
    size_bytes = os.fstat(file).st_size - _SEAL_BYTES
    end = os.pread(file, _SEAL_BYTES, max(size_bytes, 0))
    found = _SEALED.fullmatch(end)
    if found is None:
        return _SEAL_BEGIN.encode() not in end
    return found[1].decode() == _checksum(file, size_bytes)


def _checksum(file: int, size_bytes: int) -> str:
    """SHA-256 of the first `size_bytes`, in hexadecimal digits."""
    digest, at = hashlib.sha256(), 0
    while at < size_bytes:
        data = os.pread(file, min(CHUNK_BYTES, size_bytes - at), at)
        if not data:
            break
        digest.update(data)
        at += len(data)
    return digest.hexdigest()
