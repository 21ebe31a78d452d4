"""The ten kinds of conditions that custom formats are made of."""

from collections.abc import Callable
from dataclasses import dataclass

from movies.format_facts import FormatFacts, spoken_languages
from movies.languages import ORIGINAL
from movies.offer import IndexerFlag
from movies.quality import Modifier, Source

Finds = Callable[[str, str], bool]
"""Says whether a pattern is found in a text."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition; `negated` turns it round, `required` says that no other of its kind can stand in for it."""

    negated: bool = False
    required: bool = False

    def is_met(self, facts: FormatFacts, finds: Finds) -> bool:
        """Say whether the condition holds for a release, turned round if need be."""
        return self._holds(facts, finds) is not self.negated

    def _holds(self, facts: FormatFacts, finds: Finds) -> bool:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class PatternCondition(Condition):
    """A regular expression that is found, whatever the case, in something of the release."""

    pattern: str

    def texts(self, facts: FormatFacts) -> tuple[str, ...]:
        """Return where the pattern is looked for."""
        raise NotImplementedError

    def _holds(self, facts: FormatFacts, finds: Finds) -> bool:
        return any(finds(self.pattern, text) for text in self.texts(facts))


@dataclass(frozen=True, kw_only=True)
class ReleaseTitle(PatternCondition):
    """The pattern is in the release's name or in its file's."""

    def texts(self, facts: FormatFacts) -> tuple[str, ...]:
        return (facts.title,) if facts.file_name is None else (facts.title, facts.file_name)


@dataclass(frozen=True, kw_only=True)
class Edition(PatternCondition):
    """The pattern is in the edition's name."""

    def texts(self, facts: FormatFacts) -> tuple[str, ...]:
        return () if facts.edition is None else (facts.edition,)


@dataclass(frozen=True, kw_only=True)
class ReleaseGroup(PatternCondition):
    """The pattern is in the group's name."""

    def texts(self, facts: FormatFacts) -> tuple[str, ...]:
        return () if facts.release_group is None else (facts.release_group,)


@dataclass(frozen=True, kw_only=True)
class Language(Condition):
    """A language is spoken; `excepted`: any other one is. "Original" is the movie's own.

    While nobody knows the movie's own language, every release is taken to be in it.
    """

    language: str
    excepted: bool = False

    def _holds(self, facts: FormatFacts, finds: Finds) -> bool:
        language = facts.original_language if self.language == ORIGINAL else self.language
        if language is None:
            return not self.excepted
        spoken = spoken_languages(facts.languages, original=facts.original_language)
        return any(other != language for other in spoken) if self.excepted else language in spoken


@dataclass(frozen=True, kw_only=True)
class HasFlag(Condition):
    """The indexer has put a flag on the release."""

    flag: IndexerFlag

    def _holds(self, facts: FormatFacts, finds: Finds) -> bool:
        return self.flag in facts.flags


@dataclass(frozen=True, kw_only=True)
class FromSource(Condition):
    """The picture comes from a source."""

    source: Source

    def _holds(self, facts: FormatFacts, finds: Finds) -> bool:
        return facts.quality.source is self.source


@dataclass(frozen=True, kw_only=True)
class HasResolution(Condition):
    """The picture has so many lines; 0 is unknown."""

    resolution: int

    def _holds(self, facts: FormatFacts, finds: Finds) -> bool:
        return facts.quality.resolution == self.resolution


@dataclass(frozen=True, kw_only=True)
class HasModifier(Condition):
    """The quality has a modifier, such as a remux."""

    modifier: Modifier

    def _holds(self, facts: FormatFacts, finds: Finds) -> bool:
        return facts.quality.modifier is self.modifier


@dataclass(frozen=True, kw_only=True)
class SizeWithin(Condition):
    """More than a minimum, and a maximum at most; `None`: unlimited. A size that nobody knows is not within."""

    minimum_bytes: int = 0
    maximum_bytes: int | None = None

    def _holds(self, facts: FormatFacts, finds: Finds) -> bool:
        if facts.size_bytes is None or facts.size_bytes <= self.minimum_bytes:
            return False
        return self.maximum_bytes is None or facts.size_bytes <= self.maximum_bytes


@dataclass(frozen=True, kw_only=True)
class YearWithin(Condition):
    """Both years belong to the range; `None`: no end. A year that nobody knows is not within."""

    first: int | None = None
    last: int | None = None

    def _holds(self, facts: FormatFacts, finds: Finds) -> bool:
        if facts.year is None:
            return False
        return (self.first or facts.year) <= facts.year <= (self.last or facts.year)
