"""Reads config.toml. Every mistake is one line: file, line, what is expected, and the nearest key; all at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.contradictions import judgement_mistakes
from config.lines import Location
from config.mistakes import found_by, parse_document, placed, read_text, written
from config.schema import Builtin, Config
from movies.errors import did_you_mean
from movies.profile import BUILTIN_PROFILES


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


def contradictions(config: Config) -> Iterator[tuple[Location, str]]:
    """What is wrong between tables, each well formed in itself."""
    yield from _named_twice("indexers", config.indexers)
    yield from _named_twice("download_clients", config.download_clients)
    yield from judgement_mistakes(config)
    roots = [root.path for root in config.roots]
    for number, root in enumerate(roots):
        if root in roots[:number]:
            yield ("roots", number, "path"), f'roots.path: "{root}" is given twice'
    yield from _backup_folder(config)
    profiles = {**BUILTIN_PROFILES, **config.profiles}
    for block, wanted in config.wanted.items():
        profile = wanted.profile or block
        if profile not in profiles:
            key = ("wanted", block, "profile") if wanted.profile else ("wanted", block)
            text = f'no profile is called "{profile}"{did_you_mean(profile, profiles)}'
            yield key, f"{written(key)}: {text}"
        if wanted.root is not None and wanted.root not in roots:
            yield ("wanted", block, "root"), f'wanted.{block}.root: "{wanted.root}" is not one of the roots'
    for number, client in enumerate(config.download_clients):
        for root in roots:
            if isinstance(client, Builtin) and client.download_dir.is_relative_to(root):
                text = f'download_clients.download_dir: downloads must not lie inside the root "{root}"'
                yield ("download_clients", number, "download_dir"), text


def _backup_folder(config: Config) -> Iterator[tuple[Location, str]]:
    """Not among films, where media servers look, nor in the database's own folder, which a restore replaces."""
    folder, place = config.backup.folder, ("backup", "folder")
    if folder is None:
        return
    for root in config.roots:
        if folder.is_relative_to(root.path):
            yield place, f'backup.folder: backups must not lie inside the root "{root.path}"'
    if folder.is_relative_to(config.daemon.data_dir / "postgres"):
        yield place, "backup.folder: backups must not lie inside the database that they are of"


def _named_twice(table: str, entries: Sequence[Any]) -> Iterator[tuple[Location, str]]:
    names = [entry.name for entry in entries]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield (table, number, "name"), f'{table}.name: "{name}" is given twice'
