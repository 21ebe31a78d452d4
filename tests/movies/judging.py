"""One movie, one offer and how it is judged: what the tests of the rules begin with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from movies.case import Moment
from movies.decision import decide
from movies.movie import MovieId
from movies.offer import Offer
from movies.policy import Policy
from movies.profile import BUILTIN_PROFILES
from movies.quality import QUALITIES, Revision
from movies.release import parse_release
from movies.rules.size import MIB
from movies.target import ExistingFile, Target
from movies.verdict import Reason, Rejection, Verdict

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HD = BUILTIN_PROFILES["hd"]
NAME = "Sintel.2010.1080p.WEB-DL.H264-DURIAN"
OFFER = Offer(indexer="open", guid="1", title=NAME, size_bytes=1500 * MIB, seeders=10, infohash="ab" * 20)
SINTEL = Target(movie_id=MovieId(1), title="Sintel", year=2010, profile=HD, runtime_min=15)


def judged(
    title: str = NAME,
    *,
    target: Target = SINTEL,
    policy: Policy | None = None,
    now: datetime = NOW,
    closed: frozenset[str] = frozenset(),
    **facts: Any,
) -> Verdict:
    """The verdict on the offer with another name or other facts."""
    offer = replace(OFFER, title=title, **facts)
    moment = Moment(now=now, closed_indexers=closed)
    return decide(offer, parse_release(title), target, policy=policy or Policy(), moment=moment)


def reasons(verdict: Verdict) -> set[Reason]:
    return {rejection.reason for rejection in verdict.rejections}


def only(verdict: Verdict) -> Rejection:
    """The one rejection of a verdict."""
    (rejection,) = verdict.rejections
    return rejection


def file_of(name: str = "WEBDL-1080p", revision: Revision | None = None, **facts: Any) -> ExistingFile:
    return ExistingFile(quality=QUALITIES[name], revision=revision or Revision(), **facts)


def with_file(name: str = "WEBDL-1080p", revision: Revision | None = None, **facts: Any) -> Target:
    return replace(SINTEL, file=file_of(name, revision, **facts))
