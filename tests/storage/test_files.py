"""storage.files on real file systems; what needs mounts runs as root and says so elsewhere."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import files, syscalls
from storage.file_errors import (
    Denied,
    FolderGone,
    LinkRefused,
    NoSpace,
    NotRegular,
    OutsideRoot,
    ReadOnly,
    SourceChanged,
    SourceGone,
    TargetExists,
)

Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """mount(NAME, *ARGUMENTS of mount(8)) makes tmp_path/NAME a mount point."""
    mounted: list[Path] = []

    def make(name: str, *arguments: str) -> Path:
        point = tmp_path / name
        point.mkdir()
        run = subprocess.run(["mount", *arguments, point], capture_output=True, text=True)
        if run.returncode:
            pytest.skip(f"no mount here: {run.stderr.strip()}")
        mounted.append(point)
        return point

    yield make
    for point in reversed(mounted):
        subprocess.run(["umount", "--lazy", point], check=True)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    film = downloads / "film.mkv"
    film.write_bytes(os.urandom(300_000))
    return film


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    root.mkdir()
    return root


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class TestStage:
    def test_a_hard_link_shares_the_inode_of_the_seed(self, film: Path, root: Path) -> None:
        staged = files.stage(film, "film.partial", root=root, transfer="prefer-hardlink")
        assert staged == files.Staged(method="hardlink", link_refusal="")
        assert (root / "film.partial").samefile(film)

    @pytest.mark.parametrize("transfer", ["copy", "move", "prefer-hardlink"])
    def test_across_file_systems_it_copies_content_and_time(
        self, film: Path, mount: Mount, transfer: files.Transfer
    ) -> None:
        root = mount("tmpfs", "-t", "tmpfs", "none")
        staged = files.stage(film, "film.partial", root=root, transfer=transfer)
        assert staged.method == "copy"
        assert bool(staged.link_refusal) == (transfer != "copy")
        assert (root / "film.partial").read_bytes() == film.read_bytes()
        assert (root / "film.partial").stat().st_mtime_ns == film.stat().st_mtime_ns

    def test_two_bind_mounts_of_one_file_system_refuse_links_though_their_devices_are_equal(
        self, film: Path, root: Path, mount: Mount
    ) -> None:
        bound = mount("bound", "--bind", str(root))
        assert bound.stat().st_dev == film.stat().st_dev
        assert not files.can_hardlink(film.parent, bound)
        staged = files.stage(film, "film.partial", root=bound, transfer="prefer-hardlink")
        assert staged.method in ("copy", "reflink")
        assert "cross-device" in staged.link_refusal
        assert names(film.parent) == ["film.mkv"]

    def test_hardlink_only_never_copies(self, film: Path, mount: Mount) -> None:
        root = mount("tmpfs", "-t", "tmpfs", "none")
        with pytest.raises(LinkRefused, match="cross-device"):
            files.stage(film, "film.partial", root=root, transfer="hardlink-only")
        assert names(root) == []

    def test_a_reflink_is_preferred_to_a_copy(self, tmp_path: Path, mount: Mount) -> None:
        if not shutil.which("mkfs.xfs"):
            pytest.skip("mkfs.xfs is not installed")
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(400 * 2**20)
        subprocess.run(["mkfs.xfs", image], check=True, capture_output=True)
        root = mount("disk", "-o", "loop", str(image))
        (root / "film.mkv").write_bytes(os.urandom(300_000))
        staged = files.stage(root / "film.mkv", "copy.mkv", root=root, transfer="copy")
        assert staged.method == "reflink"
        assert (root / "copy.mkv").read_bytes() == (root / "film.mkv").read_bytes()

    def test_progress_rises_chunk_by_chunk_to_the_total(self, tmp_path: Path, root: Path) -> None:
        film, seen = tmp_path / "film.mkv", list[tuple[int, int]]()
        size_bytes = 2 * syscalls.CHUNK_BYTES + 5
        with film.open("wb") as file:
            file.truncate(size_bytes)
        files.stage(film, "a", root=root, transfer="copy", on_progress=lambda *progress: seen.append(progress))
        assert [total for _, total in seen] == [size_bytes] * len(seen)
        assert [done for done, _ in seen] == sorted({done for done, _ in seen})
        assert (seen[0][0], seen[-1][0]) == (0, size_bytes)
        assert len(seen) >= 4

    def test_a_full_disk_leaves_no_partial_file(self, tmp_path: Path, mount: Mount) -> None:
        film = tmp_path / "film.mkv"
        film.write_bytes(os.urandom(16 * 2**20))
        root = mount("small", "-t", "tmpfs", "-o", "size=8m", "none")
        with pytest.raises(NoSpace):
            files.stage(film, "film.partial", root=root, transfer="copy")
        assert names(root) == []

    def test_a_disk_without_inodes_is_full(self, film: Path, mount: Mount) -> None:
        root = mount("few", "-t", "tmpfs", "-o", "nr_inodes=1", "none")
        with pytest.raises(NoSpace):
            files.stage(film, "film.partial", root=root, transfer="copy")

    def test_a_read_only_root_is_told_apart(self, film: Path, mount: Mount) -> None:
        root = mount("fixed", "-t", "tmpfs", "none")
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        with pytest.raises(ReadOnly):
            files.stage(film, "film.partial", root=root, transfer="prefer-hardlink")

    @pytest.mark.parametrize("transfer", ["copy", "prefer-hardlink"])
    def test_a_folder_of_others_is_denied_with_path_and_uid(self, transfer: files.Transfer) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can become somebody else")
        with tempfile.TemporaryDirectory() as top:
            os.chmod(top, 0o755)
            root, film = Path(top, "library"), Path(top, "film.mkv")
            root.mkdir(0o755)
            film.write_bytes(b"film")
            os.seteuid(65534)
            try:
                with pytest.raises(Denied, match=rf"{root}/film\.partial.*uid 65534"):
                    files.stage(film, "film.partial", root=root, transfer=transfer)
            finally:
                os.seteuid(0)

    def test_a_source_that_grows_meanwhile_is_refused(self, film: Path, root: Path) -> None:
        def grow(done: int, total: int) -> None:
            with film.open("ab") as file:
                file.write(b"more")

        with pytest.raises(SourceChanged):
            files.stage(film, "film.partial", root=root, transfer="copy", on_progress=grow)
        assert names(root) == []

    def test_a_source_that_shrinks_meanwhile_is_refused(self, film: Path, root: Path) -> None:
        with pytest.raises(SourceChanged):
            files.stage(film, "a", root=root, transfer="copy", on_progress=lambda done, total: os.truncate(film, 1000))
        assert names(root) == []

    @pytest.mark.parametrize("transfer", ["copy", "prefer-hardlink"])
    def test_what_the_listener_raises_leaves_nothing_behind(
        self, film: Path, root: Path, transfer: files.Transfer
    ) -> None:
        def stop(done: int, total: int) -> None:
            raise SystemExit

        with pytest.raises(SystemExit):
            files.stage(film, "film.partial", root=root, transfer=transfer, on_progress=stop)
        assert names(root) == []

    def test_a_failed_attempt_leaves_the_file_of_a_later_one(self, film: Path, root: Path) -> None:
        def later_attempt(done: int, total: int) -> None:
            (root / "film.partial").unlink()
            (root / "film.partial").write_bytes(b"of a later attempt")
            raise SystemExit

        with pytest.raises(SystemExit):
            files.stage(film, "film.partial", root=root, transfer="copy", on_progress=later_attempt)
        assert (root / "film.partial").read_bytes() == b"of a later attempt"

    @pytest.mark.parametrize("transfer", ["copy", "prefer-hardlink"])
    def test_what_a_former_attempt_left_is_replaced(self, film: Path, root: Path, transfer: files.Transfer) -> None:
        (root / "film.partial").write_bytes(b"half")
        files.stage(film, "film.partial", root=root, transfer=transfer)
        assert (root / "film.partial").read_bytes() == film.read_bytes()

    def test_a_file_is_never_staged_onto_itself(self, film: Path) -> None:
        with pytest.raises(TargetExists):
            files.stage(film, film.name, root=film.parent, transfer="move")
        assert film.stat().st_size == 300_000

    def test_a_copy_gets_the_mode_asked_for(self, film: Path, root: Path) -> None:
        files.stage(film, "film.partial", root=root, transfer="copy", mode=0o600)
        assert (root / "film.partial").stat().st_mode & 0o777 == 0o600

    def test_a_missing_source_is_gone(self, film: Path, root: Path) -> None:
        film.unlink()
        with pytest.raises(SourceGone):
            files.stage(film, "film.partial", root=root, transfer="prefer-hardlink")

    def test_a_missing_root_is_a_missing_folder_not_a_missing_file(self, film: Path, tmp_path: Path) -> None:
        with pytest.raises(FolderGone):
            files.stage(film, "film.partial", root=tmp_path / "unmounted", transfer="prefer-hardlink")

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)])
    def test_only_regular_files_are_taken_and_nothing_is_waited_for(
        self, tmp_path: Path, root: Path, make: Callable[[Path], None]
    ) -> None:
        make(tmp_path / "film.mkv")
        with pytest.raises(NotRegular):
            files.stage(tmp_path / "film.mkv", "film.partial", root=root, transfer="prefer-hardlink")
        assert names(root) == []


@pytest.mark.parametrize("path", ["../film", "/etc/film", "a/../../film", "", ".", "a//b", "a/", "nul\0"])
def test_a_path_that_leaves_its_root_is_refused(film: Path, root: Path, path: str) -> None:
    with pytest.raises(OutsideRoot):
        files.stage(film, path, root=root, transfer="copy")
    with pytest.raises(OutsideRoot):
        files.make_folders(root, path)


def test_a_symbolic_link_on_the_way_is_refused_wherever_it_points(film: Path, root: Path, tmp_path: Path) -> None:
    (root / "inside").mkdir()
    (root / "way").symlink_to(tmp_path, target_is_directory=True)
    (root / "near").symlink_to("inside", target_is_directory=True)
    for way in ("way", "near"):
        with pytest.raises(OutsideRoot, match="symbolic link"):
            files.stage(film, f"{way}/film.mkv", root=root, transfer="copy")
        with pytest.raises(OutsideRoot, match="symbolic link"):
            files.make_folders(root, f"{way}/Film (2010)")
    assert not (tmp_path / "film.mkv").exists()
    assert names(root / "inside") == []


def test_the_root_itself_may_be_a_symbolic_link(film: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    files.stage(film, "film.mkv", root=tmp_path / "alias", transfer="copy")
    assert names(root) == ["film.mkv"]


class TestPlace:
    def test_the_staged_file_gets_its_final_name(self, root: Path) -> None:
        (root / "film.partial").write_bytes(b"film")
        files.make_folders(root, "Film (2010)")
        files.place("film.partial", "Film (2010)/Film.mkv", root=root)
        assert names(root) == ["Film (2010)", "Film (2010)/Film.mkv"]

    def test_another_file_is_never_overwritten(self, root: Path) -> None:
        (root / "film.partial").write_bytes(b"new")
        (root / "film.mkv").write_bytes(b"old")
        with pytest.raises(TargetExists):
            files.place("film.partial", "film.mkv", root=root)
        assert ((root / "film.mkv").read_bytes(), (root / "film.partial").read_bytes()) == (b"old", b"new")

    def test_two_names_of_one_file_become_the_final_one(self, film: Path, root: Path) -> None:
        os.link(film, root / "film.mkv")
        os.link(film, root / "film.partial")
        files.place("film.partial", "film.mkv", root=root)
        assert names(root) == ["film.mkv"]
        assert film.stat().st_nlink == 2

    def test_a_file_is_never_placed_onto_itself(self, root: Path) -> None:
        (root / "film.mkv").write_bytes(b"film")
        with pytest.raises(TargetExists):
            files.place("film.mkv", "film.mkv", root=root)
        assert (root / "film.mkv").read_bytes() == b"film"

    def test_placing_twice_says_that_the_staged_file_is_gone(self, root: Path) -> None:
        (root / "film.partial").write_bytes(b"film")
        files.place("film.partial", "film.mkv", root=root)
        with pytest.raises(SourceGone):
            files.place("film.partial", "film.mkv", root=root)
        assert (root / "film.mkv").read_bytes() == b"film"

    def test_a_missing_folder_is_told_apart_from_a_missing_file(self, root: Path) -> None:
        (root / "film.partial").write_bytes(b"film")
        with pytest.raises(FolderGone):
            files.place("film.partial", "Film (2010)/film.mkv", root=root)


class TestReplace:
    def test_the_old_file_goes_to_the_recycle_bin(self, root: Path) -> None:
        (root / "bin").mkdir()
        (root / "film.mkv").write_bytes(b"old")
        (root / "film.partial").write_bytes(b"new")
        files.replace("film.partial", "film.mkv", "bin/film.mkv", root=root)
        assert names(root) == ["bin", "bin/film.mkv", "film.mkv"]
        assert ((root / "bin/film.mkv").read_bytes(), (root / "film.mkv").read_bytes()) == (b"old", b"new")

    def test_there_is_never_a_moment_without_a_file_nor_a_new_one_before_the_old_is_kept(self, root: Path) -> None:
        (root / "bin").mkdir()
        film, done, seen = root / "film.mkv", threading.Event(), list[tuple[int, bool]]()
        film.write_bytes(b"0")

        def watch() -> None:
            while not done.is_set():
                try:
                    number = int(film.read_bytes())
                except FileNotFoundError:
                    seen.append((-1, False))
                else:
                    seen.append((number, number == 0 or (root / f"bin/{number - 1}").exists()))

        watcher = threading.Thread(target=watch)
        watcher.start()
        for number in range(1, 200):
            (root / "film.partial").write_bytes(b"%d" % number)
            files.replace("film.partial", "film.mkv", f"bin/{number - 1}", root=root)
        done.set()
        watcher.join()
        assert -1 not in {number for number, _ in seen}
        assert all(is_kept for _, is_kept in seen)
        assert len({number for number, _ in seen}) > 1, "the watcher must have watched"

    def test_a_new_file_that_is_the_old_one_changes_nothing(self, film: Path, root: Path) -> None:
        (root / "bin").mkdir()
        os.link(film, root / "film.mkv")
        os.link(film, root / "film.partial")
        files.replace("film.partial", "film.mkv", "bin/film.mkv", root=root)
        assert names(root) == ["bin", "film.mkv"]
        assert (root / "film.mkv").samefile(film)

    def test_it_goes_on_where_a_crash_cut_it_off(self, root: Path) -> None:
        (root / "bin").mkdir()
        (root / "film.mkv").write_bytes(b"old")
        (root / "film.partial").write_bytes(b"new")
        os.link(root / "film.mkv", root / "bin/film.mkv")
        os.link(root / "film.mkv", root / "bin/film.mkv.partial")
        files.replace("film.partial", "film.mkv", "bin/film.mkv", root=root)
        assert names(root) == ["bin", "bin/film.mkv", "film.mkv"]
        assert ((root / "bin/film.mkv").read_bytes(), (root / "film.mkv").read_bytes()) == (b"old", b"new")

    def test_without_a_recycle_bin_the_old_file_stays(self, root: Path) -> None:
        (root / "film.mkv").write_bytes(b"old")
        (root / "film.partial").write_bytes(b"new")
        with pytest.raises(FolderGone):
            files.replace("film.partial", "film.mkv", "bin/film.mkv", root=root)
        assert (root / "film.mkv").read_bytes() == b"old"

    def test_a_full_recycle_bin_of_another_file_system_keeps_the_old_file(self, root: Path, tmp_path: Path) -> None:
        (root / "bin").mkdir()
        run = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", root / "bin"], capture_output=True)
        if run.returncode:
            pytest.skip("no mount here")
        try:
            (root / "film.mkv").write_bytes(old := os.urandom(2 * 2**20))
            (root / "film.partial").write_bytes(b"new")
            with pytest.raises(NoSpace):
                files.replace("film.partial", "film.mkv", "bin/film.mkv", root=root)
            assert (root / "film.mkv").read_bytes() == old
            assert names(root / "bin") == []
            (root / "film.mkv").write_bytes(b"small")
            files.replace("film.partial", "film.mkv", "bin/film.mkv", root=root)
            assert ((root / "bin/film.mkv").read_bytes(), (root / "film.mkv").read_bytes()) == (b"small", b"new")
        finally:
            subprocess.run(["umount", "--lazy", root / "bin"], check=True)

    def test_another_file_in_the_recycle_bin_is_not_overwritten(self, root: Path) -> None:
        (root / "bin").mkdir()
        (root / "bin/film.mkv").write_bytes(b"recycled before")
        (root / "film.mkv").write_bytes(b"old")
        (root / "film.partial").write_bytes(b"new")
        with pytest.raises(TargetExists):
            files.replace("film.partial", "film.mkv", "bin/film.mkv", root=root)
        assert (root / "film.mkv").read_bytes() == b"old"
        assert (root / "bin/film.mkv").read_bytes() == b"recycled before"


class TestRecycleAndRemove:
    def test_recycling_moves_a_file(self, root: Path) -> None:
        (root / "bin").mkdir()
        (root / "film.mkv").write_bytes(b"old")
        files.recycle("film.mkv", "bin/film.mkv", root=root)
        assert names(root) == ["bin", "bin/film.mkv"]

    def test_recycling_into_its_own_place_loses_nothing(self, root: Path) -> None:
        (root / "film.mkv").write_bytes(b"old")
        with pytest.raises(TargetExists):
            files.recycle("film.mkv", "film.mkv", root=root)
        assert (root / "film.mkv").read_bytes() == b"old"

    def test_removing_twice_is_no_error(self, root: Path) -> None:
        (root / "film.mkv").write_bytes(b"old")
        files.remove("film.mkv", root=root)
        files.remove("film.mkv", root=root)
        assert names(root) == []

    def test_only_the_file_that_was_meant_is_removed(self, root: Path) -> None:
        (root / "film.mkv").write_bytes(b"old")
        meant = files.identity(root / "film.mkv")
        (root / "film.mkv").write_bytes(b"another")
        with pytest.raises(SourceChanged):
            files.remove("film.mkv", root=root, identity=meant)
        files.remove("film.mkv", root=root, identity=files.identity(root / "film.mkv"))
        assert names(root) == []


class TestFolders:
    def test_every_level_is_made_and_making_them_again_is_no_error(self, root: Path) -> None:
        files.make_folders(root, "a/b/c")
        files.make_folders(root, "a/b/c/d", mode=0o700)
        assert names(root) == ["a", "a/b", "a/b/c", "a/b/c/d"]
        assert (root / "a/b/c/d").stat().st_mode & 0o777 == 0o700

    def test_a_file_in_the_way_is_no_folder(self, root: Path) -> None:
        (root / "a").write_bytes(b"")
        with pytest.raises(NotRegular):
            files.make_folders(root, "a/b")

    def test_a_root_is_never_made(self, tmp_path: Path) -> None:
        with pytest.raises(FolderGone):
            files.make_folders(tmp_path / "unmounted", "a")
        assert names(tmp_path) == []

    def test_links_are_possible_within_a_file_system_and_the_trial_leaves_nothing(self, film: Path, root: Path) -> None:
        assert files.can_hardlink(film.parent, root)
        assert (names(film.parent), names(root)) == (["film.mkv"], [])

    def test_free_bytes_of_a_small_disk_are_few(self, mount: Mount) -> None:
        root = mount("small", "-t", "tmpfs", "-o", "size=8m", "none")
        assert 7 * 2**20 < files.free_bytes(root) <= 8 * 2**20


class TestScan:
    def test_it_lists_regular_files_and_says_what_it_skips(self, root: Path) -> None:
        (root / "a").mkdir()
        (root / "a/film.mkv").write_bytes(b"film")
        (root / "b.srt").write_bytes(b"")
        os.mkfifo(root / "fifo")
        (root / "link").symlink_to("a/film.mkv")
        (root / "up").symlink_to("..", target_is_directory=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(root / "socket"))
            found = files.scan(root)
        assert [(file.path, file.size_bytes) for file in found.files] == [("a/film.mkv", 4), ("b.srt", 0)]
        assert found.files[0].mtime_ns == (root / "a/film.mkv").stat().st_mtime_ns
        assert {one.path: one.reason for one in found.skipped} == {
            "fifo": "not a regular file",
            "socket": "not a regular file",
            "link": "symbolic link",
            "up": "symbolic link",
        }
        assert found.is_complete

    def test_names_that_are_no_utf8_survive(self, root: Path) -> None:
        with open(os.fsencode(root) + b"/\xff.mkv", "wb") as file:
            file.write(b"film")
        [found] = files.scan(root).files
        assert files.identity(root / found.path).size_bytes == 4

    def test_more_files_than_the_limit_make_it_incomplete(self, root: Path) -> None:
        for number in range(5):
            (root / str(number)).touch()
        assert files.scan(root, limit=5).is_complete
        cut = files.scan(root, limit=4)
        assert (len(cut.files), cut.is_complete) == (4, False)

    def test_folders_too_deep_make_it_incomplete(self, root: Path) -> None:
        (root / "/".join(["deep"] * 70)).mkdir(parents=True)
        found = files.scan(root)
        assert not found.is_complete
        assert [one.reason for one in found.skipped] == ["too deep"]

    def test_a_missing_folder_is_no_empty_one(self, root: Path) -> None:
        with pytest.raises(FolderGone):
            files.scan(root / "unmounted")


class TestHead:
    def test_it_reads_no_more_than_asked(self, film: Path) -> None:
        assert files.head(film, 4) == film.read_bytes()[:4]

    def test_a_fifo_is_refused_without_waiting(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(NotRegular):
            files.head(tmp_path / "fifo", 4)

    def test_a_symbolic_link_is_not_followed(self, tmp_path: Path, film: Path) -> None:
        (tmp_path / "link").symlink_to(film)
        with pytest.raises(NotRegular):
            files.head(tmp_path / "link", 4)
        with pytest.raises(NotRegular):
            files.identity(tmp_path / "link")


def test_identity_names_device_inode_size_and_time(film: Path) -> None:
    status = film.stat()
    assert files.identity(film) == files.Identity(
        device=status.st_dev, inode=status.st_ino, size_bytes=300_000, mtime_ns=status.st_mtime_ns
    )


def test_content_is_the_same_byte_for_byte_or_it_is_not(film: Path, tmp_path: Path) -> None:
    content, other = film.read_bytes(), tmp_path / "other.mkv"
    seen: list[tuple[int, int]] = []
    other.write_bytes(content)
    assert files.has_same_content(film, other, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(300_000, 300_000)]
    for different in (content[:-1], content + b"x", content[:-1] + bytes([content[-1] ^ 1]), b""):
        other.write_bytes(different)
        assert not files.has_same_content(film, other)
    film.write_bytes(b"")
    assert files.has_same_content(film, other), "both are empty"
