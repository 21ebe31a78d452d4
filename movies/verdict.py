"""Verdicts: the judgement of one offer for one movie, with every reason against it.

Reasons are a closed set, because they are metric labels.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from movies.custom_format import FormatScore
from movies.offer import Offer
from movies.release import ParsedRelease, Unparsable

Kind = Literal["permanent", "temporary"]
State = Literal["accepted", "pending", "rejected"]
NO_SCORE = FormatScore()


class Reason(StrEnum):
    """Why a release is not taken."""

    UNPARSABLE = "unparsable"
    MOVIE_DOES_NOT_MATCH = "movie_does_not_match"
    AMBIGUOUS_MOVIE = "ambiguous_movie"
    NOT_MONITORED = "not_monitored"
    NOT_AVAILABLE = "not_available"
    TAGS = "tags"
    QUALITY_NOT_ALLOWED = "quality_not_allowed"
    CUSTOM_FORMAT_MINIMUM = "custom_format_minimum"
    LANGUAGE = "language"
    RAW_DISC = "raw_disc"
    HARDCODED_SUBS = "hardcoded_subs"
    SAMPLE = "sample"
    RELEASE_RESTRICTIONS = "release_restrictions"
    SIZE = "size"
    MAXIMUM_SIZE = "maximum_size"
    FREE_SPACE = "free_space"
    PROTOCOL = "protocol"
    BLOCKED_INDEXER = "blocked_indexer"
    TOO_FEW_SEEDERS = "too_few_seeders"
    REQUIRED_FLAGS = "required_flags"
    RETENTION = "retention"
    MINIMUM_AGE = "minimum_age"
    DELAY = "delay"
    BLOCKLISTED = "blocklisted"
    ALREADY_IMPORTED = "already_imported"
    ALREADY_QUEUED = "already_queued"
    RECENTLY_GRABBED = "recently_grabbed"
    UPGRADES_NOT_ALLOWED = "upgrades_not_allowed"
    EXISTING_FILE = "existing_file"
    PROPER = "proper"
    REPACK = "repack"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """One reason against a release; a temporary one may pass with time. `text` is for people.

    `until` is when a temporary one ends, if that is known.
    """

    reason: Reason
    kind: Kind = "permanent"
    text: str
    until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """`reason`, `kind` and `text`; `until` where it ends at a known time."""
        facts = {"reason": self.reason.value, "kind": self.kind, "text": self.text}
        return facts | ({"until": self.until.isoformat()} if self.until else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The judgement of one offer with all its reasons; `parsed` is never `Unparsable` when it is accepted."""

    offer: Offer
    parsed: ParsedRelease | Unparsable
    score: FormatScore = NO_SCORE
    rejections: tuple[Rejection, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """No rule spoke against it."""
        return not self.rejections

    @property
    def is_pending(self) -> bool:
        """Only what passes with time speaks against it."""
        return bool(self.rejections) and all(rejection.kind == "temporary" for rejection in self.rejections)

    @property
    def state(self) -> State:
        """The verdict in one word."""
        return "accepted" if self.is_accepted else "pending" if self.is_pending else "rejected"

    @property
    def until(self) -> datetime | None:
        """When a pending release is worth another look; `None`: it is not pending, or nobody knows."""
        ends = [rejection.until for rejection in self.rejections]
        return max((end for end in ends if end), default=None) if self.is_pending and None not in ends else None

    def as_json(self) -> dict[str, Any]:
        """What is thought of a release, without what it is."""
        return {
            "verdict": self.state,
            "quality": self.parsed.quality.name if isinstance(self.parsed, ParsedRelease) else None,
            "score": self.score.total,
            "formats": list(self.score.names),
            "reasons": [rejection.as_json() for rejection in self.rejections],
            "until": self.until and self.until.isoformat(),
        }
