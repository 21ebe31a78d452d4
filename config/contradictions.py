"""What is wrong between the tables about releases, each well formed in itself."""

from collections.abc import Iterator
from math import inf

from config.lines import Location
from config.policy import size_bounds_of
from config.profiles import profile_mistakes, unknown_id
from config.schema import Config
from movies.errors import did_you_mean


def judgement_mistakes(config: Config) -> Iterator[tuple[Location, str]]:
    """Places and texts; raises ConfigError for a file of the guides that is used and wrong."""
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
