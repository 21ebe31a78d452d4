import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.files import (
    CONTAINERS,
    DANGEROUS_EXTENSIONS,
    ListedFile,
    NoFilm,
    NoFilmReason,
    choose_film,
    container_of,
    extension_of,
    is_container_for,
    is_safe_path,
)

MIB = 1024 * 1024
MATROSKA = b"\x1a\x45\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x23"
TS_PACKET = b"\x47" + bytes(187)
M2TS_PACKET = bytes(4) + TS_PACKET
HEADS = {
    "matroska": MATROSKA,
    "mp4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00",
    "avi": b"RIFF\x00\x10\x00\x00AVI LIST",
    "mpeg-ts": TS_PACKET * 3,
    "mpeg-ps": b"\x00\x00\x01\xba\x44\x00",
}


def listed(*files: tuple[str, int]) -> list[ListedFile]:
    return [ListedFile(path=path, size_bytes=size) for path, size in files]


def reason_of(*files: tuple[str, int]) -> NoFilmReason | None:
    chosen = choose_film(listed(*files))
    return chosen.reason if isinstance(chosen, NoFilm) else None


def test_the_largest_video_is_the_film() -> None:
    files = listed(("S/extra.mkv", 80 * MIB), ("S/sintel.mkv", 700 * MIB), ("S/cover.jpg", 1), ("S/sintel.srt", 9))
    assert choose_film(files) == files[1]


def test_a_small_film_is_a_film() -> None:
    assert reason_of(("sintel.mkv", 11 * MIB)) is None


def test_a_sample_is_never_the_film() -> None:
    files = listed(("S/Sample/s.mkv", 60 * MIB), ("S/film.mp4", 20 * MIB), ("S/x-sample.mkv", 50 * MIB))
    assert choose_film(files) == files[1]
    assert reason_of(("sample.mkv", 10 * MIB)) is NoFilmReason.SAMPLE_ONLY


def test_a_film_called_sample_is_a_film_when_it_is_large() -> None:
    assert reason_of(("The.Sample.2014.mkv", 70 * MIB)) is None


def test_resource_forks_are_not_seen() -> None:
    assert reason_of(("._sintel.mkv", 900 * MIB)) is NoFilmReason.NO_VIDEO


@pytest.mark.parametrize("extension", sorted(DANGEROUS_EXTENSIONS))
def test_one_dangerous_file_condemns_the_download(extension: str) -> None:
    assert reason_of(("sintel.mkv", 700 * MIB), (f"codec{extension}", 10)) is NoFilmReason.DANGEROUS


DISGUISED = "Movie.mkv.lnk|Movie.mkv      .exe|Movie.mkv.EXE|Movie.exe. |Movie.exe.|Mov\u202evkm.exe.mkv|a.\uff45xe"


@pytest.mark.parametrize("path", DISGUISED.split("|"))
def test_disguised_programs_are_dangerous(path: str) -> None:
    assert reason_of((path, 700 * MIB)) is NoFilmReason.DANGEROUS


@pytest.mark.parametrize("path", ["m.rar", "m.r00", "m.part01.rar", "m.7z.001", "m.z01", "m.tar.gz"])
def test_archives_without_a_film_need_unpacking(path: str) -> None:
    assert reason_of((path, 700 * MIB), ("Sample/m-sample.mkv", 20 * MIB)) is NoFilmReason.NEEDS_UNPACKING
    assert reason_of((path, 1 * MIB), ("m.mkv", 700 * MIB)) is None


@pytest.mark.parametrize(
    "names", [("m-cd1.avi", "m-cd2.avi"), ("M Part 1.mkv", "M Part 2.mkv"), ("CD1/m.avi", "CD2/m.avi")]
)
def test_a_film_in_parts_is_refused(names: tuple[str, str]) -> None:
    assert reason_of(*((name, 700 * MIB) for name in names)) is NoFilmReason.MULTI_PART


def test_a_part_one_alone_is_a_film() -> None:
    assert reason_of(("Harry.Potter.Part.1.mkv", 700 * MIB), ("extras.mkv", 90 * MIB)) is None


@pytest.mark.parametrize("path", ["M/BDMV/STREAM/00001.m2ts", "VIDEO_TS/VTS_01_1.VOB", "m.iso"])
def test_discs_are_refused(path: str) -> None:
    assert reason_of((path, 20_000 * MIB)) is NoFilmReason.RAW_DISC


def test_nothing_to_file_is_said() -> None:
    assert reason_of() is NoFilmReason.EMPTY
    assert reason_of(("readme.txt", 3)) is NoFilmReason.NO_VIDEO
    assert reason_of(("empty.mkv", 0)) is NoFilmReason.NO_VIDEO


UNSAFE = ["", "/a", "a//b", "a/", ".", "..", "a/../b", "a/./b", "a\0b", "a\\b", "é" * 128, "\ud800.mkv"]


@pytest.mark.parametrize("path", UNSAFE)
def test_a_path_that_could_leave_its_folder_is_unsafe(path: str) -> None:
    assert not is_safe_path(path)
    assert reason_of((path, 700 * MIB), ("film.mkv", 700 * MIB)) is NoFilmReason.UNSAFE_PATH


@pytest.mark.parametrize("path", ["a", "a/b.mkv", "...", "..a/b..", "é" * 127, "a b/c"])
def test_ordinary_paths_are_safe(path: str) -> None:
    assert is_safe_path(path)


def test_an_extension_is_the_last_one() -> None:
    assert extension_of("a.b/Movie.MKV") == ".mkv"
    assert extension_of("a.b/README") == ""


@pytest.mark.parametrize("container", HEADS)
def test_a_container_is_known_by_its_first_bytes(container: str) -> None:
    assert container_of(HEADS[container]) == container


def test_blu_ray_transport_streams_have_longer_packets() -> None:
    assert container_of(M2TS_PACKET * 3) == "mpeg-ts"


@pytest.mark.parametrize("extension", CONTAINERS)
def test_an_extension_must_agree_with_the_first_bytes(extension: str) -> None:
    matching = [container for container, head in HEADS.items() if is_container_for(extension, head)]
    assert matching == [CONTAINERS[extension]]


PROGRAMS = [b"MZ\x90\x00", b"\x7fELF", b"PK\x03\x04", b"Rar!\x1a\x07", b"#!/bin/sh\n", b"L\x00\x00\x00"]


@pytest.mark.parametrize("head", [*PROGRAMS, b"", b"G", TS_PACKET])
def test_other_files_are_no_container(head: bytes) -> None:
    assert container_of(head) is None
    assert not any(is_container_for(extension, head) for extension in CONTAINERS)


def test_an_extension_outside_the_list_promises_nothing() -> None:
    assert not is_container_for(".exe", MATROSKA)


@given(st.binary(max_size=600))
def test_any_bytes_can_be_judged(head: bytes) -> None:
    assert container_of(head) in {None, *CONTAINERS.values()}


PATHS = st.text(alphabet=string.ascii_letters + "./\\ -_\0é\u202e", max_size=40)


@given(st.lists(st.builds(ListedFile, path=PATHS, size_bytes=st.integers(0, 10**12)), max_size=8))
def test_any_list_can_be_judged_and_a_film_is_always_a_safe_video(files: list[ListedFile]) -> None:
    chosen = choose_film(files)
    if isinstance(chosen, ListedFile):
        assert chosen in files
        assert is_safe_path(chosen.path)
        assert extension_of(chosen.path) in CONTAINERS
