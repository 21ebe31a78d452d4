"""The queue over HTTP: its jobs, and what people decide about its dead letters."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.answer import Answer, BadRequest, ask_database, page_of
from api.daemon import Daemon, NoAnswer
from movies.job import Unfit
from movies.movie import JobId
from storage import dead_letters, job_list
from storage.database import Database
from storage.dead_letters import Cause
from storage.jobs import STATES

DONE = ("retried", "replayed", "discarded")


class QueueEndpoints:
    """One method per endpoint."""

    def __init__(self, *, database: Database, daemon: Daemon) -> None:
        self._database, self._daemon = database, daemon

    def routes(self) -> list[Route]:
        get, post = ["GET"], ["POST"]
        return [
            Route("/api/queue/status", self.status, methods=get),
            Route("/api/queue", self.jobs, methods=get),
            Route("/api/queue/dead/retry", self.retry_all, methods=post),
            Route("/api/queue/dead/discard", self.discard_all, methods=post),
            Route("/api/queue/{id:int}", self.job, methods=get),
            Route("/api/queue/{id:int}/retry", self.retry, methods=post),
            Route("/api/queue/{id:int}/replay", self.replay, methods=post),
            Route("/api/queue/{id:int}/discard", self.discard, methods=post),
        ]

    async def status(self, request: Request) -> Response:
        """`status` is "active" while the queue claims jobs; counts per state."""
        try:
            is_active = bool(await self._daemon.ask("queue"))
        except NoAnswer:
            is_active = False
        counts = await ask_database(self._database, job_list.counts)
        return Answer({"status": "active" if is_active else "stopped", "jobs": counts})

    async def jobs(self, request: Request) -> Response:
        """In the states of `state` (with commas), of one `kind`, `lane` or `reason` if given, newest first."""
        states = [state for state in STATES if state in request.query_params.get("state", ",".join(STATES)).split(",")]
        if not states:
            raise BadRequest(f"state is one of {', '.join(STATES)}")
        limit, after = page_of(request)
        last, cause = None if after is None else JobId(after), _cause(request)
        rows = await ask_database(
            self._database,
            lambda connection: job_list.listed(connection, states=states, limit=limit, after=last, **vars(cause)),
        )
        return Answer({"jobs": rows})

    async def job(self, request: Request) -> Response:
        """With its whole error history."""
        job_id = _id(request)
        row = await ask_database(self._database, lambda connection: job_list.shown(connection, job_id))
        return Answer({"error": f"there is no job {job_id}"}, status_code=404) if row is None else Answer(row)

    async def retry(self, request: Request) -> Response:
        """A dead letter gets a fresh start."""
        job_id = _id(request)
        return _decided(
            job_id, await ask_database(self._database, lambda connection: dead_letters.retry(connection, job_id))
        )

    async def replay(self, request: Request) -> Response:
        """The same with the `payload` of the body, which must suit the kind of job."""
        job_id, payload = _id(request), await _payload(request)
        try:
            outcome = await ask_database(
                self._database, lambda connection: dead_letters.replay(connection, job_id, payload=payload)
            )
        except Unfit as error:
            raise BadRequest(str(error)) from error
        return _decided(job_id, outcome)

    async def discard(self, request: Request) -> Response:
        """Nobody will do it."""
        job_id = _id(request)
        return _decided(
            job_id, await ask_database(self._database, lambda connection: dead_letters.discard(connection, job_id))
        )

    async def retry_all(self, request: Request) -> Response:
        """Those that share a `kind`, `lane` or `reason`: how many were retried, and how many wait already."""
        cause = _one_cause(request)
        return Answer(await ask_database(self._database, lambda connection: dead_letters.retry_all(connection, cause)))

    async def discard_all(self, request: Request) -> Response:
        """The same, for nobody to do them."""
        cause = _one_cause(request)
        number = await ask_database(self._database, lambda connection: dead_letters.discard_all(connection, cause))
        return Answer({"discarded": number})


def _id(request: Request) -> JobId:
    return JobId(request.path_params["id"])


def _decided(job_id: JobId, outcome: str) -> Response:
    status = 200 if outcome in DONE else 404 if outcome == "unknown" else 409
    return Answer({"job": job_id, "outcome": outcome}, status_code=status)


def _cause(request: Request) -> Cause:
    given = request.query_params
    cause = Cause(kind=given.get("kind"), lane=given.get("lane"), reason=given.get("reason"))
    if any(value is not None and "\0" in value for value in vars(cause).values()):
        raise BadRequest("kind, lane and reason are text")
    return cause


def _one_cause(request: Request) -> Cause:
    cause = _cause(request)
    if cause == Cause():
        raise BadRequest("say which: by kind, lane or reason")
    return cause


async def _payload(request: Request) -> dict[str, Any]:
    """The body's payload, if the database can hold it: no NaN, no half characters, no NUL. Raises BadRequest."""
    try:
        payload = json.loads(await request.body())["payload"]
        text = json.dumps(payload, ensure_ascii=False, allow_nan=False)
        is_storable = isinstance(payload, dict) and "\\u0000" not in text and bool(text.encode())
    except (ValueError, LookupError, TypeError, RecursionError):
        is_storable = False
    if not is_storable:
        raise BadRequest('expected {"payload": {...}}')
    return dict(payload)
