"""Why over HTTP: what was found for a movie and what was taken, why a release was not, and what decisions knew."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.answer import Answer, BadRequest, ask_database, page_of
from api.judging import (
    Criteria,
    Judgement,
    NoCriteria,
    Running,
    facts_of,
    offer_json,
    time_of,
)
from movies.errors import BadWanted
from movies.movie import MovieId, ReleaseId
from movies.offer import Offer
from movies.release import ParsedRelease, parse_release
from movies.target import named
from storage import decisions, movie_titles, movies, releases, targets
from storage.database import Connection, Database

MAX_TEXT = 5000
MAX_DECISIONS = 20
"""On a page, since each brings its releases along."""
UNSEEN = ReleaseId(0)
"""A release that no indexer has offered."""
Asked = Response | Callable[[Criteria], dict[str, Any]]
"""An answer that needs no judgement, or what makes one."""


class WhyEndpoints:
    """One method per endpoint; `running` has the criteria of the daemon."""

    def __init__(self, *, database: Database, running: Running) -> None:
        self._database, self._running = database, running

    def routes(self) -> list[Route]:
        get = ["GET"]
        return [
            Route("/api/why", self.why, methods=get),
            Route("/api/why-not", self.why_not, methods=get),
            Route("/api/decisions", self.decisions, methods=get),
        ]

    async def why(self, request: Request) -> Response:
        """For `movie`: what was found, which release was taken and why that one, and which would be taken now."""
        text = _text(request, "movie")
        return await self._answer(lambda connection: self._why(connection, text))

    async def why_not(self, request: Request) -> Response:
        """For `release`, a name or the id of one found: what speaks against it, and the change that would help.

        Also for a name that was never found. `movie` asks about one movie; else about all that it may be.
        """
        release, movie = _text(request, "release"), request.query_params.get("movie")
        return await self._answer(lambda connection: self._why_not(connection, release, movie=movie))

    async def decisions(self, request: Request) -> Response:
        """Those made `since` a time, with all that they knew, oldest first; `after` ends the page before."""
        limit, after = page_of(request)
        try:
            since = time_of(_text(request, "since"))
        except ValueError as error:
            raise BadRequest("since is a time in ISO 8601") from error

        def ask(connection: Connection) -> list[dict[str, Any]]:
            rows = decisions.since(connection, since, after=after or 0, limit=min(limit, MAX_DECISIONS))
            return [row | {"judged": releases.without_links(connection, row["judged"])} for row in rows]

        return Answer({"decisions": await ask_database(self._database, ask)})

    async def _answer(self, question: Callable[[Connection], Asked]) -> Response:
        """The database tells the facts; they are judged after its transaction, since that may take a while."""
        try:
            criteria = await run_in_threadpool(self._running.criteria)
        except NoCriteria as error:
            return Answer({"error": f"the configuration cannot be read any more: {error}"}, status_code=503)
        asked = await ask_database(self._database, question)
        if isinstance(asked, Response):
            return asked
        answer = await run_in_threadpool(asked, criteria)
        return Answer(answer | {"is_config_changed": self._running.is_changed})

    def _why(self, connection: Connection, text: str) -> Asked:
        movie_id = _movie(connection, text)
        if movie_id is None:
            return _not_found(text)
        taken = decisions.taken(connection, movie_id)
        told = {
            "movie": _row(movies.one(connection, movie_id)),
            "found": decisions.judged(connection, movie_id),
            "taken": _taken(connection, taken) if taken else None,
        }
        facts = facts_of(connection, movie_id)
        return lambda criteria: told | {"now": _now(criteria.judge(facts))}

    def _why_not(self, connection: Connection, release: str, *, movie: str | None) -> Asked:
        only = None if movie is None else _movie(connection, movie)
        if movie is not None and only is None:
            return _not_found(movie)
        found = {ReleaseId(row["id"]): releases.offer_of(row) for row in releases.named(connection, release)}
        offers = found or {UNSEEN: Offer(indexer="", guid=release, title=release)}
        parsed = parse_release(next(iter(offers.values())).title)
        against = [
            _against(connection, movie_id, release_id, offer)
            for release_id, offer in offers.items()
            for movie_id in ([only] if only else _movies_of(connection, offer))
        ]
        told = {
            "release": release,
            "is_found": bool(found),
            "read_as": _read_as(parsed) if isinstance(parsed, ParsedRelease) else None,
            "unreadable": None if isinstance(parsed, ParsedRelease) else parsed.reason,
        }
        return lambda criteria: told | {"movies": list(filter(None, (judge(criteria) for judge in against)))}


def _against(
    connection: Connection, movie_id: MovieId, release_id: ReleaseId, offer: Offer
) -> Callable[[Criteria], dict[str, Any] | None]:
    """Tells what speaks against one release for one movie, or None when the movie's profile is gone."""
    facts = facts_of(connection, movie_id, besides={release_id: offer})
    wanted = movies.wanted_table(connection, movie_id)

    def judge(criteria: Criteria) -> dict[str, Any] | None:
        judged = criteria.judge(facts)
        if judged is None:
            return None
        return {
            "movie": {"id": movie_id, "title": judged.target.title, "year": judged.target.year},
            "release": offer_json(None if release_id == UNSEEN else release_id, offer),
            "is_indexer_configured": offer.indexer in criteria.policy.terms if offer.indexer else None,
            **judged.verdicts[release_id].as_json(),
            "better": _better(judged, release_id),
            "remedy": judged.remedy(release_id, wanted=wanted),
        }

    return judge


