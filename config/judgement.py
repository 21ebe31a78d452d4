"""The tables about releases: profiles, sizes, delays, restrictions, and what holds for all of them."""

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from config.format_tables import LanguageName, read_pattern
from config.strings import Name, QualityName
from config.table import Array, NonEmptyArray, Table
from config.units import Bytes, FilePath, Seconds
from movies.availability import Availability
from movies.offer import Protocol
from movies.policy import Propers

MAX_SCORE = 10**6


def _as_group(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _or_any(value: Any) -> Any:
    return None if value == "any" else value


def _term(value: str) -> str:
    if value.startswith("/") and value.endswith("/") and len(value) > 2:
        read_pattern(value[1:-1])
    return value


QualityGroup = Annotated[NonEmptyArray[QualityName], BeforeValidator(_as_group)]
"""Qualities that are equals; one that stands alone is a group of one."""
FormatName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Score = Annotated[int, Field(ge=-MAX_SCORE, le=MAX_SCORE)]
Term = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_term)]
ProtocolName = Annotated[Protocol, Field(strict=False)]
MebibytesPerMinute = Annotated[float, Field(ge=0)]


class TrashGuides(Table):
    path: FilePath = Field(default=Path("trash-guides"), validate_default=True)


class ProfileTable(Table):
    trash_id: str | None = None
    qualities: NonEmptyArray[QualityGroup] = ()
    cutoff: QualityName | None = None
    upgrade: bool | None = None
    formats: dict[FormatName, Score] = Field(default_factory=dict)
    minimum_score: Score | None = None
    cutoff_score: Score | None = None
    score_increment: Annotated[int, Field(ge=1, le=MAX_SCORE)] | None = None
    language: Annotated[LanguageName | None, BeforeValidator(_or_any)] = None

    @field_validator("qualities")
    @classmethod
    def _are_different(cls, groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        names = [name for group in groups for name in group]
        if twice := [name for number, name in enumerate(names) if name in names[:number]]:
            raise ValueError(f'"{twice[0]}" is named twice')
        return groups

    @field_validator("cutoff")
    @classmethod
    def _is_allowed(cls, cutoff: str | None, info: ValidationInfo) -> str | None:
        groups = info.data.get("qualities")  # absent when they are wrong themselves
        if cutoff is not None and groups and not any(cutoff in group for group in groups):
            raise ValueError(f'"{cutoff}" is not among the qualities')
        return cutoff


class QualitySize(Table):
    """MiB per minute of the film's runtime; `inf`: no limit. What is not given stays as it is."""

    min: Annotated[MebibytesPerMinute, Field(lt=math.inf)] | None = None
    preferred: MebibytesPerMinute | None = None
    max: MebibytesPerMinute | None = None


class Sizes(Table):
    """Beside `trash`, qualities by their names."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[QualityName, QualitySize] = Field(init=False)

    trash: str | None = None

    @property
    def by_quality(self) -> dict[str, QualitySize]:
        return self.__pydantic_extra__ or {}


class Delay(Table):
    tags: Array[Name] = ()
    protocols: NonEmptyArray[ProtocolName] = (Protocol.TORRENT, Protocol.USENET)
    preferred: ProtocolName | None = None
    torrent: Seconds = 0.0
    usenet: Seconds = 0.0
    bypass_highest_quality: bool = False
    bypass_score: Score | None = None

    @field_validator("preferred")
    @classmethod
    def _is_enabled(cls, preferred: Protocol | None, info: ValidationInfo) -> Protocol | None:
        protocols = info.data.get("protocols")
        if preferred is not None and protocols is not None and preferred not in protocols:
            raise ValueError(f'"{preferred}" is not among the protocols')
        return preferred


class Restriction(Table):
    required: Array[Term] = ()
    ignored: Array[Term] = ()
    indexer: str | None = None
    tags: Array[Name] = ()

    @model_validator(mode="after")
    def _restricts(self) -> "Restriction":
        if not self.required and not self.ignored:
            raise ValueError("expected required or ignored terms")
        return self


class Selection(Table):
    propers: Annotated[Propers, Field(strict=False)] = Propers.PREFER
    proper_age: Seconds = 7 * 86400.0
    repacks: bool = True
    hardcoded_subs: bool = False
    maximum_size: Bytes = 0
    min_free: Bytes = 100 * 2**20
    minimum_age: Seconds = 0.0
    retention: Seconds = 0.0
    grab_cooldown: Seconds = 12 * 3600.0


MinimumAvailability = Annotated[Availability, Field(strict=False)]
