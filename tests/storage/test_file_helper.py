"""Files through a helper process: real processes, real signals."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from storage.child_process import ChildProcess
from storage.file_access import FileHelper, HelperGone, HelperHung
from storage.file_errors import FileError, NotRegular, OutsideRoot, SourceChanged, SourceGone
from storage.files import Identity, Staged
from tests.storage.unkillable import Unkillable
from tests.until import until

LARGE_BYTES = 2**30


def spawn(argv: Sequence[str], pass_fds: Sequence[int]) -> ChildProcess:
    return subprocess.Popen(argv, pass_fds=pass_fds)


@pytest.fixture
def helper() -> Iterator[FileHelper]:
    helper = FileHelper(spawn=spawn, name="test")
    yield helper
    assert helper.close(timeout_s=10)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A film of holes, whose copy takes a while and need never be finished."""
    film = tmp_path / "large.mkv"
    with film.open("wb") as file:
        file.truncate(LARGE_BYTES)
    return film


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    root.mkdir()
    return root


def test_an_import_from_staging_to_recycling(helper: FileHelper, tmp_path: Path, root: Path) -> None:
    film = tmp_path / "film.mkv"
    film.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(5000))
    assert helper.head(film, 4) == b"\x1a\x45\xdf\xa3"
    assert helper.can_hardlink(tmp_path, root)
    assert helper.free_bytes(root) > 0
    helper.make_folders(root, "Film (2010)")
    helper.make_folders(root, "bin", mode=0o700)
    assert helper.stage(film, "a.partial", root=root, transfer="hardlink-only") == Staged(
        method="hardlink", link_refusal=""
    )
    helper.place("a.partial", "Film (2010)/Film.mkv", root=root)
    assert helper.stage(film, "b.partial", root=root, transfer="copy", mode=0o666).link_refusal == ""
    helper.replace("b.partial", "Film (2010)/Film.mkv", "bin/old.mkv", root=root)
    placed = helper.identity(root / "Film (2010)/Film.mkv")
    assert placed.size_bytes == 5004
    assert placed.inode != film.stat().st_ino == (root / "bin/old.mkv").stat().st_ino
    assert (root / "Film (2010)/Film.mkv").stat().st_mode & 0o777 == 0o666
    assert helper.has_same_content(film, root / "Film (2010)/Film.mkv")
    helper.recycle("Film (2010)/Film.mkv", "bin/new.mkv", root=root)
    helper.remove("bin/new.mkv", root=root, identity=placed)
    found = helper.scan(root)
    assert [file.path for file in found.files] == ["bin/old.mkv"]
    assert found.is_complete


def test_errors_keep_their_class_and_text(helper: FileHelper, tmp_path: Path, root: Path) -> None:
    with pytest.raises(SourceGone, match="film"):
        helper.identity(tmp_path / "film")
    with pytest.raises(OutsideRoot):
        helper.make_folders(root, "..")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotRegular):
        helper.head(tmp_path / "fifo", 4)
    (root / "film").touch()
    with pytest.raises(SourceChanged):
        helper.remove("film", root=root, identity=Identity(device=0, inode=0, size_bytes=0, mtime_ns=0))


def test_names_that_are_no_utf8_cross_both_ways(helper: FileHelper, root: Path) -> None:
    with open(os.fsencode(root) + b"/\xff.mkv", "wb") as file:
        file.write(b"film")
    [found] = helper.scan(root).files
    helper.remove(found.path, root=root)
    assert os.listdir(root) == []


def test_the_process_is_kept_and_small(helper: FileHelper, root: Path) -> None:
    assert helper.pid is None
    helper.scan(root)
    pid = helper.pid
    helper.scan(root)
    assert helper.pid == pid
    status = Path(f"/proc/{pid}/status").read_text()
    [resident_kib] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    assert resident_kib < 20 * 1024


def test_progress_arrives_and_ends_at_the_total(helper: FileHelper, tmp_path: Path, root: Path) -> None:
    film, seen = tmp_path / "film.mkv", list[tuple[int, int]]()
    film.write_bytes(bytes(40 * 2**20))
    helper.stage(film, "a", root=root, transfer="copy", on_progress=lambda *progress: seen.append(progress))
    assert seen[0] == (0, 40 * 2**20)
    assert seen[-1] == (40 * 2**20, 40 * 2**20)


def test_sigterm_during_a_copy_removes_the_partial_file(helper: FileHelper, large: Path, root: Path) -> None:
    seen: list[str] = []

    def terminate(done: int, total: int) -> None:
        assert helper.pid is not None
        seen.extend(os.listdir(root))
        os.kill(helper.pid, signal.SIGTERM)

    with pytest.raises(HelperGone, match="exit status 0"):
        helper.stage(large, "film.partial", root=root, transfer="copy", on_progress=terminate)
    assert seen, "the copy was under way"
    assert os.listdir(root) == []


def test_closing_during_a_copy_ends_it_and_removes_the_partial_file(
    helper: FileHelper, large: Path, root: Path
) -> None:
    with pytest.raises(HelperGone):
        helper.stage(
            large, "film.partial", root=root, transfer="copy", on_progress=lambda done, total: void(helper.close())
        )
    until(lambda: not os.listdir(root))


def void(value: object) -> None:
    """For a listener that is a lambda."""


def test_what_the_listener_raises_gives_the_copy_up(helper: FileHelper, large: Path, root: Path) -> None:
    def give_up(done: int, total: int) -> None:
        raise TimeoutError("the importer's own")

    with pytest.raises(TimeoutError, match="own"):
        helper.stage(large, "film.partial", root=root, transfer="copy", on_progress=give_up)
    until(lambda: not os.listdir(root))
    assert helper.scan(root).is_complete


def test_a_helper_killed_at_work_is_gone_and_the_next_call_has_a_new_one(
    helper: FileHelper, large: Path, root: Path
) -> None:
    def kill(done: int, total: int) -> None:
        assert helper.pid is not None
        os.kill(helper.pid, signal.SIGKILL)

    with pytest.raises(HelperGone, match="-9"):
        helper.stage(large, "film.partial", root=root, transfer="copy", on_progress=kill)
    helper.remove("film.partial", root=root)
    assert os.listdir(root) == []


def test_a_closed_socket_alone_ends_a_copy(large: Path, root: Path) -> None:
    helper = FileHelper(spawn=lambda argv, fds: Unkillable(subprocess.Popen(argv, pass_fds=fds)), name="test")
    with pytest.raises(HelperGone):
        helper.stage(
            large, "film.partial", root=root, transfer="copy", on_progress=lambda done, total: void(helper.close())
        )
    until(lambda: not os.listdir(root))


def test_a_hung_helper_is_a_file_error_and_replaced(root: Path) -> None:
    helper = FileHelper(spawn=spawn, name="test", progress_deadline_s=1.0)
    helper.scan(root)
    first = helper.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(FileError, match=rf"{root}: scan by test: no progress for 1 s") as caught:
        helper.scan(root)
    assert isinstance(caught.value, HelperHung)
    assert helper.scan(root).is_complete
    assert helper.pid != first
    until(lambda: helper.count_abandoned() == 0)
    assert helper.close(timeout_s=10)
