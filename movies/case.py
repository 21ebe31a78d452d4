"""Cases: what a rule of decision may look at, and what a rule is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from movies.custom_format import FormatScore
from movies.match import Match
from movies.offer import Offer
from movies.policy import Policy
from movies.release import ParsedRelease
from movies.target import HeldRelease, Target
from movies.verdict import Kind, Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When something is decided, and which indexers are closed then (their breaker is open)."""

    now: datetime
    closed_indexers: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What a rule may look at. Of a name nobody can read, `release` has an empty title."""

    offer: Offer
    release: ParsedRelease
    target: Target
    policy: Policy
    moment: Moment
    score: FormatScore
    match: Match

    @property
    def candidate(self) -> HeldRelease:
        """The release as if it were held."""
        return HeldRelease(
            quality=self.release.quality,
            revision=self.release.revision,
            score=self.score.total,
            formats=self.score.names,
            release_group=self.release.release_group,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One reason, and the question that finds it: the text of the objection, or `None`.

    A rule with `until` is temporary; `until` says when the objection ends, `None` if nobody knows. `reads_name` false:
    the rule also judges offers whose name nobody can read.
    """

    reason: Reason
    check: Callable[[Case], str | None]
    until: Callable[[Case], datetime | None] | None = None
    reads_name: bool = True

    @property
    def kind(self) -> Kind:
        """Whether time alone may end the objection."""
        return "permanent" if self.until is None else "temporary"
