"""Targets: a wanted movie with everything that decisions ask about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from movies.availability import Availability
from movies.movie import MovieId
from movies.profile import Profile
from movies.quality import Quality, Revision
from movies.title import exact_keys, title_keys


@dataclass(frozen=True, kw_only=True)
class HeldRelease:
    """What the movie has already: its file, or a grab on its way.

    `score` and `formats` come from the facts frozen at its grab, judged by today's formats and profile: so what is held
    and what is offered are measured alike, and what a probe finds in the file cannot start an upgrade.
    """

    quality: Quality
    revision: Revision = field(default_factory=Revision)
    score: int = 0
    formats: tuple[str, ...] = ()
    release_group: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExistingFile(HeldRelease):
    """The movie's file in the library."""

    size_bytes: int | None = None
    imported_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Grab(HeldRelease):
    """A release that was sent to a download client, and did not fail there."""

    grabbed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Namesake:
    """Another known movie that a release's title may mean; `titles` begins with its main title."""

    titles: tuple[str, ...]
    year: int | None = None
    tmdb_id: int | None = None
    imdb_id: str | None = None

    def __str__(self) -> str:
        return named(self.titles[0] if self.titles else None, self.year)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys under which its titles are looked for."""
        return keys_of(self.titles)

    @cached_property
    def exact_keys(self) -> frozenset[str]:
        """The keys of its titles as they are."""
        return frozenset().union(*map(exact_keys, self.titles))


@dataclass(frozen=True, kw_only=True)
class Target:
    """A wanted movie with everything the rules ask about it; `None` is unknown, and a `runtime_min` of 0, too.

    `blocklist` holds what `blocklist_keys` makes; `imported` and `replaced` hold infohashes and release keys of what
    was imported for the movie, and of what was replaced since. `grabs` are those that did not fail. `free_bytes` is
    what its root folder has left. `delayed_since` is when the oldest release was published that waits for nothing but
    the delay.
    """

    movie_id: MovieId
    title: str | None
    alternative_titles: tuple[str, ...] = ()
    year: int | None = None
    tmdb_id: int | None = None
    imdb_id: str | None = None
    profile: Profile
    tags: frozenset[str] = frozenset()
    runtime_min: int | None = None
    original_language: str | None = None
    minimum_availability: Availability = Availability.RELEASED
    in_cinemas_on: date | None = None
    physical_on: date | None = None
    digital_on: date | None = None
    added_at: datetime | None = None
    monitored: bool = True
    file: ExistingFile | None = None
    queued: tuple[HeldRelease, ...] = ()
    grabs: tuple[Grab, ...] = ()
    blocklist: frozenset[str] = frozenset()
    imported: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    namesakes: tuple[Namesake, ...] = ()
    free_bytes: int | None = None
    delayed_since: datetime | None = None

    def __str__(self) -> str:
        return named(self.title, self.year)

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """Its title, if known, and the alternative ones."""
        return self.alternative_titles if self.title is None else (self.title, *self.alternative_titles)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys under which its titles are looked for."""
        return keys_of(self.titles)

    @cached_property
    def exact_keys(self) -> frozenset[str]:
        """The keys of its titles as they are."""
        return frozenset().union(*map(exact_keys, self.titles))


def keys_of(titles: Sequence[str]) -> frozenset[str]:
    """Return the keys under which several titles of one movie are looked for."""
    return title_keys(titles[0]) if len(titles) == 1 else frozenset().union(*map(title_keys, titles))


def named(title: str | None, year: int | None) -> str:
    """Write a movie as people do: "Dune (2021)"."""
    return f"{title or 'a movie without a title'}" + (f" ({year})" if year else "")
