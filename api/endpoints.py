"""The endpoints: they read PostgreSQL, and what they are asked to do they do by writing rows."""

from collections.abc import Callable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from api.daemon import Daemon, NoAnswer, Refused
from api.encoding import to_json
from api.event_stream import Alarm, stream
from movies.movie import DownloadId, JobId, MovieId
from storage import downloads, job_list, jobs, movies, releases
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable
from storage.events import Cursor
from storage.jobs import STATES

MAX_PAGE = 500
Result = TypeVar("Result")


class BadRequest(Exception):
    """A parameter that makes no sense; the text says which."""


class Answer(JSONResponse):
    """JSON with times in ISO 8601."""

    def render(self, content: Any) -> bytes:
        return to_json(content).encode()


class Endpoints:
    """One method per endpoint. `alarm` wakes the event streams."""

    def __init__(self, *, database: Database, daemon: Daemon, alarm: Alarm, registry: CollectorRegistry) -> None:
        self._database, self._daemon, self._alarm, self._registry = database, daemon, alarm, registry

    def routes(self) -> list[Route]:
        get, post = ["GET"], ["POST"]
        return [
            Route("/healthz", self.healthz, methods=get),
            Route("/readyz", self.readyz, methods=get),
            Route("/metrics", self.metrics, methods=get),
            Route("/api/health", self.health, methods=get),
            Route("/api/breakers", self.breakers, methods=get),
            Route("/api/breakers/{action}/{dependency:path}", self.change_breaker, methods=post),
            Route("/api/supervision", self.supervision, methods=get),
            Route("/api/supervision/restart/{actor:path}", self.restart, methods=post),
            Route("/api/supervision/dead-letters", self.dead_letters, methods=get),
            Route("/api/supervision/stacks", self.stacks, methods=get),
            Route("/api/queue/status", self.queue_status, methods=get),
            Route("/api/queue", self.queue, methods=get),
            Route("/api/queue/{id:int}", self.job, methods=get),
            Route("/api/queue/{id:int}/retry", self.retry, methods=post),
            Route("/api/movies", self.movies, methods=get),
            Route("/api/movies/{id:int}/releases", self.releases, methods=get),
            Route("/api/downloads", self.downloads, methods=get),
            Route("/api/events", self.events, methods=get),
            Route("/api/debug/crash/{actor:path}", self.crash, methods=post),
        ]

    async def healthz(self, request: Request) -> Response:
        """Live: red only when the daemon's root or queue do not answer."""
        try:
            heartbeat = await self._daemon.ask("heartbeat")
        except NoAnswer as error:
            return Answer({"status": "dead", "error": str(error)}, status_code=503)
        return Answer(heartbeat, status_code=200 if heartbeat["status"] == "ok" else 503)

    async def readyz(self, request: Request) -> Response:
        """Ready: the database answers and its schema is this program's."""
        try:
            await self._ask_database(lambda connection: connection.execute("select 1").fetchone())
        except DatabaseUnavailable as error:
            return Answer({"status": "not ready", "database": str(error)}, status_code=503)
        return Answer({"status": "ready", "database": "ok"})

    async def metrics(self, request: Request) -> Response:
        """The daemon's metrics and this process's own; if the daemon does not answer, understudy_up is 0."""
        try:
            text, is_up = str(await self._daemon.ask("metrics")), 1
        except NoAnswer:
            text, is_up = "", 0
        up = f"# HELP understudy_up Whether the daemon answers.\n# TYPE understudy_up gauge\nunderstudy_up {is_up}\n"
        return PlainTextResponse(
            up + text + generate_latest(self._registry).decode(), media_type="text/plain; version=0.0.4"
        )

    async def health(self, request: Request) -> Response:
        return await self._from_daemon("health")

    async def breakers(self, request: Request) -> Response:
        return await self._from_daemon("breakers")

    async def supervision(self, request: Request) -> Response:
        return await self._from_daemon("tree")

    async def change_breaker(self, request: Request) -> Response:
        """`action` is open (until told otherwise), close, disable or reset; the breaker as it is then."""
        return await self._have_daemon("breaker", **request.path_params)

    async def restart(self, request: Request) -> Response:
        """Restart an actor or a group, also a parked one, now and as if it had never crashed."""
        return await self._have_daemon("restart", **request.path_params)

    async def dead_letters(self, request: Request) -> Response:
        """The last messages between actors that nobody handled."""
        return await self._from_daemon("dead_letters")

    async def stacks(self, request: Request) -> Response:
        """What every thread of the daemon does now."""
        return await self._from_daemon("stacks")

    async def queue_status(self, request: Request) -> Response:
        """`status` is "active" while the queue claims jobs; counts per state."""
        try:
            is_active = bool(await self._daemon.ask("queue"))
        except NoAnswer:
            is_active = False
        counts = await self._ask_database(job_list.counts)
        return Answer({"status": "active" if is_active else "stopped", "jobs": counts})

    async def queue(self, request: Request) -> Response:
        states = [state for state in STATES if state in request.query_params.get("state", ",".join(STATES)).split(",")]
        if not states:
            raise BadRequest(f"state is one of {', '.join(STATES)}")
        limit, after = _page(request)
        rows = await self._ask_database(
            lambda connection: job_list.listed(
                connection, states=states, limit=limit, after=None if after is None else JobId(after)
            )
        )
        return Answer({"jobs": rows})

    async def job(self, request: Request) -> Response:
        job_id = JobId(request.path_params["id"])
        row = await self._ask_database(lambda connection: job_list.shown(connection, job_id))
        return Answer({"error": f"there is no job {job_id}"}, status_code=404) if row is None else Answer(row)

    async def retry(self, request: Request) -> Response:
        job_id = JobId(request.path_params["id"])
        outcome = await self._ask_database(lambda connection: jobs.retry(connection, job_id))
        status = {"retried": 200, "unknown": 404}.get(outcome, 409)
        return Answer({"job": job_id, "outcome": outcome}, status_code=status)

    async def movies(self, request: Request) -> Response:
        limit, after = _page(request)
        rows = await self._ask_database(
            lambda connection: movies.listed(connection, limit=limit, after=None if after is None else MovieId(after))
        )
        return Answer({"movies": rows})

    async def releases(self, request: Request) -> Response:
        """The decision log of a movie: every release found for it, with all the reasons against it."""
        movie_id = MovieId(request.path_params["id"])
        movie = await self._ask_database(lambda connection: movies.one(connection, movie_id))
        if movie is None:
            return Answer({"error": f"there is no movie {movie_id}"}, status_code=404)
        rows = await self._ask_database(lambda connection: releases.judged(connection, movie_id))
        return Answer({"releases": rows})

    async def downloads(self, request: Request) -> Response:
        limit, after = _page(request)
        rows = await self._ask_database(
            lambda connection: downloads.listed(
                connection, limit=limit, after=None if after is None else DownloadId(after)
            )
        )
        return Answer({"downloads": rows})

    async def events(self, request: Request) -> Response:
        last = request.headers.get("last-event-id")
        cursor = Cursor.parse(last) if last else None
        if last and cursor is None:
            raise BadRequest("Last-Event-ID is not an id of this stream")
        return StreamingResponse(
            stream(self._database, self._alarm, after=cursor),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def crash(self, request: Request) -> Response:
        """Debug mode only: make an actor crash or hang (`how`), to see the supervisor at work."""
        return await self._have_daemon("crash", how=request.query_params.get("how", "exception"), **request.path_params)

    async def _have_daemon(self, what: str, **facts: str) -> Response:
        """404 for what it does not know, 503 if it does not answer."""
        try:
            return Answer({what: await self._daemon.ask(what, **facts)})
        except NoAnswer as error:
            return Answer({"error": str(error)}, status_code=404 if isinstance(error, Refused) else 503)

    async def _from_daemon(self, what: str) -> Response:
        try:
            return Answer({what: await self._daemon.ask(what)})
        except NoAnswer as error:
            return Answer({"error": str(error)}, status_code=503)

    async def _ask_database(self, question: Callable[[Connection], Result]) -> Result:
        def run() -> Result:
            with self._database.transaction() as connection:
                return question(connection)

        return await run_in_threadpool(run)


async def database_unavailable(request: Request, error: Exception) -> Response:
    """503, never an empty list."""
    return Answer({"error": str(error)}, status_code=503)


async def http_error(request: Request, error: Exception) -> Response:
    """An unknown path or a method that is not offered, in the form of all other errors."""
    assert isinstance(error, HTTPException)
    return Answer({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def bad_request(request: Request, error: Exception) -> Response:
    return Answer({"error": str(error)}, status_code=400)


def _page(request: Request) -> tuple[int, int | None]:
    """`limit` (1 to 500, by default 100) and `after` (an id)."""
    limit, after = request.query_params.get("limit", "100"), request.query_params.get("after")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MAX_PAGE):
        raise BadRequest(f"limit is a number from 1 to {MAX_PAGE}")
    if after is not None and not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise BadRequest("after is the last id of the page before")
    return int(limit), None if after is None else int(after)
