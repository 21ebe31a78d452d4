"""The demo's film, read back by a small EBML reader of our own and by the tools of others where they are installed."""

import hashlib
import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from demo.film import COLOUR_S, make_film

SEGMENT, SEEK_HEAD, INFO, TRACKS, CUES, CLUSTER = 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1F43B675
TRACK_ENTRY, SIMPLE_BLOCK = 0xAE, 0xA3


def elements(data: bytes, start: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """(identifier, offset, payload) of each element at this level; sizes that do not add up fail."""
    at = start
    while at < len(data):
        offset = at
        id_length = 9 - data[at].bit_length()
        identifier = int.from_bytes(data[at : at + id_length], "big")
        at += id_length
        size_length = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + size_length], "big") & (1 << 7 * size_length) - 1
        at += size_length
        assert at + size <= len(data)
        yield identifier, offset, data[at : at + size]
        at += size


def first(data: bytes, *path: int) -> bytes:
    """The payload at the end of a path of identifiers, the first of each."""
    for wanted in path:
        data = next(payload for identifier, _, payload in elements(data) if identifier == wanted)
    return data


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    make_film(path, title="Sintel (2010)")
    return path


@pytest.fixture(scope="module")
def segment(film: Path) -> bytes:
    return first(film.read_bytes(), SEGMENT)


def blocks(segment: bytes, track: int) -> Iterator[tuple[int, bool, bytes]]:
    """(time in ms, is key frame, data) of one track."""
    for identifier, _, cluster in elements(segment):
        if identifier == CLUSTER:
            base_ms = number(first(cluster, 0xE7))
            for kind, _, block in elements(cluster):
                if kind == SIMPLE_BLOCK and block[0] == 0x80 | track:
                    offset_ms, flags = struct.unpack_from(">hB", block, 1)
                    yield base_ms + offset_ms, bool(flags & 0x80), block[4:]


def test_it_begins_as_matroska_and_is_small(film: Path) -> None:
    assert film.read_bytes()[:4] == b"\x1a\x45\xdf\xa3"
    assert first(film.read_bytes(), 0x1A45DFA3, 0x4282) == b"matroska"
    assert 11_000_000 < film.stat().st_size < 12_000_000


def test_it_declares_its_runtime_title_and_maker(segment: bytes) -> None:
    info = first(segment, INFO)
    assert number(first(info, 0x2AD7B1)) == 1_000_000
    assert struct.unpack(">d", first(info, 0x4489)) == (660_000.0,)
    assert first(info, 0x7BA9) == b"Sintel (2010)"
    assert first(info, 0x4D80) == b"understudy"


def test_it_has_h264_video_of_1080_lines_and_an_audio_track(segment: bytes) -> None:
    video, audio = [track for kind, _, track in elements(first(segment, TRACKS)) if kind == TRACK_ENTRY]
    assert first(video, 0x86) == b"V_MPEG4/ISO/AVC"
    assert (number(first(video, 0xE0, 0xB0)), number(first(video, 0xE0, 0xBA))) == (1920, 1080)
    assert first(video, 0x63A2)[:4] == bytes([1, 66, 0xC0, 40]), "avcC version, profile, constraints, level"
    assert first(audio, 0x86) == b"A_PCM/INT/LIT"
    assert struct.unpack(">d", first(audio, 0xE1, 0xB5)) == (8000.0,)


def test_every_picture_has_its_time_and_none_comes_twice(segment: bytes) -> None:
    times_ms = [time_ms for time_ms, _, _ in blocks(segment, 1)]
    assert len(times_ms) == 660 * 24
    assert times_ms[0] == 0
    assert {after - before for before, after in pairwise(times_ms)} == {41, 42}
    assert times_ms[-1] < 660_000


def test_the_sound_lasts_as_long_as_the_picture(segment: bytes) -> None:
    sound = list(blocks(segment, 2))
    assert [time_ms for time_ms, _, _ in sound] == list(range(0, 660_000, 1000))
    assert {len(data) for _, _, data in sound} == {16_000}
    assert 0 < max(abs(sample) for (sample,) in struct.iter_unpack("<h", sound[0][2])) < 1000


def test_every_colour_begins_with_a_key_frame_of_another_colour(segment: bytes) -> None:
    keys = [(time_ms, data) for time_ms, is_key, data in blocks(segment, 1) if is_key]
    assert [time_ms for time_ms, _ in keys] == list(range(0, 660_000, COLOUR_S * 1000))
    assert all(before[1:] != after[1:] for before, after in pairwise(data[:400] for _, data in keys))
    assert len({data[20:400] for _, data in keys}) > 50


