"""A control group whose memory may be made scarce, so that the kernel kills in it; of either version of cgroups."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.until import until

VERSION_1, VERSION_2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
ROOM_BYTES, STEP_BYTES = 4 * 2**20, 2**20
HOG = f"""
import sys
open("/proc/self/oom_score_adj", "w").write("-1000")
open(sys.argv[1], "w").write("0")
held = []
while True:
    held.append(bytes(range(256)) * {STEP_BYTES // 256})
    if len(held) > 512: sys.exit("nobody was killed")
"""
"""It takes what is left and cannot be the one that is killed."""


class MemoryGroup:
    """`wrapper` begins a command line that is to run in it, with all its children."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._members = folder / "cgroup.procs"
        is_first = folder.parent == VERSION_1
        self._limit = folder / ("memory.limit_in_bytes" if is_first else "memory.max")
        self._usage = folder / ("memory.usage_in_bytes" if is_first else "memory.current")
        self._without_limit = "-1" if is_first else "max"

    @property
    def wrapper(self) -> list[str]:
        return ["sh", "-c", f'echo 0 > "{self._members}" && exec "$@"', "sh"]

    @contextmanager
    def scarce(self) -> Iterator[None]:
        """Inside, somebody takes all memory that is left, and the kernel kills the largest of the others."""
        self._limit.write_text(str(int(self._usage.read_text()) + ROOM_BYTES))
        hog = subprocess.Popen([sys.executable, "-I", "-S", "-c", HOG, str(self._members)])
        try:
            yield
        finally:
            hog.kill()
            hog.wait()
            self._limit.write_text(self._without_limit)

    def has_gone(self) -> bool:
        """Whether it is removed now; who is still in it goes to its parent."""
        for pid in self._members.read_text().split():
            with suppress(ProcessLookupError):
                (self._folder.parent / "cgroup.procs").write_text(pid)
        with suppress(OSError):  # somebody is just ending
            self._folder.rmdir()
        return not self._folder.exists()

    @property
    def is_able(self) -> bool:
        """Whether memory is controlled here."""
        return self._limit.exists()


@contextmanager
def memory_group() -> Iterator[MemoryGroup]:
    """Skips where this user may not make one."""
    parent = VERSION_1 if VERSION_1.is_dir() else VERSION_2
    folder = parent / f"understudy-test-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group here: {error}")
    group = MemoryGroup(folder)
    try:
        if not group.is_able:
            pytest.skip(f"memory is not controlled below {parent}")
        yield group
    finally:
        until(group.has_gone, what="the control group to be removed")
