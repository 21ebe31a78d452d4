"""The Judge: decides about releases by the configuration, with what is known of the movies and of this moment."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from actors.offers import Parsed
from movies.case import Moment
from movies.decision import decide_all
from movies.movie import MovieId
from movies.policy import Policy
from movies.profile import Profile
from movies.ranking import ranked, what_decides
from movies.target import Target
from movies.upgrade import why_no_upgrade
from movies.verdict import Reason, Verdict
from movies.wanted_index import WantedIndex
from storage import targets
from storage.database import Connection, now
from storage.targets import Known


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One movie's releases with their verdicts, and what those rest on."""

    target: Target
    known: Known
    moment: Moment
    verdicts: list[Verdict]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """`closed_indexers` are those whose breaker is open now; `free_bytes` is of a root, None: not known."""

    profiles: Mapping[str, Profile]
    policy: Policy
    closed_indexers: Callable[[], frozenset[str]] = frozenset
    free_bytes: Callable[[str], int | None] = lambda root: None

    def moment(self, connection: Connection) -> Moment:
        """Now, by the database's clock."""
        return Moment(now=now(connection), closed_indexers=self.closed_indexers())

    def one(self, connection: Connection, movie_id: MovieId, offers: Iterable[Parsed] = ()) -> Judged | None:
        """The verdicts on offers for one movie, in their order; None: it has no profile that is configured."""
        found, moment = list(offers), self.moment(connection)
        known = targets.concerned(connection, found, also=[movie_id]).get(movie_id)
        target = self._target(known) if known else None
        if known is None or target is None:
            return None
        return self._judged(target, known, moment, found)

    def page(self, connection: Connection, offers: Iterable[Parsed]) -> dict[MovieId, Judged]:
        """The verdicts on a page of offers for each monitored movie that one of them may be."""
        found, moment = list(offers), self.moment(connection)
        known = targets.concerned(connection, found)
        wanted = (target for target in map(self._target, known.values()) if target and target.monitored)
        index = WantedIndex(wanted)
        by_movie: dict[MovieId, list[Parsed]] = {}
        for offer, parsed in found:
            for target in index.candidates(offer, parsed):
                by_movie.setdefault(target.movie_id, []).append((offer, parsed))
        judged = (
            self._judged(target, known[target.movie_id], moment, by_movie[target.movie_id])
            for target in index
            if target.movie_id in by_movie
        )
        kept = (_without_others(one) for one in judged)
        return {one.target.movie_id: one for one in kept if one.verdicts}

    def ranked(self, judged: Judged) -> list[Verdict]:
        """Those that may be taken, best first."""
        return ranked(judged.verdicts, judged.target, policy=self.policy, now=judged.moment.now)

    def why_before(self, judged: Judged, better: Verdict, worse: Verdict) -> str:
        """By what one of two releases that may be taken ranks before the other."""
        return what_decides(better, worse, judged.target, policy=self.policy, now=judged.moment.now)

    def why_no_upgrade(self, download: Mapping[str, Any], *, over: Mapping[str, Any], profile_name: str) -> str | None:
        """What keeps a download from replacing the movie's file; None: nothing does, or nobody knows the profile.

        Both are measured by what was known of them when they were grabbed, as they were when this one was chosen.
        """
        profile = self.profiles.get(profile_name)
        if profile is None:
            return None
        return why_no_upgrade(
            targets.held_of(download, profile=profile, policy=self.policy),
            over=targets.held_of({**over, "title": over["release_title"]}, profile=profile, policy=self.policy),
            profile=profile,
            propers=self.policy.propers,
        )

    def _target(self, known: Known) -> Target | None:
        known["free_bytes"] = self.free_bytes(known["root"])
        return targets.target_of(known, profiles=self.profiles, policy=self.policy)

    def _judged(self, target: Target, known: Known, moment: Moment, offers: list[Parsed]) -> Judged:
        verdicts = decide_all(offers, target, policy=self.policy, moment=moment)
        return Judged(target=target, known=known, moment=moment, verdicts=verdicts)


def _without_others(judged: Judged) -> Judged:
    """Of a page, only what is this movie's, or might be."""
    verdicts = [verdict for verdict in judged.verdicts if not _is_of_another(verdict)]
    return Judged(target=judged.target, known=judged.known, moment=judged.moment, verdicts=verdicts)


def _is_of_another(verdict: Verdict) -> bool:
    return any(rejection.reason is Reason.MOVIE_DOES_NOT_MATCH for rejection in verdict.rejections)
