"""The endpoints: they read PostgreSQL, and what they are asked to do they do by writing rows."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from api.answer import Answer, BadRequest, Result, ask_database, page_of
from api.daemon import Daemon, NoAnswer, Refused
from api.event_stream import Alarm, stream
from api.judging import Running
from api.node_endpoints import NodeEndpoints
from api.queue_endpoints import QueueEndpoints
from api.why_endpoints import WhyEndpoints
from movies.movie import DownloadId, MovieId
from storage import decisions, downloads, movies
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable
from storage.events import Cursor


class Endpoints:
    """One method per endpoint. `alarm` wakes the event streams; `running` is by what the daemon judges releases."""

    def __init__(
        self, *, database: Database, daemon: Daemon, alarm: Alarm, registry: CollectorRegistry, running: Running
    ) -> None:
        self._database, self._daemon, self._alarm, self._registry = database, daemon, alarm, registry
        self._queue = QueueEndpoints(database=database, daemon=daemon)
        self._nodes = NodeEndpoints(database=database)
        self._why = WhyEndpoints(database=database, running=running)

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
            *self._queue.routes(),
            *self._nodes.routes(),
            *self._why.routes(),
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

    async def movies(self, request: Request) -> Response:
        limit, after = page_of(request)
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
        rows = await self._ask_database(lambda connection: decisions.judged(connection, movie_id))
        return Answer({"releases": rows})

    async def downloads(self, request: Request) -> Response:
        limit, after = page_of(request)
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
        return await ask_database(self._database, question)


async def database_unavailable(request: Request, error: Exception) -> Response:
    """503, never an empty list."""
    return Answer({"error": str(error)}, status_code=503)


async def http_error(request: Request, error: Exception) -> Response:
    """An unknown path or a method that is not offered, in the form of all other errors."""
    assert isinstance(error, HTTPException)
    return Answer({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def bad_request(request: Request, error: Exception) -> Response:
    return Answer({"error": str(error)}, status_code=400)
