"""Custom formats: which of them a release matches, and what that is worth to a profile."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from movies.errors import BadFormat
from movies.format_condition import Condition, PatternCondition
from movies.format_facts import FormatFacts
from movies.pattern import TIMEOUT_S, OnTimeout, PatternSet, Searches
from movies.profile import Profile


@dataclass(frozen=True, kw_only=True)
class CustomFormat:
    """A name for releases that fulfil conditions; raises `BadFormat` when there is none.

    It matches when, for every kind of condition it uses, all required ones are met, and at least one is.
    """

    name: str
    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        if not self.conditions:
            raise BadFormat(f'the format "{self.name}" has no conditions')


@dataclass(frozen=True, kw_only=True)
class FormatScore:
    """What a profile thinks of a release: the sum of the scores of the formats it matches, and their names."""

    total: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    """A format's conditions of one kind; `patterns` if one of these must be found in `texts`, and no more."""

    required: tuple[Condition, ...]
    others: tuple[Condition, ...]
    patterns: frozenset[str] | None
    texts: Callable[[FormatFacts], tuple[str, ...]] | None

    def is_met(self, facts: FormatFacts, finds: "_Finder") -> bool:
        if self.patterns is not None and self.texts is not None:
            return finds.any_of(self.patterns, self.texts(facts))
        for condition in self.required:
            if not condition.is_met(facts, finds):
                return False
        if self.required:
            return True
        for condition in self.others:  # noqa: SIM110 - any() of a generator takes twice as long
            if condition.is_met(facts, finds):
                return True
        return False


class FormatSet:
    """All custom formats of a configuration, compiled; raises `BadRegex` when a pattern is none.

    `on_timeout` is told each pattern that ran out of time in a name; such a pattern is not found in that name.
    """

    def __init__(
        self,
        formats: Iterable[CustomFormat] = (),
        *,
        on_timeout: OnTimeout | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.formats = tuple(formats)
        patterns = {
            condition.pattern
            for one in self.formats
            for condition in one.conditions
            if isinstance(condition, PatternCondition)
        }
        self.pattern_set = PatternSet(sorted(patterns), on_timeout=on_timeout, timeout_s=timeout_s)
        self._kinds = {one.name: _kinds(one) for one in self.formats}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FormatSet) and self.formats == other.formats

    def __hash__(self) -> int:
        return hash(self.formats)

    def __repr__(self) -> str:
        return f"FormatSet({[one.name for one in self.formats]})"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.formats)

    def matching(self, facts: FormatFacts, among: Collection[str] | None = None) -> tuple[str, ...]:
        """Return the names of the formats that a release matches, in the set's order; `among` leaves others out."""
        finder = _Finder(self.pattern_set)
        return tuple(
            name
            for name, kinds in self._kinds.items()
            if (among is None or name in among) and _matches(kinds, facts, finder)
        )


def score_of(facts: FormatFacts, profile: Profile, formats: FormatSet) -> FormatScore:
    """Return what a release is worth to a profile; formats without a score there are not looked at."""
    scores = profile.format_scores
    if not scores:
        return FormatScore()
    names = formats.matching(facts, scores)
    return FormatScore(total=sum(scores[name] for name in names), names=names)


class _Finder:
    """Searches in the texts of one release."""

    __slots__ = ("_patterns", "_searches")

    def __init__(self, patterns: PatternSet) -> None:
        self._patterns = patterns
        self._searches: dict[str, Searches] = {}

    def __call__(self, pattern: str, text: str) -> bool:
        return self._searches_in(text).finds(pattern)

    def any_of(self, patterns: frozenset[str], texts: tuple[str, ...]) -> bool:
        """Say whether one of the patterns is in one of the texts; asks only for those that may be."""
        for text in texts:
            searches = self._searches_in(text)
            if any(map(searches.finds, patterns & searches.possible)):
                return True
        return False

    def _searches_in(self, text: str) -> Searches:
        searches = self._searches.get(text)
        if searches is None:
            searches = self._searches[text] = Searches(self._patterns, text)
        return searches


def _kinds(one: CustomFormat) -> tuple[_Kind, ...]:
    """Return the format's conditions by kind, those that need no pattern first since they are quick."""
    by_kind: dict[type[Condition], list[Condition]] = {}
    for condition in sorted(one.conditions, key=lambda condition: isinstance(condition, PatternCondition)):
        by_kind.setdefault(type(condition), []).append(condition)
    return tuple(map(_kind, by_kind.values()))


def _kind(conditions: list[Condition]) -> _Kind:
    plain = [
        condition
        for condition in conditions
        if isinstance(condition, PatternCondition) and not condition.required and not condition.negated
    ]
    is_plain = len(plain) == len(conditions)
    return _Kind(
        required=tuple(condition for condition in conditions if condition.required),
        others=tuple(condition for condition in conditions if not condition.required),
        patterns=frozenset(condition.pattern for condition in plain) if is_plain else None,
        texts=plain[0].texts if is_plain else None,
    )


def _matches(kinds: tuple[_Kind, ...], facts: FormatFacts, finds: _Finder) -> bool:
    for kind in kinds:  # noqa: SIM110 - all() of a generator takes twice as long
        if not kind.is_met(facts, finds):
            return False
    return True
