"""The Selector: takes the best stored release for a movie, and writes down why not the others.

Search results and RSS items end here alike. It decides anew over everything ever offered for the movie, because what is
known of the movie (its file, its blocklist, its profile) may have changed since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.address import Address
from actors.worker import Worker
from movies.decision import Verdict, decide, ranked
from movies.movie import MovieId, ReleaseId
from movies.profile import Profile
from movies.release import parse_release
from storage import acquisition, movies, releases
from storage.database import Connection, now
from storage.jobs import Claim


@dataclass(frozen=True, kw_only=True)
class IndexerTerms:
    """What decisions must know of an indexer."""

    priority: int
    minimum_seeders: int


class Selector(Worker):
    """`terms` by indexer name: releases of an indexer that is no longer configured are not taken."""

    def __init__(
        self,
        address: Address,
        *,
        profiles: Mapping[str, Profile],
        terms: Mapping[str, IndexerTerms],
        **worker: Any,
    ) -> None:
        super().__init__(address, **worker)
        self._profiles = profiles
        self._terms = terms

    def work(self, claim: Claim) -> None:
        movie_id = MovieId(claim.payload["movie_id"])
        with self.database.transaction() as connection:
            read_at = now(connection)
            targets = movies.targets(connection, self._profiles, movie_id=movie_id)
            candidates = releases.candidates(connection, movie_id)
        verdicts: dict[ReleaseId, Verdict] = {}
        failures: dict[ReleaseId, int] = {}
        for target in targets:
            for row, failed in candidates:
                if terms := self._terms.get(row["indexer"]):
                    offer = releases.offer_of(
                        row, indexer_priority=terms.priority, minimum_seeders=terms.minimum_seeders
                    )
                    release_id = ReleaseId(row["id"])
                    verdicts[release_id] = decide(offer, parse_release(offer.title), target)
                    failures[release_id] = failed
        best = None
        if targets:
            best = self._best(verdicts, failures, targets[0].profile, is_retry=claim.payload["is_retry"])
        with self.finishing(claim) as connection:
            movies.lock(connection, movie_id)
            if releases.has_verdict_since(connection, movie_id, read_at):  # found while this was being chosen
                acquisition.select(
                    connection,
                    movie_id,
                    correlation_id=claim.correlation_id,
                    attempt=claim.attempt - 1,
                    is_retry=claim.payload["is_retry"],
                )
                return
            releases.log_verdicts(connection, movie_id, verdicts.items())
            self._conclude(connection, claim, movie_id, best, verdicts)
        self._count(verdicts)

    def _best(
        self,
        verdicts: Mapping[ReleaseId, Verdict],
        failures: Mapping[ReleaseId, int],
        profile: Profile,
        *,
        is_retry: bool,
    ) -> ReleaseId | None:
        """The best release, those that never failed first; one that failed is taken again only by a retry."""
        ids = {id(verdict): release_id for release_id, verdict in verdicts.items()}
        order = [ids[id(verdict)] for verdict in ranked(verdicts.values(), profile)]
        order.sort(key=lambda release_id: failures[release_id])
        if not order or (failures[order[0]] and not is_retry):
            return None
        return order[0]

    def _conclude(
        self,
        connection: Connection,
        claim: Claim,
        movie_id: MovieId,
        best: ReleaseId | None,
        verdicts: Mapping[ReleaseId, Verdict],
    ) -> None:
        if best is None:
            movies.rest(connection, movie_id, reason=f"none of {len(verdicts)} releases can be taken")
            self.log.info("no release can be taken", movie_id=movie_id, releases=len(verdicts))
            return
        offer = verdicts[best].offer
        acquisition.chosen(
            connection,
            movie_id,
            release_id=best,
            indexer=offer.indexer,
            title=offer.title,
            attempt=claim.attempt,
            correlation_id=claim.correlation_id,
        )
        self.log.info("a release was chosen", movie_id=movie_id, release=offer.title, indexer=offer.indexer)

    def _count(self, verdicts: Mapping[ReleaseId, Verdict]) -> None:
        for verdict in verdicts.values():
            self.metrics.verdicts.labels(verdict="accepted" if verdict.is_accepted else "rejected").inc()
            for rejection in verdict.rejections:
                self.metrics.rejections.labels(reason=rejection.reason.value).inc()
