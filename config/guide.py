"""A folder of the TRaSH guides' JSON files for Radarr, as they are published: read once, looked up by id."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from config.mistakes import ConfigError, Mistake, read_text
from movies.errors import MovieError
from movies.format_guide import (
    GuideFormat,
    GuideGroup,
    GuideProfile,
    guide_format,
    guide_group,
    guide_profile,
    guide_sizes,
)
from movies.quality import SizeBounds

IN_THE_REPOSITORY = Path("docs/json/radarr")
"""Where the files are in a clone of the guides."""

Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True)
class GuideFile:
    """One file, of which only that it is JSON is known."""

    path: Path
    text: str
    document: Mapping[str, Any]

    def read(self, reader: Callable[[Mapping[str, Any]], Read]) -> Read:
        """What the file says. Raises ConfigError with its path, and the line of what is wrong where that is known."""
        try:
            return reader(self.document)
        except MovieError as error:
            raise ConfigError([Mistake(file=self.path, line=self._line_in(str(error)), text=str(error))]) from None

    def _line_in(self, message: str) -> int | None:
        """The line of the longest value that the message cites."""
        lines = self.text.splitlines()
        values = sorted(set(_strings(self.document)), key=len, reverse=True)
        for value in values:
            if f'"{value}"' in message:
                written = (json.dumps(value, ensure_ascii=False), json.dumps(value))
                return next((n for n, line in enumerate(lines, 1) if any(text in line for text in written)), None)
        return None


@dataclass(frozen=True, kw_only=True)
class Guide:
    """The guides' files. Methods return None for an id that no file has; ConfigError: the file is wrong."""

    folder: Path
    format_files: Mapping[str, GuideFile] = field(default_factory=dict)
    group_files: Mapping[str, GuideFile] = field(default_factory=dict)
    profile_files: Mapping[str, GuideFile] = field(default_factory=dict)
    size_files: Mapping[str, GuideFile] = field(default_factory=dict)

    def format(self, trash_id: str) -> GuideFormat | None:
        file = self.format_files.get(trash_id)
        return None if file is None else file.read(guide_format)

    def profile(self, trash_id: str) -> GuideProfile | None:
        file = self.profile_files.get(trash_id)
        return None if file is None else file.read(guide_profile)

    def sizes(self, kind: str) -> Mapping[str, SizeBounds] | None:
        """Bounds by quality of a type of films, such as "movie"."""
        file = self.size_files.get(kind)
        return None if file is None else file.read(guide_sizes)

    def formats_of(self, trash_id: str) -> dict[str, GuideFormat]:
        """The formats of a profile by their ids: its own, and those of the groups that are on by default."""
        found = {one: self.format(one) for one in self._format_ids(trash_id)}
        return {one: format_ for one, format_ in found.items() if format_ is not None}

    def formats_lacking(self, trash_id: str) -> list[str]:
        """The ids of a profile's formats that no file has."""
        return [one for one in self._format_ids(trash_id) if one not in self.format_files]

    def _format_ids(self, trash_id: str) -> list[str]:
        profile = self.profile(trash_id)
        ids = list(profile.formats if profile else ())
        for group in self.groups:
            if group.is_default and trash_id in group.profiles:
                ids += group.formats
        return list(dict.fromkeys(ids))

    @cached_property
    def groups(self) -> tuple[GuideGroup, ...]:
        return tuple(file.read(guide_group) for file in self.group_files.values())


def read_guide(folder: Path) -> Guide:
    """The guides in a folder, or in the clone of their repository there; empty where there are none.

    Raises ConfigError for files that are no JSON.
    """
    inner = folder / IN_THE_REPOSITORY
    place = inner if inner.is_dir() else folder
    return Guide(
        folder=folder,
        format_files=dict(_files_by("trash_id", place / "cf")),
        group_files=dict(_files_by("trash_id", place / "cf-groups")),
        profile_files=dict(_files_by("trash_id", place / "quality-profiles")),
        size_files=dict(_files_by("type", place / "quality-size")),
    )


def _files_by(key: str, folder: Path) -> Iterator[tuple[str, GuideFile]]:
    for path in sorted(folder.glob("*.json")):
        text = read_text(path)
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError([Mistake(file=path, line=error.lineno, text=f"is not JSON: {error.msg}")]) from None
        except (ValueError, RecursionError):
            raise ConfigError([Mistake(file=path, line=None, text="is not JSON that can be read")]) from None
        if isinstance(document, dict) and isinstance(document.get(key), str):
            yield document[key], GuideFile(path=path, text=text, document=document)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(inner)
