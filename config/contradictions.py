"""What is wrong between the tables of the file, each well formed in itself."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from config.lines import Location
from config.mistakes import written
from config.policy import size_bounds_of
from config.profiles import profile_mistakes, unknown_id
from config.schema import Builtin, Config
from movies.errors import did_you_mean
from movies.profile import BUILTIN_PROFILES


def contradictions(config: Config) -> Iterator[tuple[Location, str]]:
    """Places and texts; raises ConfigError for a file of the guides that is used and wrong."""
    yield from _named_twice("indexers", config.indexers)
    yield from _named_twice("download_clients", config.download_clients)
    yield from _of_releases(config)
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


def unused_tags(config: Config) -> Iterator[str]:
    """Texts about tables that concern no movie, since no [wanted] table has one of their tags: no mistake, but odd."""
    known = {tag for wanted in config.wanted.values() for tag in wanted.tags}
    tagged = [("indexers", indexer.tags) for indexer in config.indexers]
    tagged += [("delays", delay.tags) for delay in config.delays]
    tagged += [("restrictions", restriction.tags) for restriction in config.restrictions]
    for table, tags in tagged:
        if tags and known.isdisjoint(tags):
            listed = " or ".join(f'"{tag}"' for tag in tags)
            yield f"{table}: no movie is wanted with the tag {listed}{did_you_mean(tags[0], known)}"


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


def _of_releases(config: Config) -> Iterator[tuple[Location, str]]:
    for name, table in config.formats.items():
        if table.trash_id is not None and config.guide.format(table.trash_id) is None:
            text = unknown_id(config.guide, "format", table.trash_id)
            yield ("formats", name, "trash_id"), f"formats.{name}.trash_id: {text}"
    formats = {*config.formats, *config.all_formats}
    for name, profile in config.profiles.items():
        yield from profile_mistakes(name, profile, config.guide, formats=formats)
    yield from _of_sizes(config)
    yield from _of_delays(config)
    names = [indexer.name for indexer in config.indexers]
    for number, restriction in enumerate(config.restrictions):
        if restriction.indexer is not None and restriction.indexer not in names:
            text = f'no indexer is called "{restriction.indexer}"{did_you_mean(restriction.indexer, names)}'
            yield ("restrictions", number, "indexer"), f"restrictions.indexer: {text}"


def _of_sizes(config: Config) -> Iterator[tuple[Location, str]]:
    kind, guide = config.sizes.trash, config.guide
    if kind is not None and guide.sizes(kind) is None:
        known = ", ".join(guide.size_files)
        text = f"there are {known}{did_you_mean(kind, guide.size_files)}" if known else unknown_id(guide, "sizes", kind)
        yield ("sizes", "trash"), f"sizes.trash: {text}"
    for name, bounds in size_bounds_of(config.sizes, guide).items():
        maximum = inf if bounds.maximum is None else bounds.maximum
        preferred = maximum if bounds.preferred is None else bounds.preferred
        if name in config.sizes.by_quality and not bounds.minimum <= preferred <= maximum:
            text = f"expected min <= preferred <= max, not {bounds.minimum:g}, {preferred:g}, {maximum:g}"
            yield ("sizes", name), f"sizes.{name}: {text}"


def _of_delays(config: Config) -> Iterator[tuple[Location, str]]:
    """The first that concerns a movie holds, so one for all movies must be the last."""
    for number, delay in enumerate(config.delays[:-1]):
        if not delay.tags:
            text = "is without tags, so it concerns all movies and those after it none"
            yield ("delays", number), f"delays: this one {text}; put it last"
