"""What can go wrong with files: one class per decision that an import can take.

FileError
├── SourceGone      the file is not there (any more)
├── SourceChanged   the file is being written, or is not the one that was meant
├── FolderGone      a root or folder is missing: perhaps an absent mount, so mark nothing missing
├── TargetExists    another file has that name
├── LinkRefused     the policy is hardlink-only, and the kernel refuses the link
├── NoSpace         ENOSPC, EDQUOT: bytes, inodes or quota
├── ReadOnly        EROFS
├── Denied          EACCES, EPERM; the text has path and uid
├── OutsideRoot     the path leaves its root, or a symbolic link is in the way
├── NotRegular      a folder, symbolic link, FIFO, socket or device instead of a file, or a file instead of a folder
└── IoFailed        everything else the kernel reports: EIO, ESTALE, ENAMETOOLONG, ...
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


class FileError(Exception):
    """A file operation failed; the text says what was tried, on which path, and why."""


class SourceGone(FileError):
    """The file is not there."""


class SourceChanged(FileError):
    """The file changed under the operation, or is not the one that was meant."""


class FolderGone(FileError):
    """A root or folder is not there."""


class TargetExists(FileError):
    """Another file has the name."""


class LinkRefused(FileError):
    """No hard link is possible, and nothing else is allowed."""


class NoSpace(FileError):
    """No bytes, inodes or quota left."""


class ReadOnly(FileError):
    """The file system is mounted read-only."""


class Denied(FileError):
    """This uid may not."""


class OutsideRoot(FileError):
    """The path does not stay below its root."""


class NotRegular(FileError):
    """Neither followed nor opened: not a regular file, or not a folder where one was expected."""


class IoFailed(FileError):
    """The kernel reports an error that says nothing about what to do."""


_CLASS_OF_ERRNO: dict[int | None, type[FileError]] = {
    errno.EEXIST: TargetExists,
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
    errno.EROFS: ReadOnly,
    errno.EACCES: Denied,
    errno.EPERM: Denied,
    errno.ENOTCONN: FolderGone,  # FUSE whose server died
    errno.ECONNABORTED: FolderGone,
    errno.ESTALE: FolderGone,  # NFS whose export is another one now
    errno.EHOSTDOWN: FolderGone,  # CIFS
    errno.EHOSTUNREACH: FolderGone,
    errno.ETIMEDOUT: FolderGone,  # NFS mounted soft
    errno.ELOOP: NotRegular,
    errno.ENOTDIR: NotRegular,
    errno.EISDIR: NotRegular,
}


BY_NAME: dict[str, type[FileError]] = {kind.__name__: kind for kind in FileError.__subclasses__()}
"""The classes above by their names, which is how they cross from a helper process to the daemon."""


@contextmanager
def reported(action: str, path: str | os.PathLike[str], *, absent: type[FileError] = SourceGone) -> Iterator[None]:
    """Turn an OSError of the block into the class it calls for; `absent` is what ENOENT means here."""
    try:
        yield
    except OSError as error:
        kind = absent if error.errno == errno.ENOENT else _CLASS_OF_ERRNO.get(error.errno, IoFailed)
        by = f" (as uid {os.geteuid()})" if kind is Denied else ""
        raise kind(f"{action} {os.fspath(path)}: {error.strerror or error}{by}") from error
