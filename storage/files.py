"""Linking, copying and placing files so that a crash at any instant loses none and shows none half written.

Runs inside a file-system helper (`storage/file_helper.py`), because any of these calls may hang on a dead mount;
standard library only. A destination is a root and a path relative to it, so that nothing is written outside. What it
raises are the classes of `storage/file_errors.py`. Each operation may be repeated after a crash; one whose work was
complete already raises SourceGone, and `identity` of the destination tells that it was.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from storage import syscalls
from storage.file_errors import FileError, FolderGone, LinkRefused, SourceChanged, SourceGone, TargetExists, reported
from storage.folders import UNREAD, Entry, StrPath, descend, entry_below, entry_of, opened_folder, parts, walk
from storage.syscalls import Progress

Transfer = Literal["hardlink-only", "prefer-hardlink", "copy", "move"]
Method = Literal["hardlink", "reflink", "copy"]

SCAN_LIMIT = 100_000
"""Entries a scan looks at before it gives up."""
COMPARED_BYTES = 2**20
_LINK_REFUSALS = {
    errno.EXDEV,  # other file systems, and two bind mounts of one
    errno.EPERM,  # exFAT, CIFS; fs.protected_hardlinks
    errno.EACCES,
    errno.EMLINK,  # 65,000 links on ext4
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What makes a file this very file with this very content."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, kw_only=True)
class Staged:
    """How a file was staged; `link_refusal` is the kernel's reason where a hard link was refused, else empty."""

    method: Method
    link_refusal: str


@dataclass(frozen=True, kw_only=True)
class ScannedFile:
    """A regular file; `path` is relative to the scanned folder."""

    path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """What a scan left out: reason "symbolic link", "not a regular file", "unreadable folder" or "too deep"."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A folder's files, sorted by path. Unless `is_complete`, a file that is not listed may exist all the same."""

    files: tuple[ScannedFile, ...]
    skipped: tuple[Skipped, ...]
    is_complete: bool


def ignore_progress(done: int, total: int) -> None:
    """The listener of who does not listen."""


def stage(
    source: StrPath,
    temp: StrPath,
    *,
    root: StrPath,
    transfer: Transfer,
    mode: int | None = None,
    on_progress: Progress = ignore_progress,
) -> Staged:
    """Bring `source` (absolute; its last part is not followed) to `temp` below `root`, on disk when this returns.

    A file that stands at `temp` is a former attempt's and is removed. "move" stages like "prefer-hardlink": the source
    goes last, by `remove`, once the import is recorded. `mode` is for reflinks and copies (None: the source's), because
    a hard link shares its inode with the seed.
    """
    with entry_of(source) as origin, entry_below(root, temp) as target:
        return _stage(origin, target, transfer=transfer, mode=mode, on_progress=on_progress)


def place(temp: StrPath, final: StrPath, *, root: StrPath) -> None:
    """Give the staged file its final name, never over another file; a success, too, where it has that name already."""
    with entry_below(root, temp) as staged, entry_below(root, final) as target:
        _place(staged, target)


def replace(
    temp: StrPath,
    final: StrPath,
    recycle_path: StrPath,
    *,
    root: StrPath,
    on_progress: Progress = ignore_progress,
) -> None:
    """Put the staged file in the place of an old one, which is in the recycle bin before the new one is visible.

    An old file that can be neither linked nor cloned into the bin, because that is elsewhere, is copied there.
    """
    with entry_below(root, temp) as staged, entry_below(root, final) as target:
        old = target.stat()
        if os.path.samestat(staged.stat(), old):
            _drop_second_name(staged, target)
        else:
            _keep(target, recycle_path, root=root, on_progress=on_progress)
            if _identity(target.stat()) != _identity(old):
                raise SourceChanged(f"replace {target.path}: another file took its place meanwhile; try again")
            with reported("replace", target.path):
                os.rename(staged.name, target.name, src_dir_fd=staged.folder, dst_dir_fd=target.folder)
        target.flush_folder()
        staged.flush_folder()


def recycle(path: StrPath, recycle_path: StrPath, *, root: StrPath, on_progress: Progress = ignore_progress) -> None:
    """Move a file into the recycle bin: it leaves its place only once it is safe there."""
    with entry_below(root, path) as entry:
        _keep(entry, recycle_path, root=root, on_progress=on_progress)
        entry.unlink()
        entry.flush_folder()


