"""Configuration files for tests: the committed one, with its examples switched on if need be, and small ones."""

import re
from pathlib import Path

from config.loading import load
from config.mistakes import ConfigError

COMMITTED = Path(__file__).parents[2] / "config.toml"

_EXAMPLE = re.compile(r"""^# (?=\[\[?[\w."() ]+\]|(?:\w+|"[^"]+") = |  \{ |\]$)""", re.MULTILINE)


def with_examples(text: str) -> str:
    """The text with `# [table]` and `# key = value` uncommented, as its users would do it."""
    return _EXAMPLE.sub("", text)


FULL = with_examples(COMMITTED.read_text())


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def mistakes_in(path: Path) -> list[str]:
    """Each mistake as it is shown, without the file's path: "3: text", or "text" where it has no line."""
    try:
        load(path)
    except ConfigError as error:
        mistakes, whole = error.mistakes, str(error)
    else:
        return []
    shown = [str(mistake) for mistake in mistakes]
    assert whole.split("\n") == shown
    assert all(line.startswith(f"{path}:") for line in shown)
    return [line.removeprefix(f"{path}:").lstrip() for line in shown]
