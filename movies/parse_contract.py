"""The stable contract of a parsed name for other tools: one JSON object a name, its keys always the same.

A name read as a whole gives every key of `facts_json`; one asked for a part gives `input` and that part's keys. What
cannot be read gives `{"input": ..., "parsed": false, "reason": ...}` with a reason of `UnparsableReason`.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

from movies.files import DISC_FOLDERS
from movies.quality import UNKNOWN
from movies.release import (
    ParsedRelease,
    Unparsable,
    UnparsableReason,
    parse_release,
    read_languages,
    read_quality,
    read_release_group,
)

Json = str | int | bool | list[str] | None


class NameKind(StrEnum):
    """What a name is, and what is asked of it; the last three ask for a part, also of an episode's name."""

    RELEASE = "release"
    FOLDER = "folder"
    PATH = "path"
    QUALITY = "quality"
    LANGUAGES = "languages"
    RELEASE_GROUP = "release_group"


_SLASH = re.compile(r"[/\\]")
_SAYS_NOTHING = frozenset({UnparsableReason.EMPTY, UnparsableReason.OBFUSCATED, UnparsableReason.NO_TITLE})


def parsed_json(name: str, kind: NameKind = NameKind.RELEASE) -> dict[str, Json]:
    """Return what a name says, as JSON's types; languages and qualities by their names in the tables."""
    return {"input": name, **_READERS[kind](name)}


def facts_json(parsed: ParsedRelease | Unparsable) -> Mapping[str, Json]:
    """Return what was read of a whole name, without the name."""
    if isinstance(parsed, Unparsable):
        return {"parsed": False, "reason": parsed.reason.value}
    return {
        "parsed": True,
        "title": parsed.title,
        "titles": list(parsed.titles),
        "year": parsed.year,
        "edition": parsed.edition,
        "quality": parsed.quality.name,
        "languages": list(parsed.languages),
        "release_group": parsed.release_group,
        "version": parsed.revision.version,
        "repack": parsed.revision.is_repack,
        "real": parsed.revision.real,
        "hardcoded_subs": parsed.hardcoded_subs,
        "imdb_id": parsed.imdb_id,
        "tmdb_id": parsed.tmdb_id,
        "dynamic_range": sorted(value.value for value in parsed.dynamic_range),
        "video_codec": parsed.video_codec,
        "audio_codecs": list(parsed.audio_codecs),
        "audio_channels": parsed.audio_channels,
        "is_3d": parsed.is_3d,
        "is_truncated": parsed.is_truncated,
    }


def _release(name: str) -> Mapping[str, Json]:
    return facts_json(parse_release(name))


def _path(path: str) -> Mapping[str, Json]:
    """Read a file by its name, or by its folder's where the file's says nothing or less."""
    *folders, file = _outside_disc([part for part in _SLASH.split(path) if part]) or [""]
    parsed = parse_release(file)
    of_folder = parse_release(folders[-1]) if folders else None
    if isinstance(of_folder, ParsedRelease):
        if isinstance(parsed, Unparsable):
            parsed = of_folder if parsed.reason in _SAYS_NOTHING else parsed
        elif parsed.year is None and of_folder.year is not None and _is_release(of_folder):
            parsed = of_folder  # scene files have short names: "Some.Film.2010.1080p.BluRay.x264-GRP/grp-sf.mkv"
    return facts_json(parsed)


def _is_release(folder: ParsedRelease) -> bool:
    """Say whether a folder bears a release's name, and not a movie's or a collection's."""
    return folder.release_group is not None or folder.quality is not UNKNOWN


def _outside_disc(parts: list[str]) -> list[str]:
    """Return a path without what is inside a disc's structure, whose names are the same on every disc."""
    inside = next((place for place, part in enumerate(parts) if part.casefold() in DISC_FOLDERS), 0)
    return parts[:inside] if inside else parts


def _quality(name: str) -> Mapping[str, Json]:
    quality, revision = read_quality(name)
    return {
        "quality": quality.name,
        "version": revision.version,
        "repack": revision.is_repack,
        "real": revision.real,
    }


def _languages(name: str) -> Mapping[str, Json]:
    return {"languages": list(read_languages(name))}


def _release_group(name: str) -> Mapping[str, Json]:
    return {"release_group": read_release_group(name)}


_READERS: Mapping[NameKind, Callable[[str], Mapping[str, Json]]] = {
    NameKind.RELEASE: _release,
    NameKind.FOLDER: _release,
    NameKind.PATH: _path,
    NameKind.QUALITY: _quality,
    NameKind.LANGUAGES: _languages,
    NameKind.RELEASE_GROUP: _release_group,
}
