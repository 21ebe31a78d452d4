"""A stand-in for a dead network mount: whatever touches the folder hangs until the mount is released.

It is a FUSE file system whose server answers nothing. Who waits for it is as deaf as who waits for a dead NFS server:
SIGTERM is not heard and SIGKILL is, as on a hard mount since Linux 2.6.25. With `is_killable=False` not even that: the
requests are taken and lost, and the process stays until the mount ends, as after a write to a disk that is gone.
"""

import ctypes
import os
import struct
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

MS_NOSUID, MS_NODEV = 2, 4
MNT_FORCE, MNT_DETACH = 1, 2
INIT_REQUEST = 26
REQUEST_BYTES_MAX = 1 << 20

HELLO = struct.pack("IIIIHHIIHHIIIIII", 7, 31, 0, 0, 16, 12, 4096, 1, *[0] * 8)
"""fuse_init_out of version 7.31, with nothing that it can do."""

_LIBC = ctypes.CDLL(None, use_errno=True)


class DeadMount:
    """Hangs `folder` from `hang()` to `release()`; either may be called twice, and a context calls both.

    What is in the folder is hidden meanwhile and untouched; a file that was open before can be used as if nothing was.
    """

    def __init__(self, folder: Path, *, is_killable: bool = True) -> None:
        self._folder, self._is_killable = os.fsencode(folder), is_killable
        self.has_lost_request = threading.Event()
        """Whether somebody hangs in it whom SIGKILL does not end."""
        self._server: int | None = None
        self._taker: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.hang()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def hang(self) -> None:
        """Mount over the folder. Raises OSError where that is refused."""
        if self._server is not None:
            return
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
        if _LIBC.mount(b"dead", self._folder, b"fuse.dead", MS_NOSUID | MS_NODEV, options) != 0:
            os.close(server)
            raise _last_error("mount", self._folder)
        self._server = server
        if not self._is_killable:
            self._taker = threading.Thread(target=self._take_requests, args=(server,), daemon=True)
            self._taker.start()

    def disconnect(self) -> None:
        """Let the server die and the mount stay, as sshfs and rclone do: every call fails at once with ENOTCONN."""
        assert self._is_killable, "else a thread holds the server open"
        if self._server is None:
            self.hang()
        server, self._server = self._server, os.open(os.devnull, os.O_RDONLY)
        assert server is not None
        os.close(server)

    def release(self) -> None:
        """End the mount: the calls that hang in it fail with ECONNABORTED or ENOTCONN."""
        if self._server is None:
            return
        server, self._server = self._server, None
        try:
            if _LIBC.umount2(self._folder, MNT_FORCE | MNT_DETACH) != 0:
                raise _last_error("unmount", self._folder)
        finally:
            if self._taker is not None:
                self._taker.join()  # it reads from this descriptor until the mount has ended
            os.close(server)

    def _take_requests(self, server: int) -> None:
        """Say hello and lose everything after it; ends with the mount."""
        with suppress(OSError):
            while request := os.read(server, REQUEST_BYTES_MAX):
                _, operation, unique = struct.unpack_from("IIQ", request)
                if operation == INIT_REQUEST:
                    os.write(server, struct.pack("IiQ", 16 + len(HELLO), 0, unique) + HELLO)
                else:
                    self.has_lost_request.set()


def why_not() -> str | None:
    """Why there can be no DeadMount here; None where there can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with DeadMount(Path(folder)):
                return None
        except OSError as error:
            return f"no FUSE mount can be made here: {error}"


def _last_error(action: str, folder: bytes) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{action}: {os.strerror(number)}", os.fsdecode(folder))
