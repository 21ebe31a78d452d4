"""Reads movies and releases from files: a movie is one JSON object, releases stand one to a line.

A line is a JSON object, or else a release name. Lines are read one by one, so that a file may be of any length.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from config.forms import MovieForm, ReleaseForm
from config.mistakes import ConfigError, Mistake, found_by, read_text
from movies.errors import BadWanted
from movies.movie import parse_wanted

MAX_LINE_BYTES = 64 * 1024
Form = TypeVar("Form", bound=BaseModel)


def read_movie(words: str) -> MovieForm:
    """The movie in the file of that name, or else the one that is written "Title (Year)". Raises ConfigError."""
    path = Path(words)
    if not os.path.isfile(words) and path.suffix != ".json":  # Path.is_file raises where a name is too long
        try:
            title, year = parse_wanted(words)
        except BadWanted as error:
            raise ConfigError([Mistake(file=path, line=None, text=str(error))]) from None
        return _checked(MovieForm, {"title": title, "year": year}, path, None)
    path = path.absolute()
    return _checked(MovieForm, _json(read_text(path), path, None), path, None)


def read_releases(file: BinaryIO, path: Path) -> Iterator[tuple[int, ReleaseForm]]:
    """Each release with the number of its line, from 1. Raises ConfigError at the first line that is none."""
    number = 0
    while line := _read_line(file, path):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise ConfigError([Mistake(file=path, line=number, text="is longer than 64 KiB")])
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise ConfigError([Mistake(file=path, line=number, text="is not UTF-8 text")]) from None
        if text:
            document = _json(text, path, number) if text.startswith("{") else {"title": text}
            yield number, _checked(ReleaseForm, document, path, number)


def _read_line(file: BinaryIO, path: Path) -> bytes:
    """The next line, or as much of it as shows that it is too long."""
    try:
        return file.readline(MAX_LINE_BYTES + 1)
    except OSError as error:
        raise ConfigError([Mistake(file=path, line=None, text=f"cannot be read: {error.strerror}")]) from None


def _json(text: str, path: Path, line: int | None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        mistake = Mistake(file=path, line=line or error.lineno, text=f"is not valid JSON: {error.msg}")
    except RecursionError:
        mistake = Mistake(file=path, line=line, text="is nested too deeply")
    except ValueError:
        mistake = Mistake(file=path, line=line, text="is not valid JSON: a number has too many digits")
    raise ConfigError([mistake])


def _checked(form: type[Form], document: Any, path: Path, line: int | None) -> Form:
    if not isinstance(document, dict):
        raise ConfigError([Mistake(file=path, line=line, text="expected an object")])
    try:
        return form.model_validate(document)
    except ValidationError as error:
        found = found_by(error, document, form)
    raise ConfigError([Mistake(file=path, line=line, text=what) for _, what in found])
