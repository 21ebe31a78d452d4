"""The TRaSH guides' JSON documents for Radarr: custom formats, groups of them, profiles and sizes.

One document at a time, as it is published; `BadFormat` says what is missing or of another kind than the guides'.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from movies.custom_format import CustomFormat
from movies.errors import BadFormat, UnknownQuality
from movies.format_condition import (
    Condition,
    Edition,
    FromSource,
    HasFlag,
    HasModifier,
    HasResolution,
    Language,
    ReleaseGroup,
    ReleaseTitle,
    SizeWithin,
    YearWithin,
)
from movies.language_ids import LANGUAGE_IDS
from movies.offer import IndexerFlag
from movies.pattern import compiled
from movies.quality import Modifier, SizeBounds, Source, quality_named

GIB = 2**30
LARGEST = 1e9
"""More than any size in GiB or MiB per minute; JSON also has numbers that are none, and endless ones."""
DEFAULT_SCORES = "default"

Document = Mapping[str, Any]
Value = TypeVar("Value")

_FLAGS = {
    1: IndexerFlag.FREELEECH,
    2: IndexerFlag.HALFLEECH,
    4: IndexerFlag.DOUBLE_UPLOAD,
    32: IndexerFlag.INTERNAL,
    128: IndexerFlag.SCENE,
    2048: IndexerFlag.NUKED,
}


@dataclass(frozen=True, kw_only=True)
class GuideFormat:
    """A custom format, and what it is worth in each of the guides' sets of scores."""

    format: CustomFormat
    scores: Mapping[str, int]

    def score(self, score_set: str) -> int:
        """Return the format's score in a set, or the default one."""
        return self.scores.get(score_set, self.scores.get(DEFAULT_SCORES, 0))


@dataclass(frozen=True, kw_only=True)
class GuideGroup:
    """Formats that go together: those the guides switch on, if they switch on the group, for some profiles."""

    is_default: bool
    formats: tuple[str, ...]
    profiles: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class GuideProfile:
    """A quality profile; `qualities` best first, `formats` by their ids, `language` `None`: any."""

    name: str
    qualities: tuple[tuple[str, ...], ...]
    cutoff: str
    upgrade: bool
    minimum_score: int
    cutoff_score: int
    score_increment: int
    language: str | None
    score_set: str
    formats: tuple[str, ...]


def guide_format(document: Document) -> GuideFormat:
    """Read a file of the folder `cf`; raises `BadFormat`, or `BadRegex` for a pattern."""
    conditions = tuple(_condition(part) for part in _list(document, "specifications"))
    scores = _get(document, "trash_scores", dict) if "trash_scores" in document else {}
    return GuideFormat(
        format=CustomFormat(name=_get(document, "name", str), conditions=conditions),
        scores={name: _get(scores, name, int) for name in scores},
    )


def guide_group(document: Document) -> GuideGroup:
    """Read a file of the folder `cf-groups`; raises `BadFormat`."""
    formats = _list(document, "custom_formats")
    profiles = _get(_get(document, "quality_profiles", dict), "include", dict)
    return GuideGroup(
        is_default=document.get("default") in (True, "true"),
        formats=tuple(_get(one, "trash_id", str) for one in formats if one.get("required") or one.get("default")),
        profiles=frozenset(map(str, profiles.values())),
    )


def guide_profile(document: Document) -> GuideProfile:
    """Read a file of the folder `quality-profiles`; raises `BadFormat`."""
    allowed = [item for item in _list(document, "items") if item.get("allowed")]
    groups = {_get(item, "name", str): _qualities(item) for item in allowed}
    cutoff = _get(document, "cutoff", str)
    if cutoff not in groups:
        raise BadFormat(f'its cutoff "{cutoff}" is none of its qualities')
    language = document.get("language", "Any")
    if language not in (*LANGUAGE_IDS.values(), "Any"):
        raise BadFormat(f'"{language}" is no language')
    return GuideProfile(
        name=_get(document, "name", str),
        qualities=tuple(groups.values()),
        cutoff=groups[cutoff][0],
        upgrade=_get(document, "upgradeAllowed", bool),
        minimum_score=_get(document, "minFormatScore", int),
        cutoff_score=_get(document, "cutoffFormatScore", int),
        score_increment=max(_get(document, "minUpgradeFormatScore", int), 1),
        language=None if language == "Any" else language,
        score_set=str(document.get("trash_score_set", DEFAULT_SCORES)),
        formats=tuple(map(str, _get(document, "formatItems", dict).values())),
    )


