"""The daemon's way to files: each operation of `storage/files.py`, done by a helper process that may hang and no more.

FileError (storage/file_errors.py)
├── HelperHung   no progress within the deadline: the mount is dead; it may answer the next call, from a new helper
└── HelperGone   the helper died during the operation, which may or may not be done: look, then repeat it
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage import file_errors, helper_process
from storage.file_errors import FileError
from storage.files import Identity, Scan, ScannedFile, Skipped, Staged, Transfer
from storage.folders import StrPath
from storage.helper_process import HelperProcess, Spawn
from storage.syscalls import Progress

PROGRESS_DEADLINE_S = 30.0
PROGRAM = Path(__file__).with_name("file_helper.py")


class HelperHung(FileError):
    """The helper showed no progress in time and was abandoned."""


class HelperGone(FileError):
    """The helper ended before it answered."""


class FileHelper:
    """One helper process for files, with typed arguments and results; what they mean stands in `storage/files.py`.

    Any thread may call; calls wait for one another. Every call raises its operation's FileError, HelperHung after
    `progress_deadline_s` without progress, or HelperGone.
    """

    def __init__(self, *, spawn: Spawn, name: str, progress_deadline_s: float = PROGRESS_DEADLINE_S) -> None:
        self._process = HelperProcess(PROGRAM, name=name, spawn=spawn, errors=file_errors.BY_NAME)
        self._progress_deadline_s = progress_deadline_s

    @property
    def pid(self) -> int | None:
        """The running helper's; None before the first call and after it was lost."""
        return self._process.pid

    def count_abandoned(self) -> int:
        """`HelperProcess.count_abandoned`."""
        return self._process.count_abandoned()

    def call(self, op: str, on_progress: Progress | None = None, **args: object) -> Any:
        """Run one operation of `storage/files.py` in the helper; its result as JSON has it."""
        try:
            return self._process.call(op, args, progress_deadline_s=self._progress_deadline_s, on_progress=on_progress)
        except helper_process.HelperHung as error:
            raise HelperHung(f"{_subject(args)}: {error}") from error
        except helper_process.HelperGone as error:
            raise HelperGone(f"{_subject(args)}: {error}") from error

    def close(self, *, timeout_s: float = 0.0) -> bool:
        """`HelperProcess.close`: a copy under way is given up, its partial file removed; True if the helper is gone."""
        return self._process.close(timeout_s=timeout_s)

    def stage(
        self,
        source: StrPath,
        temp: StrPath,
        *,
        root: StrPath,
        transfer: Transfer,
        mode: int | None = None,
        on_progress: Progress | None = None,
    ) -> Staged:
        """`files.stage`; progress in bytes."""
        return Staged(
            **self.call("stage", on_progress, source=source, temp=temp, root=root, transfer=transfer, mode=mode)
        )

    def place(self, temp: StrPath, final: StrPath, *, root: StrPath) -> None:
        """`files.place`."""
        self.call("place", temp=temp, final=final, root=root)

    def replace(
        self,
        temp: StrPath,
        final: StrPath,
        recycle_path: StrPath,
        *,
        root: StrPath,
        on_progress: Progress | None = None,
    ) -> None:
        """`files.replace`; progress in bytes, if the old file must be copied to the recycle bin."""
        self.call("replace", on_progress, temp=temp, final=final, recycle_path=recycle_path, root=root)

    def recycle(
        self, path: StrPath, recycle_path: StrPath, *, root: StrPath, on_progress: Progress | None = None
    ) -> None:
        """`files.recycle`; progress like `replace`."""
        self.call("recycle", on_progress, path=path, recycle_path=recycle_path, root=root)

    def remove(self, path: StrPath, *, root: StrPath, identity: Identity | None = None) -> None:
        """`files.remove`."""
        self.call("remove", path=path, root=root, identity=identity)

    def make_folders(self, root: StrPath, relative: StrPath, *, mode: int = 0o755) -> None:
        """`files.make_folders`."""
        self.call("make_folders", root=root, relative=relative, mode=mode)

    def identity(self, path: StrPath) -> Identity:
        """`files.identity`."""
        return Identity(**self.call("identity", path=path))

    def scan(self, folder: StrPath, *, on_progress: Progress | None = None) -> Scan:
        """`files.scan`; progress in entries seen, total 0."""
        found = self.call("scan", on_progress, folder=folder)
        return Scan(
            files=tuple(ScannedFile(**one) for one in found["files"]),
            skipped=tuple(Skipped(**one) for one in found["skipped"]),
            is_complete=found["is_complete"],
        )

    def head(self, path: StrPath, n_bytes: int) -> bytes:
        """`files.head`."""
        return base64.b64decode(self.call("head", path=path, n_bytes=n_bytes))

    def has_same_content(self, path: StrPath, other: StrPath, *, on_progress: Progress | None = None) -> bool:
        """`files.has_same_content`; progress in bytes."""
        return bool(self.call("has_same_content", on_progress, path=path, other=other))

    def free_bytes(self, path: StrPath) -> int:
        """`files.free_bytes`."""
        return int(self.call("free_bytes", path=path))

    def can_hardlink(self, folder_a: StrPath, folder_b: StrPath) -> bool:
        """`files.can_hardlink`."""
        return bool(self.call("can_hardlink", folder_a=folder_a, folder_b=folder_b))


def _subject(args: Mapping[str, object]) -> object:
    """What an operation is about, its first argument: a source may hang as well as the root that the helper is for."""
    return next(iter(args.values()), "")
