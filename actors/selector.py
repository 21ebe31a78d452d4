"""The Selector: takes the best stored release for a movie, and writes down why not the others.

Search results and RSS items end here alike. It decides anew over everything ever offered for the movie, because what is
known of the movie (its file, its blocklist, its profile) may have changed since. Where all that speaks against a
release will pass, it looks again when that has passed, or when the indexer in question is called again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actors.address import Address
from actors.judge import Judge, Judged
from actors.worker import Worker
from movies.movie import MovieId, ReleaseId
from movies.release import parse_release
from movies.verdict import Reason, Verdict
from storage import acquisition, decisions, movies, releases
from storage.acquisition import A_PENDING_RELEASE, indexer_lane
from storage.database import Connection
from storage.decisions import Decision
from storage.jobs import Claim

LOOK_AGAIN_S = 300.0
"""For what nobody knows the end of, such as an indexer's outage."""
FAILURES = "failures"
"""What sets a release before a better one that has failed."""
MARGIN_S = 0.05
"""Past the end of a wait, so that it has ended by any rounding."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """`ranking` has the releases that may be taken, best first; `best` is the one to take now, `by` why it is."""

    ids: Sequence[ReleaseId]
    judged: Judged
    ranking: Sequence[ReleaseId]
    best: ReleaseId | None
    by: str | None = None

    @property
    def verdicts(self) -> list[tuple[ReleaseId, Verdict]]:
        return list(zip(self.ids, self.judged.verdicts, strict=True))

    @property
    def pending(self) -> list[Verdict]:
        """Those that may be taken later, when their time has come or their root has room again."""
        return [verdict for verdict in self.judged.verdicts if verdict.rejections and not _is_final(verdict)]


class Selector(Worker):
    """Releases of an indexer that is no longer configured are not taken."""

    def __init__(self, address: Address, *, judge: Judge, **worker: Any) -> None:
        super().__init__(address, **worker)
        self._judge = judge

    def work(self, claim: Claim) -> None:
        movie_id = MovieId(claim.payload["movie_id"])
        choice = self._choose(movie_id, is_retry=claim.payload["is_retry"])
        with self.finishing(claim) as connection:
            movies.lock(connection, movie_id)
            if choice is None:
                self._rest(connection, movie_id, 0)
                return
            if decisions.has_verdict_since(connection, movie_id, choice.judged.moment.now):
                self._select_again(connection, claim)  # found while this was being chosen
                return
            decisions.log_verdicts(connection, movie_id, choice.verdicts)
            decisions.record(connection, _decision(movie_id, choice))
            self._conclude(connection, claim, movie_id, choice)
        self._count(choice.judged.verdicts)

    def _choose(self, movie_id: MovieId, *, is_retry: bool) -> Choice | None:
        """None: the movie is gone, or its profile no longer configured."""
        with self.database.transaction() as connection:
            stored = [
                (row, failures)
                for row, failures in releases.candidates(connection, movie_id)
                if row["indexer"] in self._judge.policy.terms
            ]
            offers = [(releases.offer_of(row), parse_release(row["title"])) for row, _ in stored]
            judged = self._judge.one(connection, movie_id, offers)
        if judged is None:
            return None
        ids = {(row["indexer"], row["guid"]): ReleaseId(row["id"]) for row, _ in stored}
        failures = {ReleaseId(row["id"]): failed for row, failed in stored}
        ranked = self._judge.ranked(judged)
        ranking = [ids[verdict.offer.indexer, verdict.offer.guid] for verdict in ranked]
        best, by = _best(ranking, failures, is_retry=is_retry), None
        if best is not None and len(ranked) > 1:
            by = self._judge.why_before(judged, *ranked[:2]) if best == ranking[0] else FAILURES
        return Choice(ids=list(ids.values()), judged=judged, ranking=ranking, best=best, by=by)

    def _conclude(self, connection: Connection, claim: Claim, movie_id: MovieId, choice: Choice) -> None:
        if choice.pending:
            self._look_again(connection, claim, movie_id, choice)
        if choice.best is None:
            self._rest(connection, movie_id, len(choice.ids), waits=choice.pending)
            return
        offer = dict(choice.verdicts)[choice.best].offer
        acquisition.chosen(
            connection,
            movie_id,
            release_id=choice.best,
            indexer=offer.indexer,
            title=offer.title,
            attempt=claim.attempt,
            correlation_id=claim.correlation_id,
        )
        self.log.info("a release was chosen", movie_id=movie_id, release=offer.title, indexer=offer.indexer)

    def _rest(self, connection: Connection, movie_id: MovieId, number: int, *, waits: Sequence[Verdict] = ()) -> None:
        if waits:
            reason = f"waits for a release: {waits[0].rejections[0].text}"
            movies.rest(connection, movie_id, reason=reason)
            self.log.info("a release may be taken later", movie_id=movie_id, releases=len(waits), reason=reason)
            return
        movies.rest(connection, movie_id, reason=f"none of {number} releases can be taken")
        self.log.info("no release can be taken", movie_id=movie_id, releases=number)

    def _look_again(self, connection: Connection, claim: Claim, movie_id: MovieId, choice: Choice) -> None:
        """When the first of the pending releases may be taken, or what is in the way of one has gone."""
        ends = [verdict.until for verdict in choice.pending if verdict.until is not None]
        conditions = [_condition(verdict, choice) for verdict in choice.pending if verdict.until is None]
        delay_s = _seconds(choice.judged.moment.now, min(ends)) if ends else LOOK_AGAIN_S
        acquisition.select(
            connection,
            movie_id,
            correlation_id=claim.correlation_id,
            delay_s=min(delay_s, LOOK_AGAIN_S) if conditions else delay_s,
            attempt=claim.attempt - 1,
            is_retry=claim.payload["is_retry"],
            waiting_for=conditions[0] if conditions else A_PENDING_RELEASE,
        )

    def _select_again(self, connection: Connection, claim: Claim) -> None:
        acquisition.select(
            connection,
            MovieId(claim.payload["movie_id"]),
            correlation_id=claim.correlation_id,
            attempt=claim.attempt - 1,
            is_retry=claim.payload["is_retry"],
        )

    def _count(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            self.metrics.verdicts.labels(verdict=verdict.state).inc()
            for rejection in verdict.rejections:
                self.metrics.rejections.labels(reason=rejection.reason.value).inc()


def _best(ranking: Sequence[ReleaseId], failures: Mapping[ReleaseId, int], *, is_retry: bool) -> ReleaseId | None:
    """The best release, those that never failed first; one that failed is taken again only by a retry."""
    order = sorted(ranking, key=lambda release_id: failures[release_id])
    if not order or (failures[order[0]] and not is_retry):
        return None
    return order[0]


def _is_final(verdict: Verdict) -> bool:
    """A full disk is a condition, and no fault of the release."""
    return any(one.kind == "permanent" and one.reason is not Reason.FREE_SPACE for one in verdict.rejections)


def _condition(verdict: Verdict, choice: Choice) -> str:
    """What must clear before the release may be taken."""
    if any(rejection.reason is Reason.FREE_SPACE for rejection in verdict.rejections):
        return f"room in {choice.judged.known['root']}"
    return indexer_lane(verdict.offer.indexer)


def _decision(movie_id: MovieId, choice: Choice) -> Decision:
    return Decision(
        movie_id=movie_id,
        target=choice.judged.known,
        closed_indexers=choice.judged.moment.closed_indexers,
        judged=choice.ids,
        ranking=choice.ranking,
        taken=choice.best,
        taken_by=choice.by,
    )


def _seconds(now: datetime, end: datetime) -> float:
    return max(0.0, (end - now).total_seconds()) + MARGIN_S