def _movie(connection: Connection, text: str) -> MovieId | None:
    """Raises BadRequest when several movies may be meant."""
    try:
        found = movie_titles.search(connection, text)
    except BadWanted as error:
        raise BadRequest(str(error)) from error
    if len(found) > 1:
        rows = [movies.one(connection, movie_id) for movie_id in found]
        names = ", ".join(f"{row['id']} {named(row['title'], row['year'])}" for row in rows if row)
        raise BadRequest(f"several movies may be meant; say one by its id: {names}")
    return found[0] if found else None


def _movies_of(connection: Connection, offer: Offer) -> list[MovieId]:
    return sorted(targets.concerned(connection, [(offer, parse_release(offer.title))]))


def _taken(connection: Connection, decision: Mapping[str, Any]) -> dict[str, Any]:
    """The release that was taken, what it was the best of, and by what it ranked before the next."""
    offers = releases.offers(connection, decision["judged"])
    ranking = [release_id for release_id in decision["ranking"] if release_id in offers]
    taken = offers.get(decision["taken"])
    return {
        "decided_at": decision["decided_at"],
        "release": offer_json(decision["taken"], taken) if taken else None,
        "ranking": [offer_json(release_id, offers[release_id]) for release_id in ranking],
        "of": len(decision["judged"]),
        "by": decision["taken_by"],
    }


def _now(judged: Judgement | None) -> dict[str, Any]:
    """What would be taken at this moment, and what of the rest may be taken later."""
    if judged is None:
        return {"would_take": None, "ranking": [], "pending": []}
    chosen = [offer_json(release_id, judged.verdicts[release_id].offer) for release_id in judged.ranking]
    pending = [(release_id, verdict) for release_id, verdict in judged.verdicts.items() if verdict.is_pending]
    return {
        "would_take": chosen[0] if chosen else None,
        "ranking": chosen,
        "pending": [offer_json(release_id, one.offer) | one.as_json() for release_id, one in pending],
    }


def _better(judged: Judgement, release_id: ReleaseId) -> dict[str, Any] | None:
    """What would be taken before a release against which nothing speaks."""
    best = judged.best
    if best is None or best == release_id or not judged.verdicts[release_id].is_accepted:
        return None
    by = judged.why_before(best, release_id)
    return offer_json(best, judged.verdicts[best].offer) | {"by": by}


def _row(movie: Mapping[str, Any] | None) -> dict[str, Any]:
    """The movie without what only the database is concerned with."""
    return {name: value for name, value in (movie or {}).items() if name != "keyed_by"}


def _read_as(parsed: ParsedRelease) -> dict[str, Any]:
    return {
        "title": parsed.title,
        "year": parsed.year,
        "quality": parsed.quality.name,
        "release_group": parsed.release_group,
    }


def _text(request: Request, name: str) -> str:
    text = request.query_params.get(name, "")
    if not text.strip() or len(text) > MAX_TEXT or "\0" in text:
        raise BadRequest(f"{name} is missing, or is too long")
    return text


def _not_found(text: str) -> Response:
    return Answer({"error": f"there is no movie {text}"}, status_code=404)
