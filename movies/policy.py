"""The policy: all that the configuration says about releases and that holds for every movie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from movies.custom_format import FormatSet
from movies.offer import IndexerTerms, Protocol
from movies.pattern import OnTimeout, PatternSet
from movies.quality import SIZE_BOUNDS, SizeBounds


class Propers(StrEnum):
    """What repaired releases (proper, repack, real) are worth.

    `prefer`: they rank before others and replace a file. `do_not_upgrade`: they rank before others. `do_not_prefer`:
    they are releases like any other.
    """

    PREFER = "prefer"
    DO_NOT_UPGRADE = "do_not_upgrade"
    DO_NOT_PREFER = "do_not_prefer"


@dataclass(frozen=True, kw_only=True)
class DelayProfile:
    """How long to wait for something better, for movies with one of `tags`; without tags for all.

    `delay_s` counts from the publication; a protocol without an entry does not wait. Releases of the preferred protocol
    do not wait when they have the profile's best quality (`bypass_highest_quality`) or a score of `bypass_score`.
    """

    tags: frozenset[str] = frozenset()
    enabled: frozenset[Protocol] = frozenset(Protocol)
    preferred: Protocol | None = None
    delay_s: Mapping[Protocol, float] = field(default_factory=dict)
    bypass_highest_quality: bool = False
    bypass_score: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReleaseProfile:
    """Terms in release names, for movies with one of `tags`; without tags for all. `indexer` `None`: any.

    A term is plain, of any case, or /a pattern/; raises `BadRegex`. A name needs at least one of `required`, if there
    are any, and none of `ignored`. A pattern that takes too long is not found, and `on_timeout` is told.
    """

    required: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    indexer: str | None = None
    tags: frozenset[str] = frozenset()
    on_timeout: OnTimeout | None = field(default=None, repr=False, compare=False)
    _patterns: PatternSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = filter(None, map(_pattern, (*self.required, *self.ignored)))
        object.__setattr__(self, "_patterns", PatternSet(patterns, on_timeout=self.on_timeout))

    def found(self, terms: tuple[str, ...], name: str) -> str | None:
        """Return the first of the profile's terms that is in a name."""
        folded = name.casefold()
        for term in terms:
            pattern = _pattern(term)
            if self._patterns.search(pattern, name) if pattern else term.casefold() in folded:
                return term
        return None


def _pattern(term: str) -> str | None:
    return term[1:-1] if len(term) > 2 and term[0] == term[-1] == "/" else None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What holds for every movie.

    `size_bounds` by quality name; `None` in `maximum_size_bytes` and `retention_days` is unlimited. `minimum_age_s`
    and `retention_days` concern Usenet. The first delay profile that concerns a movie holds, and all release profiles.
    `terms` by indexer name; an indexer without has the usual ones.
    """

    formats: FormatSet = field(default_factory=lambda: FormatSet(()))
    size_bounds: Mapping[str, SizeBounds] = field(default_factory=lambda: SIZE_BOUNDS)
    maximum_size_bytes: int | None = None
    minimum_free_bytes: int = 100 * 1024 * 1024
    allows_hardcoded_subs: bool = False
    propers: Propers = Propers.PREFER
    allows_repacks: bool = True
    proper_age: timedelta = timedelta(days=7)
    grab_cooldown: timedelta = timedelta(hours=12)
    minimum_age_s: float = 0
    retention_days: float | None = None
    delay_profiles: tuple[DelayProfile, ...] = ()
    release_profiles: tuple[ReleaseProfile, ...] = ()
    terms: Mapping[str, IndexerTerms] = field(default_factory=dict)

    def terms_of(self, indexer: str) -> IndexerTerms:
        """Return what is agreed with an indexer."""
        return self.terms.get(indexer, _USUAL_TERMS)

    def delay_profile_for(self, tags: frozenset[str]) -> DelayProfile:
        """Return the first delay profile that concerns a movie with these tags; without one nothing waits."""
        for profile in self.delay_profiles:
            if not profile.tags or profile.tags & tags:
                return profile
        return _NO_DELAY


DEFAULT_POLICY = Policy()

_USUAL_TERMS = IndexerTerms()
_NO_DELAY = DelayProfile()