def guide_sizes(document: Document) -> dict[str, SizeBounds]:
    """Read a file of the folder `quality-size`: bounds in MiB per minute by quality; raises `BadFormat`."""
    return {_quality(_get(row, "quality", str)): _bounds(row) for row in _list(document, "qualities")}


def _bounds(row: Document) -> SizeBounds:
    minimum, preferred, maximum = (_number(row, key) for key in ("min", "preferred", "max"))
    if not minimum <= preferred <= maximum:
        raise BadFormat(f'"{row["quality"]}" has {minimum:g}, {preferred:g}, {maximum:g}, not min <= preferred <= max')
    return SizeBounds(minimum=minimum, preferred=preferred, maximum=maximum)


def _condition(part: Document) -> Condition:
    implementation = _get(part, "implementation", str)
    make = _CONDITIONS.get(implementation)
    if make is None:
        raise BadFormat(f'"{implementation}" is no kind of condition that is known here')
    flags = {"negated": _get(part, "negate", bool), "required": _get(part, "required", bool)}
    return make(_get(part, "fields", dict), flags)


def _patterned(kind: type[ReleaseTitle] | type[Edition] | type[ReleaseGroup]) -> Callable[..., Condition]:
    def make(fields: Document, flags: Mapping[str, bool]) -> Condition:
        pattern = _get(fields, "value", str)
        compiled(pattern)
        return kind(pattern=pattern, **flags)

    return make


def _language(fields: Document, flags: Mapping[str, bool]) -> Condition:
    language = _named(LANGUAGE_IDS, _get(fields, "value", int), "language")
    return Language(language=language, excepted=bool(fields.get("exceptLanguage")), **flags)


def _flag(fields: Document, flags: Mapping[str, bool]) -> Condition:
    return HasFlag(flag=_named(_FLAGS, _get(fields, "value", int), "indexer flag"), **flags)


def _source(fields: Document, flags: Mapping[str, bool]) -> Condition:
    return FromSource(source=_named({one.value: one for one in Source}, _get(fields, "value", int), "source"), **flags)


def _modifier(fields: Document, flags: Mapping[str, bool]) -> Condition:
    modifiers = {one.value: one for one in Modifier}
    return HasModifier(modifier=_named(modifiers, _get(fields, "value", int), "quality modifier"), **flags)


def _resolution(fields: Document, flags: Mapping[str, bool]) -> Condition:
    return HasResolution(resolution=_get(fields, "value", int), **flags)


def _size(fields: Document, flags: Mapping[str, bool]) -> Condition:
    minimum_bytes, maximum_bytes = (round(_number(fields, key) * GIB) for key in ("min", "max"))
    return SizeWithin(minimum_bytes=minimum_bytes, maximum_bytes=maximum_bytes, **flags)


def _year(fields: Document, flags: Mapping[str, bool]) -> Condition:
    return YearWithin(first=_get(fields, "min", int), last=_get(fields, "max", int), **flags)


_CONDITIONS: Mapping[str, Callable[[Document, Mapping[str, bool]], Condition]] = {
    "ReleaseTitleSpecification": _patterned(ReleaseTitle),
    "EditionSpecification": _patterned(Edition),
    "ReleaseGroupSpecification": _patterned(ReleaseGroup),
    "LanguageSpecification": _language,
    "IndexerFlagSpecification": _flag,
    "SourceSpecification": _source,
    "ResolutionSpecification": _resolution,
    "QualityModifierSpecification": _modifier,
    "SizeSpecification": _size,
    "YearSpecification": _year,
}


def _qualities(item: Document) -> tuple[str, ...]:
    """Return those of a group; an item without any is a quality itself."""
    names = _get(item, "items", list) if item.get("items") else [item["name"]]
    return tuple(_quality(str(name)) for name in names)


def _quality(name: str) -> str:
    try:
        return quality_named(name).name
    except UnknownQuality as error:
        raise BadFormat(str(error)) from None


def _named(known: Mapping[int, Value], number: int, what: str) -> Value:
    if number not in known:
        raise BadFormat(f"{number} is no {what} that is known here")
    return known[number]


def _get(document: Document, key: str, kind: type[Value]) -> Value:
    value = document.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadFormat(f'"{key}" is missing, or no {_KINDS[kind]}')
    return value


def _list(document: Document, key: str) -> list[Document]:
    found = _get(document, key, list)
    if not all(isinstance(one, dict) for one in found):
        raise BadFormat(f'"{key}" holds other things than objects')
    return found


def _number(document: Document, key: str) -> float:
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise BadFormat(f'"{key}" is missing, or no number')
    return float(value)


_KINDS: Mapping[type, str] = {str: "string", int: "whole number", bool: "true or false", list: "array", dict: "object"}
