"""The file-system helper: a small process that executes `storage/files.py`, so that a dead mount hangs nobody else.

A program for `storage/helper_process.py` to start; a copy under way when it is told to end is given up, its partial
file removed.
"""

import os
import sys
from collections.abc import Callable

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # last, so that it shadows nothing

from storage import files, helper_loop
from storage.file_errors import FileError


def remove(path: str, *, root: str, identity: dict[str, int] | None = None) -> None:
    files.remove(path, root=root, identity=files.Identity(**identity) if identity else None)


OPERATIONS: dict[str, Callable[..., object]] = {
    "stage": files.stage,
    "place": files.place,
    "replace": files.replace,
    "recycle": files.recycle,
    "remove": remove,
    "make_folders": files.make_folders,
    "identity": files.identity,
    "scan": files.scan,
    "head": files.head,
    "has_same_content": files.has_same_content,
    "free_bytes": files.free_bytes,
    "can_hardlink": files.can_hardlink,
}
SHOWING_PROGRESS = {"stage", "replace", "recycle", "scan", "has_same_content"}

if __name__ == "__main__":
    os.umask(0)  # modes come with each request
    helper_loop.serve(OPERATIONS, errors=FileError, showing_progress=SHOWING_PROGRESS)
