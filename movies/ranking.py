"""Ranking: which of the releases that may be taken is the best."""

from collections.abc import Iterable
from datetime import datetime
from math import log10

from movies.offer import IndexerFlag, Offer, Protocol
from movies.policy import Policy, Propers
from movies.quality import SizeBounds
from movies.release import ParsedRelease
from movies.rules.size import MIB, minutes_of
from movies.target import Target
from movies.verdict import Verdict

SIZE_STEP_BYTES = 200 * MIB
"""Sizes nearer to each other than this rank alike."""

FLAG_VALUES = {
    IndexerFlag.FREELEECH: 2,
    IndexerFlag.DOUBLE_UPLOAD: 2,
    IndexerFlag.INTERNAL: 2,
    IndexerFlag.HALFLEECH: 1,
    IndexerFlag.NUKED: -8,
}

RankKey = tuple[float | str, ...]


def rank_key(verdict: Verdict, target: Target, *, policy: Policy, now: datetime) -> RankKey:
    """Return a key by which the best verdict sorts first.

    Quality, revision, format score, preferred protocol, indexer priority, indexer flags, orders of magnitude of the
    seeders and the peers, age of a Usenet post, nearness to the preferred size (in steps of 200 MiB; the larger where
    the size has no limit); at last indexer, guid and name, so that no two offers tie.
    """
    offer = verdict.offer
    preferred = policy.delay_profile_for(target.tags).preferred
    return (
        *_quality_key(verdict, target, policy),
        -verdict.score.total,
        0 if offer.protocol is preferred else 1,
        policy.terms_of(offer.indexer).priority,
        -sum(FLAG_VALUES.get(flag, 0) for flag in offer.flags),
        *_swarm_key(offer),
        _age_key(offer, now),
        _size_key(verdict, target, policy),
        offer.indexer,
        offer.guid,
        offer.title,
    )


def ranked(verdicts: Iterable[Verdict], target: Target, *, policy: Policy, now: datetime) -> list[Verdict]:
    """Return the accepted verdicts, best first; the order does not depend on the order they came in."""
    accepted = (verdict for verdict in verdicts if verdict.is_accepted)
    return sorted(accepted, key=lambda verdict: rank_key(verdict, target, policy=policy, now=now))


def _quality_key(verdict: Verdict, target: Target, policy: Policy) -> tuple[int, int, int]:
    release = verdict.parsed
    if not isinstance(release, ParsedRelease):
        return 1, 0, 0
    rank = -(target.profile.rank(release.quality) or 0)
    if policy.propers is Propers.DO_NOT_PREFER:
        return rank, 0, 0
    return rank, -release.revision.real, -release.revision.version


def _swarm_key(offer: Offer) -> tuple[int, int]:
    if offer.protocol is not Protocol.TORRENT:
        return 0, 0
    seeders = offer.seeders or 0
    return -_magnitude(seeders), -_magnitude(seeders + (offer.leechers or 0))


def _magnitude(number: int) -> int:
    return round(log10(max(number, 1)))


def _age_key(offer: Offer, now: datetime) -> int:
    """Of Usenet posts the newer is likelier to be whole: the last hour, day and week, then by order of magnitude."""
    if offer.protocol is not Protocol.USENET or offer.published_at is None:
        return 0
    age_h = max((now - offer.published_at).total_seconds() / 3600, 0)
    if age_h <= 24 * 7:
        return -1000 if age_h < 1 else -100 if age_h <= 24 else -10
    return _magnitude(int(age_h // 24))


def _size_key(verdict: Verdict, target: Target, policy: Policy) -> float:
    size_bytes, release = verdict.offer.size_bytes, verdict.parsed
    if size_bytes is None or not isinstance(release, ParsedRelease):
        return float("inf")
    preferred = policy.size_bounds.get(release.quality.name, SizeBounds()).preferred
    if preferred is None:
        return -float(size_bytes // SIZE_STEP_BYTES)
    return float(abs(size_bytes - preferred * MIB * minutes_of(target)) // SIZE_STEP_BYTES)


CRITERIA = (
    "quality",
    "revision",
    "revision",
    "format score",
    "preferred protocol",
    "indexer priority",
    "indexer flags",
    "seeders",
    "peers",
    "age",
    "size",
    "name of the indexer",
    "guid",
    "name",
)
"""What each place of a rank key compares."""


def what_decides(better: Verdict, worse: Verdict, target: Target, *, policy: Policy, now: datetime) -> str:
    """Return the first criterion by which one release ranks before another; "nothing" of an offer and itself."""
    first, second = (rank_key(verdict, target, policy=policy, now=now) for verdict in (better, worse))
    return next((name for name, one, other in zip(CRITERIA, first, second, strict=True) if one != other), "nothing")
