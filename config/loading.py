"""Reads config.toml. Every mistake is one line: file, line, what is expected, and the nearest key; all at once."""

from pathlib import Path

from pydantic import ValidationError

from config.contradictions import contradictions
from config.mistakes import found_by, parse_document, placed, read_text
from config.schema import Config


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError: first for what is wrong in a table, then between tables."""
    path = path.absolute()
    text = read_text(path)
    document = parse_document(path, text)
    try:
        config = Config.model_validate(document, context={"folder": path.parent})
    except ValidationError as error:
        raise placed(path, text, found_by(error, document, Config)) from None
    if found := list(contradictions(config)):
        raise placed(path, text, found)
    return config
