"""What may be filed: judgement of a download's file list and of the first bytes of a film.

Everything here is an allow-list: a film is a file whose extension names a container that its first bytes can prove.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

CONTAINERS: dict[str, str] = {
    ".mkv": "matroska",
    ".mk3d": "matroska",
    ".webm": "matroska",
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mp4",
    ".avi": "avi",
    ".divx": "avi",
    ".ts": "mpeg-ts",
    ".mts": "mpeg-ts",
    ".m2ts": "mpeg-ts",
    ".mpg": "mpeg-ps",
    ".mpeg": "mpeg-ps",
}
VIDEO_EXTENSIONS = frozenset(CONTAINERS)
DANGEROUS_EXTENSIONS = frozenset(
    [
        ".apk",
        ".arj",
        ".bat",
        ".chm",
        ".cmd",
        ".com",
        ".cpl",
        ".desktop",
        ".dll",
        ".dmg",
        ".elf",
        ".exe",
        ".hta",
        ".jar",
        ".js",
        ".jse",
        ".lnk",
        ".lzh",
        ".msi",
        ".pif",
        ".ps1",
        ".reg",
        ".run",
        ".scr",
        ".sh",
        ".svg",
        ".url",
        ".vbe",
        ".vbs",
        ".wsf",
        ".wsh",
        ".zipx",
    ]
)
ARCHIVE_EXTENSIONS = frozenset([".7z", ".bz2", ".gz", ".rar", ".tar", ".tb2", ".tbz2", ".tgz", ".xz", ".zip", ".zst"])
DISC_EXTENSIONS = frozenset({".iso", ".img", ".vob", ".ifo", ".bin", ".nrg"})
DISC_FOLDERS = frozenset({"bdmv", "video_ts", "hvdvd_ts"})
SAMPLE_MAXIMUM_BYTES = 70 * 1024 * 1024
HEAD_BYTES = 1024
"""How much of a file `container_of` wants to see."""

_SPLIT_ARCHIVE = re.compile(r"\.(?:r|s|z)?\d{2,3}")
_SAMPLE = re.compile(r"(?<![^\W_])sample(?![^\W_])", re.IGNORECASE)
_PART = re.compile(r"(?<![^\W_])(?:cd|dvd|dis[ck]|part|pt)[ ._-]?([1-9])(?!\d)", re.IGNORECASE)
_DIRECTION_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """One file of a download; `path` is relative to the download, "/" between elements."""

    path: str
    size_bytes: int


class NoFilmReason(StrEnum):
    """Why a download holds no film that could be filed."""

    EMPTY = "empty"
    UNSAFE_PATH = "unsafe_path"
    DANGEROUS = "dangerous"
    NEEDS_UNPACKING = "needs_unpacking"
    RAW_DISC = "raw_disc"
    MULTI_PART = "multi_part"
    SAMPLE_ONLY = "sample_only"
    NO_VIDEO = "no_video"


@dataclass(frozen=True, kw_only=True)
class NoFilm:
    """A refusal; `text` names the file that decided."""

    reason: NoFilmReason
    text: str


def choose_film(files: Sequence[ListedFile]) -> ListedFile | NoFilm:
    """Return the largest film of a download, or why there is none.

    One hostile path or dangerous file condemns the whole download.
    """
    if not files:
        return NoFilm(reason=NoFilmReason.EMPTY, text="the download lists no file")
    for file in files:
        if not is_safe_path(file.path):
            return NoFilm(reason=NoFilmReason.UNSAFE_PATH, text=f"{file.path!a} is no safe path")
        if is_dangerous(file.path):
            return NoFilm(reason=NoFilmReason.DANGEROUS, text=f"{file.path!a} is of a dangerous kind")
    files = [file for file in files if not _name(file.path).startswith("._")]  # macOS resource forks
    videos = [file for file in files if extension_of(file.path) in VIDEO_EXTENSIONS and file.size_bytes > 0]
    films = [file for file in videos if not is_sample(file)]
    if any(not DISC_FOLDERS.isdisjoint(file.path.casefold().split("/")[:-1]) for file in files):
        return NoFilm(reason=NoFilmReason.RAW_DISC, text="the download is a disc structure")
    if not films:
        return _why_no_film(files, has_sample=bool(videos))
    film = max(films, key=lambda file: (file.size_bytes, file.path))
    if _is_one_of_several_parts(film, films):
        return NoFilm(reason=NoFilmReason.MULTI_PART, text=f"{film.path!a} is one part of several")
    return film


def is_safe_path(path: str) -> bool:
    """Say whether a relative path stays below its folder on every system.

    Refused: absolute, empty, ".", "..", NUL, backslash, elements over 255 bytes, what UTF-8 cannot encode.
    """
    try:
        elements = path.encode().split(b"/")
    except UnicodeEncodeError:
        return False
    return all(
        element not in (b"", b".", b"..") and len(element) <= 255 and b"\0" not in element and b"\\" not in element
        for element in elements
    )


def is_dangerous(path: str) -> bool:
    """Say whether a file could run something when opened, or hides its extension by reversing its name."""
    return extension_of(path) in DANGEROUS_EXTENSIONS or not _DIRECTION_CONTROLS.isdisjoint(path)


def is_sample(file: ListedFile) -> bool:
    """Say whether a small file calls itself, or its folder, a sample."""
    return file.size_bytes < SAMPLE_MAXIMUM_BYTES and _SAMPLE.search(file.path) is not None


def extension_of(path: str) -> str:
    """Return the last extension in lower case with its dot, or ""; padding cannot hide it ("a.mkv .exe . ")."""
    name = unicodedata.normalize("NFKC", _name(path)).rstrip(". \t\u3000")
    _, dot, extension = name.rpartition(".")
    return f".{extension.strip().lower()}" if dot else ""


def container_of(head: bytes) -> str | None:
    """Name the container that a file's first `HEAD_BYTES` prove (fewer of a tiny file); `None`: none that is filed."""
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head[4:8] == b"ftyp":
        return "mp4"
    if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"AVIX"):
        return "avi"
    if head.startswith(b"\x00\x00\x01\xba"):
        return "mpeg-ps"
    if _has_sync_bytes(head, first=0, packet_bytes=188) or _has_sync_bytes(head, first=4, packet_bytes=192):
        return "mpeg-ts"
    return None