def remove(path: StrPath, *, root: StrPath, identity: Identity | None = None) -> None:
    """Delete a file, if it is there; with `identity`, a different file under that name raises SourceChanged."""
    with entry_below(root, path) as entry:
        try:
            found = entry.stat()
        except SourceGone:
            return
        if identity is not None and _identity(found) != identity:
            raise SourceChanged(f"remove {entry.path}: not the file that was meant")
        entry.unlink()
        entry.flush_folder()


def make_folders(root: StrPath, relative: StrPath, *, mode: int = 0o755) -> None:
    """Make the missing folders of `relative`, each on disk before the next; never the root, which may be a mount."""
    path = os.path.join(root, relative)
    with opened_folder(root) as folder:
        for name in parts(root, relative):
            with reported("make folder", path), suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=folder)
                syscalls.flush_folder(folder)
            descend(folder, name, path)


def identity(path: StrPath) -> Identity:
    """Device, inode, size and modification time of a regular file."""
    with entry_of(path) as entry:
        return _identity(entry.stat())


def scan(folder: StrPath, *, limit: int = SCAN_LIMIT, on_progress: Progress = ignore_progress) -> Scan:
    """All regular files below `folder`; symbolic links are not followed, and nothing but folders is opened.

    `is_complete` is False where there are more than `limit` entries, or a folder could not be read or lies too deep.
    """
    files: list[ScannedFile] = []
    skipped: list[Skipped] = []
    seen = 0
    with opened_folder(folder) as top, reported("scan", folder):
        for seen, (path, found) in enumerate(islice(walk(top, "", depth=0, limit=limit), limit + 1), 1):
            if seen % 1000 == 0:
                on_progress(seen, 0)
            if isinstance(found, str):
                skipped.append(Skipped(path=path, reason=found))
            elif seen <= limit:
                files.append(ScannedFile(path=path, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns))
    return Scan(
        files=tuple(sorted(files, key=lambda file: file.path)),
        skipped=tuple(sorted(skipped, key=lambda one: one.path)),
        is_complete=seen <= limit and not any(one.reason in UNREAD for one in skipped),
    )


def head(path: StrPath, n_bytes: int) -> bytes:
    """The first bytes of a regular file, at most `n_bytes`; a FIFO or device is refused without waiting for it."""
    with entry_of(path) as entry, entry.opened() as file, reported("read", path):
        return os.read(file, n_bytes)


def has_same_content(path: StrPath, other: StrPath, *, on_progress: Progress = ignore_progress) -> bool:
    """Whether two regular files hold the same bytes. They are read as far as they are alike."""
    with (
        entry_of(path) as entry,
        entry_of(other) as entry_other,
        entry.opened() as one,
        entry_other.opened() as two,
        reported(f"compare {path} with", other),
        open(one, "rb", closefd=False) as a,
        open(two, "rb", closefd=False) as b,
    ):
        size_bytes, done_bytes = os.fstat(one).st_size, 0
        if size_bytes != os.fstat(two).st_size:
            return False
        while (chunk := a.read(COMPARED_BYTES)) == b.read(COMPARED_BYTES) and chunk:
            done_bytes += len(chunk)
            on_progress(done_bytes, size_bytes)
        return done_bytes == size_bytes


def free_bytes(path: StrPath) -> int:
    """Bytes that a user without privileges may still write on the file system of `path`."""
    with reported("ask the free space of", path, absent=FolderGone):
        space = os.statvfs(path)
        return space.f_bavail * space.f_frsize


def can_hardlink(folder_a: StrPath, folder_b: StrPath) -> bool:
    """Whether a file of `folder_a` can be linked into `folder_b`: tried with a real one; equal devices promise nothing.

    The file of another owner may be refused all the same (fs.protected_hardlinks).
    """
    name = f".understudy-link-{os.getpid()}"
    with entry_below(folder_a, name) as trial, entry_below(folder_b, name + ".linked") as linked:
        with reported("create", trial.path):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=trial.folder))
        try:
            return not _link(trial, linked)
        finally:
            linked.unlink()
            trial.unlink()


def _identity(found: os.stat_result) -> Identity:
    return Identity(device=found.st_dev, inode=found.st_ino, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)