def test_all_pictures_are_whole_nal_units(segment: bytes) -> None:
    for _, is_key, data in blocks(segment, 1):
        assert number(data[:4]) == len(data) - 4
        assert data[4] & 0x1F == (5 if is_key else 1)
        assert not any(bad in data[4:] for bad in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))


def test_the_index_leads_to_every_part(segment: bytes) -> None:
    at = {offset: (kind, payload) for kind, offset, payload in elements(segment)}
    for _, _, seek in elements(first(segment, SEEK_HEAD)):
        assert at[number(first(seek, 0x53AC))][0] == number(first(seek, 0x53AB))
    cued = 0
    for _, _, cue in elements(first(segment, CUES)):
        kind, cluster = at[number(first(cue, 0xB7, 0xF1))]
        assert (kind, number(first(cluster, 0xE7))) == (CLUSTER, number(first(cue, 0xB3)))
        cued += 1
    assert cued == sum(kind == CLUSTER for kind, _ in at.values()) == 66


def test_the_bytes_are_those_that_ffmpeg_decoded_without_an_error(film: Path) -> None:
    """For machines without ffmpeg: whoever changes the film decodes it with `ffmpeg -xerror`, then notes its hash."""
    decoded = "5c5690b8364392aeb2caeb10d46880d5c335ce7d6e1a37f3302c39e26966ea00"
    assert hashlib.sha256(film.read_bytes()).hexdigest() == decoded


def test_the_same_film_has_the_same_bytes_and_another_title_makes_another(film: Path, tmp_path: Path) -> None:
    make_film(tmp_path / "same.mkv", title="Sintel (2010)")
    make_film(tmp_path / "other.mkv", title="Sintel (2011)")
    assert (tmp_path / "same.mkv").read_bytes() == film.read_bytes()
    assert first((tmp_path / "other.mkv").read_bytes(), SEGMENT, CLUSTER) != first(film.read_bytes(), SEGMENT, CLUSTER)


def test_a_runtime_between_two_colours_is_exact(tmp_path: Path) -> None:
    make_film(tmp_path / "short.mkv", title="Short", duration_s=13, width=1280, height=720, fps=25)
    segment = first((tmp_path / "short.mkv").read_bytes(), SEGMENT)
    assert [len(list(blocks(segment, track))) for track in (1, 2)] == [13 * 25, 13]


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720), (34, 34)])
def test_ffmpeg_decodes_every_picture_to_one_colour(tmp_path: Path, width: int, height: int) -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    make_film(tmp_path / "film.mkv", title="Film", duration_s=12, width=width, height=height)
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(tmp_path / "film.mkv"), "-map", "0:v"]
    command += ["-vf", r"select=not(mod(n\,24))", "-vsync", "0"]  # one picture of each second
    run = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:"], capture_output=True, check=True)
    assert run.stderr == b""
    size = width * height * 3 // 2
    pictures = [run.stdout[at : at + size] for at in range(0, len(run.stdout), size)]
    assert len(pictures) == 12
    for picture in pictures:
        assert len(picture) == size
        for plane in (picture[: size * 2 // 3], picture[size * 2 // 3 : size * 5 // 6], picture[size * 5 // 6 :]):
            assert plane == plane[:1] * len(plane)
    assert len(set(pictures)) == 2


def test_ffprobe_agrees(film: Path) -> None:
    if not shutil.which("ffprobe"):
        pytest.skip("ffprobe is not installed")
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(film)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    video, audio = found["streams"]
    assert (video["codec_name"], video["width"], video["height"], video["r_frame_rate"]) == ("h264", 1920, 1080, "24/1")
    assert audio["codec_name"] == "pcm_s16le"
    assert float(found["format"]["duration"]) == 660


def test_mediainfo_agrees(film: Path) -> None:
    if not shutil.which("mediainfo"):
        pytest.skip("mediainfo is not installed")
    run = subprocess.run(["mediainfo", "--Output=JSON", film], capture_output=True, check=True)
    general, video, audio = json.loads(run.stdout)["media"]["track"]
    assert (general["Format"], float(general["Duration"])) == ("Matroska", 660)
    assert (video["Format"], video["Width"], video["Height"], video["FrameCount"]) == ("AVC", "1920", "1080", "15840")
    assert (audio["Format"], float(audio["Duration"])) == ("PCM", 660)