def is_container_for(extension: str, head: bytes) -> bool:
    """Say whether the first bytes are what the extension (".mkv") promises."""
    promised = CONTAINERS.get(extension.lower())
    return promised is not None and promised == container_of(head)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _has_sync_bytes(head: bytes, *, first: int, packet_bytes: int) -> bool:
    """Ask for MPEG-TS sync bytes at the start of every packet in view, two at the least."""
    starts = range(first, len(head), packet_bytes)
    return len(starts) >= 2 and all(head[start] == 0x47 for start in starts)


def _is_archive(path: str) -> bool:
    extension = extension_of(path)
    return extension in ARCHIVE_EXTENSIONS or _SPLIT_ARCHIVE.fullmatch(extension) is not None


def _why_no_film(files: Sequence[ListedFile], *, has_sample: bool) -> NoFilm:
    for file in files:
        if _is_archive(file.path):
            return NoFilm(reason=NoFilmReason.NEEDS_UNPACKING, text=f"{file.path!a} needs unpacking first")
        if extension_of(file.path) in DISC_EXTENSIONS:
            return NoFilm(reason=NoFilmReason.RAW_DISC, text=f"{file.path!a} is a disc image")
    if has_sample:
        return NoFilm(reason=NoFilmReason.SAMPLE_ONLY, text="the only video is a sample")
    return NoFilm(reason=NoFilmReason.NO_VIDEO, text=f"none of {len(files)} files is a video")


def _is_one_of_several_parts(film: ListedFile, films: Sequence[ListedFile]) -> bool:
    """Look for a file whose path differs in the part's number only."""
    if not _PART.search(film.path):
        return False
    pattern = _PART.sub("#", film.path)
    return any(other is not film and _PART.sub("#", other.path) == pattern for other in films)
