"""Reads config.toml. Every mistake is one line: file, line, what is expected, and the nearest key; all at once."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from config.schema import Builtin, Config

MAX_FILE_BYTES = 4 * 2**20

Location = tuple[str | int, ...]
"""A key's path in the file: table names, keys, and numbers in arrays of tables."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    file: Path
    line: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


class ConfigError(Exception):
    """The file cannot be used; `mistakes` in order of their lines."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError."""
    path = path.absolute()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError([Mistake(file=path, line=None, text=f"cannot be read: {error.strerror}")]) from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError([Mistake(file=path, line=None, text="is larger than 4 MiB")])
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError([Mistake(file=path, line=line, text="is not UTF-8 text")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_mistake(path, str(error))]) from None
    lines = lines_of(text)
    try:
        config = Config.model_validate(document, context={"folder": path.parent})
    except ValidationError as error:
        mistakes = [_mistake(path, lines, document, detail) for detail in error.errors(include_url=False)]
        raise ConfigError(sorted(mistakes, key=lambda mistake: mistake.line or 0)) from None
    crossed = [
        Mistake(file=path, line=_nearest_line(lines, location), text=text) for location, text in contradictions(config)
    ]
    if crossed:
        raise ConfigError(crossed)
    return config


def contradictions(config: Config) -> Iterator[tuple[Location, str]]:
    """What is wrong between tables, each well formed in itself."""
    for table in ("indexers", "download_clients"):
        names = [entry.name for entry in getattr(config, table)]
        for number, name in enumerate(names):
            if name in names[:number]:
                yield (table, number, "name"), f'the name "{name}" is given twice in {table}'
    roots = [root.path for root in config.roots]
    for number, root in enumerate(roots):
        if root in roots[:number]:
            yield ("roots", number, "path"), f'the root "{root}" is given twice'
    for block, wanted in config.wanted.items():
        profile = wanted.profile or block
        if profile not in config.all_profiles:
            key = ("wanted", block, "profile") if wanted.profile else ("wanted", block)
            yield key, f'no profile is called "{profile}"{_suggest(profile, config.all_profiles)}'
        if wanted.root is not None and wanted.root not in roots:
            yield ("wanted", block, "root"), f'"{wanted.root}" is not one of the roots'
    for number, client in enumerate(config.download_clients):
        folder = client.download_dir if isinstance(client, Builtin) else None
        for root in roots:
            if folder is not None and folder.is_relative_to(root):
                yield ("download_clients", number, "download_dir"), "downloads must not lie inside a root folder"


def lines_of(text: str) -> dict[Location, int]:
    """The line of every table and key, as far as a line-by-line reading finds them."""
    found: dict[Location, int] = {}
    table: Location = ()
    counts: dict[Location, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if header := re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line):
            names = tuple(_keys(header[2]))
            if header[1] == "[[":
                counts[names] = counts.get(names, -1) + 1
                table = (*names, counts[names])
            else:
                inside = next((names[:n] for n in range(len(names), 0, -1) if names[:n] in counts), None)
                table = (*inside, counts[inside], *names[len(inside) :]) if inside else names
            found.setdefault(table, number)
        elif key := re.match(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""", line):
            found.setdefault((*table, *_keys(key[1])), number)
    return found


def _keys(dotted: str) -> list[str]:
    return [a or b or c for a, b, c in re.findall(r"""([\w-]+)|"([^"]*)"|'([^']*)'""", dotted)]


def _syntax_mistake(path: Path, text: str) -> Mistake:
    place = re.search(r"\(at line (\d+), column (\d+)\)", text)
    what = re.sub(r" \(at .*\)", "", text)
    return Mistake(file=path, line=int(place[1]) if place else None, text=f"is not valid TOML: {what}")


def _mistake(path: Path, lines: Mapping[Location, int], document: Any, detail: Mapping[str, Any]) -> Mistake:
    location = _in_document(detail["loc"], document, keeps_last=detail["type"] in ("missing", "extra_forbidden"))
    key = ".".join(str(part) for part in location)
    match detail["type"]:
        case "extra_forbidden":
            text = f"unknown key {key}{_suggest(str(location[-1]), _fields_at(location[:-1], document))}"
        case "missing":
            text = f"{key} is missing"
        case "union_tag_invalid" | "union_tag_not_found":
            expected = detail.get("ctx", {}).get("expected_tags", "'builtin', 'qbittorrent'")
            text = f"{key}.type: expected one of {expected}"
            location = (*location, "type")
        case _:
            text = f"{key}: {detail['msg'].removeprefix('Value error, ')}"
    return Mistake(file=path, line=_nearest_line(lines, location), text=text)


def _in_document(location: Location, document: Any, *, keeps_last: bool) -> Location:
    """The error's path without the parts that exist in the schema only, such as a union's tag."""
    kept: list[str | int] = []
    for number, part in enumerate(location):
        is_last = number == len(location) - 1
        if _holds(document, part):
            document = document[part]
        elif not (is_last and keeps_last):
            continue
        kept.append(part)
    return tuple(kept)


def _holds(document: Any, part: Any) -> bool:
    if isinstance(document, list):
        return isinstance(part, int) and part < len(document)
    return isinstance(document, dict) and part in document


def _nearest_line(lines: Mapping[Location, int], location: Location) -> int | None:
    for length in range(len(location), 0, -1):
        if location[:length] in lines:
            return lines[location[:length]]
    return None


def _suggest(word: str, known: Mapping[str, Any] | list[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f', did you mean "{near[0]}"?' if near else ""


def _fields_at(location: Location, document: Any) -> list[str]:
    """The keys that the schema knows in the table at `location`."""
    model: Any = Config
    for part in location:
        document = document[part] if _holds(document, part) else None
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel):
            named = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
            model = named.get(part)
        model = _table_in(model, document)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [info.alias or name for name, info in model.model_fields.items()]
    return []


def _table_in(annotation: Any, document: Any) -> Any:
    """The table class inside tuple[...], dict[...] and unions; of several the one whose `type` the document names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    tables = [found for inner in get_args(annotation) if (found := _table_in(inner, document)) is not None]
    kind = document.get("type") if isinstance(document, dict) else None
    for table in tables:
        if "type" in table.model_fields and kind in get_args(table.model_fields["type"].annotation):
            return table
    return tables[0] if tables else None
