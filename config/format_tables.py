"""The tables of custom formats: ten kinds of conditions, each with keys of its own."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from config.table import Array, Table
from config.units import Bytes
from movies.errors import BadRegex, did_you_mean
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
from movies.language_ids import LANGUAGES
from movies.offer import IndexerFlag
from movies.pattern import compiled
from movies.quality import Modifier, Source

MAX_PATTERN_LENGTH = 8192
Kind = TypeVar("Kind", bound=Enum)


def read_pattern(value: str) -> str:
    """A regular expression that compiles. ValueError: the pattern, and what is wrong with it."""
    if not value:
        raise ValueError("expected a pattern that is not empty, which would be in every name")
    try:
        compiled(value)
    except BadRegex as error:
        raise ValueError(str(error)) from None
    return value


def read_language(value: Any) -> str:
    """A language by its English name, in any case. ValueError: with the nearest one."""
    by_folded = {language.casefold(): language for language in LANGUAGES}
    if not isinstance(value, str) or value.casefold() not in by_folded:
        hint = did_you_mean(value, LANGUAGES) if isinstance(value, str) else ""
        raise ValueError(f'expected a language such as "German", or "original"{hint}')
    return by_folded[value.casefold()]


def _member_of(kind: type[Kind], what: str) -> Callable[[Any], Kind]:
    members: Mapping[str, Kind] = {member.name.lower(): member for member in kind}

    def read(value: Any) -> Kind:
        if not isinstance(value, str) or value not in members:
            hint = did_you_mean(value, members) if isinstance(value, str) else ""
            raise ValueError(f"expected {what}, one of {', '.join(members)}{hint}")
        return members[value]

    return read


Pattern = Annotated[str, Field(max_length=MAX_PATTERN_LENGTH), AfterValidator(read_pattern)]
LanguageName = Annotated[str, BeforeValidator(read_language)]
Flag = Annotated[IndexerFlag, BeforeValidator(_member_of(IndexerFlag, "an indexer flag"))]
SourceName = Annotated[Source, BeforeValidator(_member_of(Source, "a source"))]
ModifierName = Annotated[Modifier, BeforeValidator(_member_of(Modifier, "a quality modifier"))]
Year = Annotated[int, Field(ge=1800, le=9999)]


class ConditionTable(Table):
    negate: bool = False
    required: bool = False

    @property
    def flags(self) -> dict[str, bool]:
        return {"negated": self.negate, "required": self.required}


class TitleTable(ConditionTable):
    type: Literal["release_title"]
    regex: Pattern

    @property
    def condition(self) -> Condition:
        return ReleaseTitle(pattern=self.regex, **self.flags)


class EditionTable(ConditionTable):
    type: Literal["edition"]
    regex: Pattern

    @property
    def condition(self) -> Condition:
        return Edition(pattern=self.regex, **self.flags)


class GroupTable(ConditionTable):
    type: Literal["release_group"]
    regex: Pattern

    @property
    def condition(self) -> Condition:
        return ReleaseGroup(pattern=self.regex, **self.flags)


class LanguageTable(ConditionTable):
    type: Literal["language"]
    language: LanguageName
    except_: bool = Field(default=False, alias="except")

    @property
    def condition(self) -> Condition:
        return Language(language=self.language, excepted=self.except_, **self.flags)


class FlagTable(ConditionTable):
    type: Literal["indexer_flag"]
    flag: Flag

    @property
    def condition(self) -> Condition:
        return HasFlag(flag=self.flag, **self.flags)


class SourceTable(ConditionTable):
    type: Literal["source"]
    source: SourceName

    @property
    def condition(self) -> Condition:
        return FromSource(source=self.source, **self.flags)


class ResolutionTable(ConditionTable):
    type: Literal["resolution"]
    resolution: Literal[480, 576, 720, 1080, 2160]

    @property
    def condition(self) -> Condition:
        return HasResolution(resolution=self.resolution, **self.flags)


class ModifierTable(ConditionTable):
    type: Literal["quality_modifier"]
    modifier: ModifierName

    @property
    def condition(self) -> Condition:
        return HasModifier(modifier=self.modifier, **self.flags)


class SizeTable(ConditionTable):
    type: Literal["size"]
    min: Bytes = 0
    max: Bytes | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> "SizeTable":
        if self.max is not None and self.max <= self.min:
            raise ValueError("expected a max over the min")
        return self

    @property
    def condition(self) -> Condition:
        return SizeWithin(minimum_bytes=self.min, maximum_bytes=self.max, **self.flags)


class YearTable(ConditionTable):
    type: Literal["year"]
    min: Year | None = None
    max: Year | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> "YearTable":
        if self.max is not None and self.min is not None and self.max < self.min:
            raise ValueError("expected a max not under the min")
        return self

    @property
    def condition(self) -> Condition:
        return YearWithin(first=self.min, last=self.max, **self.flags)


AnyCondition = Annotated[
    TitleTable
    | EditionTable
    | GroupTable
    | LanguageTable
    | FlagTable
    | SourceTable
    | ResolutionTable
    | ModifierTable
    | SizeTable
    | YearTable,
    Field(discriminator="type"),
]


class FormatTable(Table):
    """A custom format of its own conditions, or one of the guides'."""

    conditions: Array[AnyCondition] = ()
    trash_id: str | None = None

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> "FormatTable":
        if bool(self.conditions) is (self.trash_id is not None):
            raise ValueError("expected either conditions or a trash_id")
        return self