def _link(origin: Entry, target: Entry) -> str:
    """Why the kernel refuses this link; empty when it is made."""
    with reported(f"link {origin.path} to", target.path):
        try:
            os.link(origin.name, target.name, src_dir_fd=origin.folder, dst_dir_fd=target.folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _LINK_REFUSALS:
                raise
            return error.strerror or str(error)
    return ""


def _stage(origin: Entry, target: Entry, *, transfer: Transfer, mode: int | None, on_progress: Progress) -> Staged:
    if origin.is_same_name(target):
        raise TargetExists(f"stage {origin.path}: it would be its own copy")
    with origin.opened() as source:
        target.unlink()
        refusal = "" if transfer == "copy" else _link(origin, target)
        if transfer != "copy" and not refusal:
            _check_link(source, origin, target, on_progress=on_progress)
            return Staged(method="hardlink", link_refusal="")
        if transfer == "hardlink-only":
            raise LinkRefused(f"link {origin.path} to {target.path}: {refusal}; the transfer policy is hardlink-only")
        method = _duplicate(source, origin, target, mode=mode, on_progress=on_progress)
        return Staged(method=method, link_refusal=refusal)


def _check_link(source: int, origin: Entry, target: Entry, *, on_progress: Progress) -> None:
    if not os.path.samestat(os.fstat(source), target.stat()):
        target.unlink()
        raise SourceChanged(f"link {origin.path}: another file took its place meanwhile; try again")
    with _whole_or_gone(source, target), reported("flush", origin.path):
        syscalls.flush(source, on_progress)


def _duplicate(source: int, origin: Entry, target: Entry, *, mode: int | None, on_progress: Progress) -> Method:
    before = os.fstat(source)
    with reported("create", target.path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        copy = os.open(target.name, flags, before.st_mode & 0o777 if mode is None else mode, dir_fd=target.folder)
    try:
        with _whole_or_gone(copy, target), reported(f"copy {origin.path} to", target.path):
            method: Method = "reflink" if syscalls.clone(source, copy) else "copy"
            if method == "copy":
                syscalls.copy(source, copy, size_bytes=before.st_size, on_progress=on_progress)
            with suppress(PermissionError):  # CIFS and exFAT may refuse times; the content is what counts
                os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
            os.fsync(copy)
            if _identity(os.fstat(source)) != _identity(before) or os.fstat(copy).st_size != before.st_size:
                raise SourceChanged(f"copy {origin.path}: it changed meanwhile; is it still being written?")
    finally:
        os.close(copy)
    return method


@contextmanager
def _whole_or_gone(file: int, target: Entry) -> Iterator[None]:
    """Remove the target if the block fails or is stopped, unless it is a later attempt's file by now."""
    try:
        yield
    except BaseException:
        with suppress(FileError):
            if os.path.samestat(os.fstat(file), target.stat()):
                target.unlink()
        raise


def _place(staged: Entry, target: Entry) -> None:
    found = staged.stat()
    with reported("place", target.path):
        try:
            syscalls.rename_new(staged.name, target.name, source_folder=staged.folder, target_folder=target.folder)
        except FileExistsError as error:
            if not os.path.samestat(found, target.stat()):
                raise TargetExists(f"place {staged.path}: {target.path} is another file") from error
            _drop_second_name(staged, target)
    target.flush_folder()
    staged.flush_folder()


def _drop_second_name(staged: Entry, target: Entry) -> None:
    """What rename() does not do between two names of one inode: it succeeds and leaves both."""
    if staged.is_same_name(target):
        raise TargetExists(f"place {staged.path}: it is its own target")
    staged.unlink()


def _keep(old: Entry, recycle_path: StrPath, *, root: StrPath, on_progress: Progress) -> None:
    """Give a file a second name in the recycle bin, or a copy there, without touching the first."""
    with entry_below(root, recycle_path) as kept, entry_below(root, f"{os.fspath(recycle_path)}.partial") as partial:
        if kept.is_same_name(old):
            raise TargetExists(f"recycle {old.path}: it is in the recycle bin already")
        if _is_copy(kept, old):  # made by an attempt that was cut off
            partial.unlink()
            return
        _stage(old, partial, transfer="prefer-hardlink", mode=None, on_progress=on_progress)
        _place(partial, kept)


def _is_copy(kept: Entry, old: Entry) -> bool:
    try:
        found, wanted = kept.stat(), old.stat()
    except SourceGone:
        return False
    return (found.st_size, found.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns)
