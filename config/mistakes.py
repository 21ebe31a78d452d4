"""What is wrong in a TOML or JSON document: one line for each mistake, with its place, the key and what is expected."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from config.lines import Location, lines_of
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


def placed(path: Path, text: str, found: Iterable[tuple[Location, str]]) -> ConfigError:
    """The error for what was found at locations of a TOML text."""
    lines = lines_of(text)
    mistakes = [Mistake(file=path, line=_nearest_line(lines, location), text=what) for location, what in found]
    return ConfigError(sorted(mistakes, key=lambda mistake: mistake.line or 0))


def found_by(error: ValidationError, document: Any, root: type[BaseModel]) -> list[tuple[Location, str]]:
    """Where in the document pydantic found what; `root` is the model that refused it."""
    return [_located(document, detail, root) for detail in error.errors(include_url=False)]


def read_text(path: Path) -> str:
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


def parse_document(path: Path, text: str) -> dict[str, Any]:
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


def _located(document: Any, detail: Mapping[str, Any], root: type[BaseModel]) -> tuple[Location, str]:
    """Where one of pydantic's errors is in the file, and its text, which never repeats what may be a secret."""
    location = _in_document(detail["loc"], document, keeps_last=detail["type"] == "missing")
    key = written(location)
    match detail["type"]:
        case "extra_forbidden":
            return location, f"unknown key {key}{did_you_mean(str(location[-1]), _keys_beside(detail['loc'], root))}"
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


def written(location: Location) -> str:
    """The key as it stands in the file; which of an array's elements is meant, the line tells."""
    return ".".join(part for part in location if isinstance(part, str))


def _in_document(location: Location, document: Any, *, keeps_last: bool) -> Location:
    """The error's path without the parts that exist in the schema only, such as a union's tag."""
    location = _without_tag(location)
    kept: list[str | int] = []
    for number, part in enumerate(location):
        if _holds(document, part):
            document = document[part]
        elif not keeps_last or number < len(location) - 1:
            continue
        kept.append(part)
    return tuple(kept)


def _without_tag(location: Location) -> Location:
    match location:
        case ("download_clients", _, _, *inner):
            return (*location[:2], *inner)
        case ("formats", _, "conditions", _, _, *inner):
            return (*location[:4], *inner)
    return location


def _holds(document: Any, part: str | int) -> bool:
    if isinstance(document, list):
        return isinstance(part, int) and part < len(document)
    return isinstance(document, dict) and part in document


def _nearest_line(lines: Mapping[Location, int], location: Location) -> int | None:
    inner_first = (location[:length] for length in range(len(location), 0, -1))
    return next((lines[part] for part in inner_first if part in lines), None)


def _keys_beside(location: Location, root: type[BaseModel]) -> list[str]:
    """The keys that the schema knows in the table where pydantic found an unknown one."""
    annotation: Any = root
    for part in location[:-1]:
        annotation = _inside(annotation, part)
    return list(_fields(_bare(annotation)))


def _inside(annotation: Any, part: str | int) -> Any:
    """The type of what one step of an error's path leads to."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _fields(annotation).get(str(part)) or _type_of_extras(annotation)
    members = get_args(annotation)
    if get_origin(annotation) is tuple:
        return members[0]
    if get_origin(annotation) is dict:
        return members[1]
    return next(table for table in members if part in get_args(table.model_fields["type"].annotation))


def _bare(annotation: Any) -> Any:
    """The type without what pydantic checks beside it, and without None beside it."""
    while get_origin(annotation) is Annotated or NoneType in get_args(annotation):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    return annotation


def _type_of_extras(table: type[BaseModel]) -> Any:
    """The type of the values whose keys the users choose."""
    return get_args(table.__annotations__["__pydantic_extra__"])[1]


def _fields(table: type[BaseModel]) -> dict[str, Any]:
    return {info.alias or name: info.annotation for name, info in table.model_fields.items()}
