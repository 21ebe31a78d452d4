"""Reaches files below a root without ever following a symbolic link out of it, and lists what is there.

Every folder on the way is opened from the one above it, so that none can be swapped for a link between look and use, as
openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS) would do. The root itself may be reached through links. Standard library
only, for it runs inside a file-system helper.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice

from storage import syscalls
from storage.file_errors import FolderGone, NotRegular, OutsideRoot, reported

StrPath = str | os.PathLike[str]

DEPTH_LIMIT = 64
"""Folders a walk goes down; each holds one descriptor open."""
UNREAD = ("unreadable folder", "too deep")
"""Reasons of a walk that hide files, as against those that pass over what is no file."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name in an open folder; `path` is for messages only."""

    folder: int
    name: str
    path: str

    def stat(self) -> os.stat_result:
        """The regular file's own; anything else raises NotRegular."""
        with reported("look at", self.path):
            found = os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            raise NotRegular(f"look at {self.path}: not a regular file")
        return found

    def is_same_name(self, other: "Entry") -> bool:
        return self.name == other.name and os.path.samestat(os.fstat(self.folder), os.fstat(other.folder))

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The regular file open for reading; a FIFO or device is refused, not waited for."""
        self.stat()  # opening a device can have effects of its own
        with reported("open", self.path):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            file = os.open(self.name, flags, dir_fd=self.folder)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise NotRegular(f"open {self.path}: not a regular file")
            yield file
        finally:
            os.close(file)

    def unlink(self) -> None:
        """Remove the name, if it is there."""
        with reported("remove", self.path), suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self.folder)

    def flush_folder(self) -> None:
        with reported("flush the folder of", self.path):
            syscalls.flush_folder(self.folder)


@contextmanager
def opened_folder(path: StrPath) -> Iterator[int]:
    """An open folder; missing, it is an absent mount as likely as not: FolderGone."""
    with reported("open folder", path, absent=FolderGone):
        folder = os.open(path, _FOLDER)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def entry_of(path: StrPath) -> Iterator[Entry]:
    """A file outside our roots, such as a download's; its folder may be reached through links, itself not."""
    where, name = os.path.split(os.fspath(path))
    with reported("look for", path):
        folder = os.open(where or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Entry(folder=folder, name=name, path=os.fspath(path))
    finally:
        os.close(folder)


@contextmanager
def entry_below(root: StrPath, relative: StrPath) -> Iterator[Entry]:
    """A file below `root`, whose folder must exist; neither need the file."""
    *above, name = parts(root, relative)
    path = os.path.join(root, relative)
    with opened_folder(root) as folder:
        for one in above:
            descend(folder, one, path)
        yield Entry(folder=folder, name=name, path=path)


def parts(root: StrPath, relative: StrPath) -> list[str]:
    """The names on a relative path; one that is absolute or has an empty part, ".", ".." or NUL raises OutsideRoot."""
    names = os.fspath(relative).split("/")
    if any(name in ("", ".", "..") or "\0" in name for name in names):
        raise OutsideRoot(f"{os.fspath(relative)!r} is no plain path below {os.fspath(root)}")
    return names


def descend(folder: int, name: str, path: StrPath) -> None:
    """Make the descriptor `folder` stand for its subfolder `name`; `path` is for messages."""
    with reported("reach", path, absent=FolderGone):
        try:
            below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        except NotADirectoryError as error:
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise OutsideRoot(f"reach {os.fspath(path)}: {name!r} is a symbolic link") from error
            raise
    os.dup2(below, folder, inheritable=False)
    os.close(below)


def walk(folder: int, prefix: str, *, depth: int = 0, limit: int) -> Iterator[tuple[str, os.stat_result | str]]:
    """Every path below an open folder with its regular file's stat, or the reason why it is passed over.

    At most `limit` + 1 entries of one folder are listed, so that memory has a bound.
    """
    with os.scandir(folder) as entries:
        listed = list(islice(entries, limit + 1))
    for entry in listed:
        path = prefix + entry.name
        try:
            if entry.is_symlink():
                yield path, "symbolic link"
            elif entry.is_dir(follow_symlinks=False):
                yield from _walk_subfolder(folder, entry.name, path, depth=depth + 1, limit=limit)
            elif entry.is_file(follow_symlinks=False):
                yield path, entry.stat(follow_symlinks=False)
            else:
                yield path, "not a regular file"
        except FileNotFoundError:
            continue  # gone since it was listed


def _walk_subfolder(
    folder: int, name: str, path: str, *, depth: int, limit: int
) -> Iterator[tuple[str, os.stat_result | str]]:
    if depth > DEPTH_LIMIT:
        yield path, "too deep"
        return
    try:
        below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return
    except OSError:
        yield path, "unreadable folder"
        return
    try:
        yield from walk(below, path + "/", depth=depth, limit=limit)
    finally:
        os.close(below)
