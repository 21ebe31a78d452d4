"""Reads config.toml. Every mistake is one line: file, line, what is expected, and the nearest key; all at once."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from config.lines import Location, lines_of
from config.schema import Builtin, Config
from movies.errors import did_you_mean

MAX_FILE_BYTES = 4 * 2**20
MAX_TEXT_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """`line` counts from 1; None: the whole file."""

    file: Path
    line: int | None
    text: str

    def __str__(self) -> str:
        """One line, whatever characters are in the file's keys and values."""
        place = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        text = self.text if len(self.text) <= MAX_TEXT_LENGTH else f"{self.text[:MAX_TEXT_LENGTH]}..."
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in f"{place}: {text}")


class ConfigError(Exception):
    """The file cannot be used; `mistakes` in order of their lines."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError: first for what is wrong in a table, then between tables."""
    path = path.absolute()
    text = _read(path)
    document = _parse(path, text)
    try:
        config = Config.model_validate(document, context={"folder": path.parent})
    except ValidationError as error:
        found = [_located(document, detail) for detail in error.errors(include_url=False)]
    else:
        found = list(contradictions(config))
        if not found:
            return config
    lines = lines_of(text)
    mistakes = [Mistake(file=path, line=_nearest_line(lines, location), text=what) for location, what in found]
    raise ConfigError(sorted(mistakes, key=lambda mistake: mistake.line or 0))


def contradictions(config: Config) -> Iterator[tuple[Location, str]]:
    """What is wrong between tables, each well formed in itself."""
    yield from _named_twice("indexers", config.indexers)
    yield from _named_twice("download_clients", config.download_clients)
    roots = [root.path for root in config.roots]
    for number, root in enumerate(roots):
        if root in roots[:number]:
            yield ("roots", number, "path"), f'roots.path: "{root}" is given twice'
    for block, wanted in config.wanted.items():
        profile = wanted.profile or block
        if profile not in config.all_profiles:
            key = ("wanted", block, "profile") if wanted.profile else ("wanted", block)
            text = f'no profile is called "{profile}"{did_you_mean(profile, config.all_profiles)}'
            yield key, f"{_written(key)}: {text}"
        if wanted.root is not None and wanted.root not in roots:
            yield ("wanted", block, "root"), f'wanted.{block}.root: "{wanted.root}" is not one of the roots'
    for number, client in enumerate(config.download_clients):
        for root in roots:
            if isinstance(client, Builtin) and client.download_dir.is_relative_to(root):
                text = f'download_clients.download_dir: downloads must not lie inside the root "{root}"'
                yield ("download_clients", number, "download_dir"), text


def _named_twice(table: str, entries: Sequence[Any]) -> Iterator[tuple[Location, str]]:
    names = [entry.name for entry in entries]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield (table, number, "name"), f'{table}.name: "{name}" is given twice'


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError([Mistake(file=path, line=None, text=f"cannot be read: {error.strerror}")]) from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError([Mistake(file=path, line=None, text="is larger than 4 MiB")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError([Mistake(file=path, line=line, text="is not UTF-8 text")]) from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:  # mostly a TOMLDecodeError; a number of thousands of digits is a plain one
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        line = int(place[1] or text.count("\n") + 1) if place else None
        what = str(error)[: place.start()] if place else "a number has too many digits"
        raise ConfigError([Mistake(file=path, line=line, text=f"is not valid TOML: {what}")]) from None
    except RecursionError:
        raise ConfigError([Mistake(file=path, line=None, text="is nested too deeply")]) from None


_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_too_short": "a string that is not empty",
}
"""What pydantic's kinds of errors mean to somebody who writes TOML."""


def _located(document: Any, detail: Mapping[str, Any]) -> tuple[Location, str]:
    """Where one of pydantic's errors is in the file, and its text, which never repeats what may be a secret."""
    location = _in_document(detail["loc"], document, keeps_last=detail["type"] == "missing")
    key = _written(location)
    match detail["type"]:
        case "extra_forbidden":
            return location, f"unknown key {key}{did_you_mean(str(location[-1]), _keys_beside(detail['loc']))}"
        case "missing":
            return location, f"{key} is missing"
        case "union_tag_not_found":
            return location, f"{key}.type is missing"
        case "union_tag_invalid":
            tag, known = detail["ctx"]["tag"], detail["ctx"]["expected_tags"]
            nearest = did_you_mean(tag, re.findall(r"[\w-]+", known))
            return (*location, "type"), f"{key}.type: expected one of {known}{nearest}"
        case "value_error":
            return location, f"{key}: {detail['ctx']['error']}"
        case "tuple_type" if isinstance(detail["input"], dict) and len(location) == 1:
            return location, f"{key}: expected an array of tables; write [[{key}]]"
    expected = _EXPECTED.get(detail["type"]) or re.sub(r"^\w+ should (be|have) ", "", detail["msg"])
    expected = re.sub(r"^(?=greater|less)", "a value ", expected)
    return location, f"{key}: expected {expected}"


def _written(location: Location) -> str:
    """The key as it stands in the file; which of an array's elements is meant, the line tells."""
    return ".".join(part for part in location if isinstance(part, str))


def _in_document(location: Location, document: Any, *, keeps_last: bool) -> Location:
    """The error's path without the parts that exist in the schema only, such as a union's tag."""
    if location[:1] == ("download_clients",):
        location = (*location[:2], *location[3:])
    kept: list[str | int] = []
    for number, part in enumerate(location):
        if _holds(document, part):
            document = document[part]
        elif not keeps_last or number < len(location) - 1:
            continue
        kept.append(part)
    return tuple(kept)


def _holds(document: Any, part: str | int) -> bool:
    if isinstance(document, list):
        return isinstance(part, int) and part < len(document)
    return isinstance(document, dict) and part in document


def _nearest_line(lines: Mapping[Location, int], location: Location) -> int | None:
    inner_first = (location[:length] for length in range(len(location), 0, -1))
    return next((lines[part] for part in inner_first if part in lines), None)


def _keys_beside(location: Location) -> list[str]:
    """The keys that the schema knows in the table where pydantic found an unknown one."""
    annotation: Any = Config
    for part in location[:-1]:
        annotation = _inside(annotation, part)
    return list(_fields(annotation))


def _inside(annotation: Any, part: str | int) -> Any:
    """The type of what one step of an error's path leads to."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _fields(annotation)[str(part)]
    members = get_args(annotation)
    if get_origin(annotation) is tuple:
        return members[0]
    if get_origin(annotation) is dict:
        return members[1]
    return next(table for table in members if part in get_args(table.model_fields["type"].annotation))


def _fields(table: type[BaseModel]) -> dict[str, Any]:
    return {info.alias or name: info.annotation for name, info in table.model_fields.items()}
