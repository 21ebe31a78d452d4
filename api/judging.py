"""Releases judged by the configuration of the running daemon, for questions about them; nothing here takes one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from config.digest import digest_of
from movies.case import Moment
from movies.decision import decide_all
from movies.movie import MovieId, ReleaseId
from movies.offer import Offer
from movies.policy import Policy
from movies.profile import Profile
from movies.ranking import ranked, what_decides
from movies.release import parse_release
from movies.remedy import remedy_for
from movies.target import Target
from movies.verdict import Verdict
from storage import breakers, decisions, releases, targets
from storage.database import Connection, now
from storage.targets import Known


class NoCriteria(Exception):
    """The configuration file cannot be used any more; the text says why."""


@dataclass(frozen=True)
class Criteria:
    """What releases are judged by."""

    profiles: Mapping[str, Profile]
    policy: Policy

    @classmethod
    def load(cls, path: Path) -> "Criteria":
        """Raises NoCriteria."""
        from config.loading import load  # not before somebody asks: the schema takes its time and memory
        from config.mistakes import ConfigError
        from config.policy import policy_of

        try:
            config = load(path)
        except ConfigError as error:
            raise NoCriteria(str(error)) from error
        return cls(config.all_profiles, policy_of(config))

    def judge(self, facts: "Facts") -> "Judgement | None":
        """None: the movie's profile is not configured."""
        target = targets.target_of(facts.known, profiles=self.profiles, policy=self.policy)
        if target is None:
            return None
        pairs = [(offer, parse_release(offer.title)) for offer in facts.offers.values()]
        verdicts = decide_all(pairs, target, policy=self.policy, moment=facts.moment)
        return Judgement(
            target=target,
            policy=self.policy,
            moment=facts.moment,
            verdicts=dict(zip(facts.offers, verdicts, strict=True)),
        )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a movie and of the releases found for it, at a moment."""

    known: Known
    offers: Mapping[ReleaseId, Offer]
    moment: Moment


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdicts on a movie's releases."""

    target: Target
    policy: Policy
    moment: Moment
    verdicts: Mapping[ReleaseId, Verdict]

    @cached_property
    def ranking(self) -> list[ReleaseId]:
        """The releases that may be taken, best first: those of an indexer that is not configured are not."""
        ids = {id(verdict): release_id for release_id, verdict in self.verdicts.items()}
        found = ranked(self.verdicts.values(), self.target, policy=self.policy, now=self.moment.now)
        return [ids[id(verdict)] for verdict in found if verdict.offer.indexer in self.policy.terms]

    @property
    def best(self) -> ReleaseId | None:
        return self.ranking[0] if self.ranking else None

    def why_before(self, better: ReleaseId, worse: ReleaseId) -> str:
        """By what one ranks before the other."""
        return what_decides(
            self.verdicts[better], self.verdicts[worse], self.target, policy=self.policy, now=self.moment.now
        )

    def remedy(self, release_id: ReleaseId, *, wanted: str | None) -> dict[str, Any]:
        """The smallest change of the configuration with which the release would be accepted.

        `wanted` is the table that asks for the movie.
        """
        verdict = self.verdicts[release_id]
        return remedy_for(
            verdict.offer, verdict.parsed, self.target, policy=self.policy, moment=self.moment, wanted=wanted
        ).as_json()


class Running:
    """The criteria of the running daemon, read from its file when first asked for, and again after a change."""

    def __init__(self, path: Path, *, digest: str) -> None:
        self._path, self._digest = path, digest
        self._loaded: tuple[str, Criteria] | None = None

    def criteria(self) -> Criteria:
        """Raises NoCriteria."""
        digest = digest_of(self._path)
        if self._loaded is None or self._loaded[0] != digest:
            self._loaded = digest, Criteria.load(self._path)
        return self._loaded[1]

    @property
    def is_changed(self) -> bool:
        """Whether the file is another than the daemon started with: what it says holds after the next start."""
        return digest_of(self._path) != self._digest


def facts_of(connection: Connection, movie_id: MovieId, *, besides: Mapping[ReleaseId, Offer] | None = None) -> Facts:
    """Everything ever found for a movie, and `besides` these, as it is now; the movie must be there."""
    stored = [row for row, _ in releases.candidates(connection, movie_id)]
    offers = {ReleaseId(row["id"]): releases.offer_of(row) for row in stored} | dict(besides or {})
    pairs = [(offer, parse_release(offer.title)) for offer in offers.values()]
    known = targets.concerned(connection, pairs, also=[movie_id])[movie_id]
    known["free_bytes"] = decisions.free_bytes(connection, movie_id)
    return Facts(known=known, offers=offers, moment=moment(connection))


def moment(connection: Connection) -> Moment:
    """Now, with the indexers that any daemon last saw down."""
    is_open = breakers.open_anywhere(connection)
    closed = frozenset(name.removeprefix("indexer:") for name in is_open if name.startswith("indexer:"))
    return Moment(now=now(connection), closed_indexers=closed)


def offer_json(release_id: ReleaseId | None, offer: Offer) -> dict[str, Any]:
    """The release as its indexer offers it; `id` null: it was never seen."""
    return {
        "id": release_id,
        "title": offer.title,
        "indexer": offer.indexer,
        "protocol": offer.protocol.value,
        "size_bytes": offer.size_bytes,
        "seeders": offer.seeders,
        "published_at": offer.published_at,
    }


def time_of(text: str) -> datetime:
    """An ISO 8601 time; one without an offset is in UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
