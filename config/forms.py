"""How movies and releases are written outside the database: JSON for `understudy decide`, TOML for policy tests.

Of a release only the title is needed, of a movie the title or an id. Sizes are numbers of bytes or "1.4GiB". Times are
"2026-05-01T20:15:00Z", dates, or ages such as "3d". What a movie has already is written as a release name, too.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from config.format_tables import Flag, LanguageName
from config.judgement import MinimumAvailability
from config.schema import TmdbId
from config.strings import ImdbId, Name
from config.table import Array, Table
from config.units import parse_duration, parse_size
from movies.offer import Offer, Protocol
from movies.release import Unparsable, parse_release
from movies.target import Namesake

MAX_NAME_LENGTH = 8192
Age = timedelta
"""A time as somebody says it who does not know the date: so long before now."""


def _read_size(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    try:
        return parse_size(value)
    except ValueError:
        raise ValueError('expected a number of bytes, or a size such as "1.4GiB"') from None


def read_time(value: Any) -> datetime | Age:
    try:
        if isinstance(value, str):
            return _time_in(value)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
    except ValueError:
        pass
    raise ValueError('expected a time such as "2026-05-01T20:15:00Z", a date, or an age such as "3d"')


def _time_in(text: str) -> datetime | Age:
    try:
        return Age(seconds=parse_duration(text))
    except ValueError:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=UTC)


def _read_date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError('expected a date such as "2026-05-01"') from None


def _as_table(value: Any) -> Any:
    return {"title": value} if isinstance(value, str) else value


ReleaseTitle = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
Title = Annotated[str, Field(min_length=1, max_length=512)]
Size = Annotated[int, BeforeValidator(_read_size)]
Time = Annotated[datetime | Age, BeforeValidator(read_time)]
Day = Annotated[date, BeforeValidator(_read_date)]
Year = Annotated[int, Field(ge=1800, le=9999)]
SIZE_KEYS = AliasChoices("size", "size_bytes")


def at(time: datetime | Age, now: datetime) -> datetime:
    return now - time if isinstance(time, Age) else time


class ReleaseForm(Table):
    """One release as an indexer offers it."""

    title: ReleaseTitle
    indexer: str = ""
    guid: str | None = None
    protocol: Annotated[Protocol, Field(strict=False)] = Protocol.TORRENT
    size: Size | None = Field(default=None, validation_alias=SIZE_KEYS)
    seeders: int | None = None
    leechers: int | None = None
    published_at: Time | None = None
    infohash: str | None = None
    tmdb_id: int | None = None
    imdb_id: str | None = None
    flags: Array[Flag] = ()

    def offer(self, now: datetime) -> Offer:
        return Offer(
            indexer=self.indexer,
            guid=self.guid or self.title,
            title=self.title,
            protocol=self.protocol,
            size_bytes=self.size,
            seeders=self.seeders,
            leechers=self.leechers,
            published_at=None if self.published_at is None else at(self.published_at, now),
            infohash=self.infohash and self.infohash.lower(),
            tmdb_id=self.tmdb_id,
            imdb_id=self.imdb_id,
            flags=frozenset(self.flags),
        )


class HeldForm(Table):
    """A release that the movie has, or had; `at` is when it was imported or grabbed."""

    title: ReleaseTitle
    size: Size | None = Field(default=None, validation_alias=SIZE_KEYS)
    flags: Array[Flag] = ()
    at: Time | None = None

    @model_validator(mode="after")
    def _is_readable(self) -> "HeldForm":
        if isinstance(parsed := parse_release(self.title), Unparsable):
            raise ValueError(f'"{self.title}" cannot be read as a movie\'s release: {parsed.reason}')
        return self


Held = Annotated[HeldForm, BeforeValidator(_as_table)]


class NamesakeForm(Table):
    """Another known movie that names may be mistaken for."""

    title: Title
    alternative_titles: Array[Title] = ()
    year: Year | None = None
    tmdb_id: TmdbId | None = None
    imdb_id: ImdbId | None = None

    @property
    def namesake(self) -> Namesake:
        titles = (self.title, *self.alternative_titles)
        return Namesake(titles=titles, year=self.year, tmdb_id=self.tmdb_id, imdb_id=self.imdb_id)


class MovieForm(Table):
    """A movie and what is known about it.

    `profile`, `tags` and `minimum_availability` are by default those of the [wanted] table that names the movie.
    """

    title: Title | None = None
    alternative_titles: Array[Title] = ()
    year: Year | None = None
    tmdb_id: TmdbId | None = None
    imdb_id: ImdbId | None = None
    profile: str | None = None
    tags: Array[Name] | None = None
    minimum_availability: MinimumAvailability | None = None
    runtime_min: Annotated[int, Field(ge=0, le=100_000)] | None = None
    original_language: LanguageName | None = None
    in_cinemas_on: Day | None = None
    physical_on: Day | None = None
    digital_on: Day | None = None
    monitored: bool = True
    free: Size | None = Field(default=None, validation_alias=AliasChoices("free", "free_bytes"))
    file: Held | None = None
    queued: Array[Held] = ()
    grabs: Array[Held] = ()
    imported: Array[str] = ()
    replaced: Array[str] = ()
    blocklist: Array[str] = ()
    namesakes: Array[NamesakeForm] = ()

    @model_validator(mode="after")
    def _is_known(self) -> "MovieForm":
        if self.title is None and self.tmdb_id is None and self.imdb_id is None:
            raise ValueError("expected a title or an id")
        return self
