"""The kernel's file calls that `os` lacks or that need steps: clone, chunked copy and flush, rename without replacing.

Works on open descriptors, raises OSError only; standard library only, for it runs inside a file-system helper.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total): bytes for content, entries for a scan, whose total is 0 (unknown).

What it raises ends the operation, which then leaves nothing behind."""

CHUNK_BYTES = 16 * 1024 * 1024

_LIBC = ctypes.CDLL(None, use_errno=True)
_FICLONE = 0x40049409  # ioctl_ficlone(2)
_RENAME_NOREPLACE = 1  # renameat2(2)
_WRITE_BACK_START, _WRITE_BACK_WAIT = 2, 1 | 2 | 4  # sync_file_range(2): WRITE; WAIT_BEFORE | WRITE | WAIT_AFTER
_UNSUPPORTED = {
    errno.EXDEV,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.ENOTTY,
    errno.EBADF,
    errno.ETXTBSY,
    errno.EPERM,
}


def clone(source: int, target: int) -> bool:
    """Let an empty file share all blocks of another (XFS, btrfs, NFS 4.2); False where the file systems cannot."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def copy(source: int, target: int, *, size_bytes: int, on_progress: Progress) -> None:
    """Copy `size_bytes` from where both descriptors stand, in the kernel where it can; fewer if the source shrinks.

    At most two chunks wait in the page cache, so that the fsync after it is short and a slow disk shows its true pace.
    """
    movers = iter((_move_in_file_system, _move_in_kernel, _move_by_hand))
    move = next(movers)
    done = 0
    on_progress(0, size_bytes)
    while done < size_bytes:
        try:
            moved = move(source, target, min(CHUNK_BYTES, size_bytes - done))
        except OSError as error:
            if error.errno not in _UNSUPPORTED or move is _move_by_hand:
                raise
            moved = 0
        if moved:
            _write_back(target, done, flags=_WRITE_BACK_START)
            _write_back(target, done - CHUNK_BYTES, flags=_WRITE_BACK_WAIT)
            done += moved
            on_progress(done, size_bytes)
        elif move is _move_by_hand:
            return
        else:
            move = next(movers)  # copy_file_range answers 0 on some FUSE file systems, too


def flush(file: int, on_progress: Progress) -> None:
    """fsync in steps that show progress: after a download, gigabytes may still wait for a slow disk."""
    size_bytes = os.fstat(file).st_size
    for offset in range(0, size_bytes, CHUNK_BYTES):
        _write_back(file, offset, flags=_WRITE_BACK_WAIT)
        on_progress(min(offset + CHUNK_BYTES, size_bytes), size_bytes)
    os.fsync(file)


def flush_folder(folder: int) -> None:
    """fsync a folder, which CIFS and some FUSE file systems do not know and need not."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def rename_new(source_name: str, target_name: str, *, source_folder: int, target_folder: int) -> None:
    """Rename, or FileExistsError if the target exists; by link and unlink where no such rename is known (NFS)."""
    try:
        _renameat2(source_name, target_name, source_folder=source_folder, target_folder=target_folder)
    except OSError as error:
        if error.errno not in _UNSUPPORTED or error.errno == errno.EXDEV:
            raise
        os.link(source_name, target_name, src_dir_fd=source_folder, dst_dir_fd=target_folder, follow_symlinks=False)
        os.unlink(source_name, dir_fd=source_folder)


def _renameat2(source_name: str, target_name: str, *, source_folder: int, target_folder: int) -> None:
    if not hasattr(_LIBC, "renameat2"):  # musl before 1.2.5 has no wrapper
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    source, target = os.fsencode(source_name), os.fsencode(target_name)
    if _LIBC.renameat2(source_folder, source, target_folder, target, _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _move_in_file_system(source: int, target: int, n_bytes: int) -> int:
    return os.copy_file_range(source, target, n_bytes)


def _move_in_kernel(source: int, target: int, n_bytes: int) -> int:
    return os.sendfile(target, source, None, n_bytes)


def _move_by_hand(source: int, target: int, n_bytes: int) -> int:
    data = memoryview(os.read(source, min(n_bytes, 1024 * 1024)))
    written = 0
    while written < len(data):
        written += os.write(target, data[written:])
    return written


def _write_back(file: int, offset: int, *, flags: int) -> None:
    if offset < 0:
        return
    if _LIBC.sync_file_range(file, ctypes.c_int64(offset), ctypes.c_int64(CHUNK_BYTES), flags) != 0:
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number))
