"""What every endpoint answers with, and what it reads from a request and from the database."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from api.encoding import to_json
from storage.database import Connection, Database
from storage.errors import Conflict

MAX_PAGE = 500
MAX_CONFLICTS = 5
Result = TypeVar("Result")


class BadRequest(Exception):
    """A parameter that makes no sense; the text says which."""


class Answer(JSONResponse):
    """JSON with times in ISO 8601."""

    def render(self, content: Any) -> bytes:
        return to_json(content).encode()


def page_of(request: Request) -> tuple[int, int | None]:
    """`limit` (1 to 500, by default 100) and `after` (an id). Raises BadRequest."""
    limit, after = request.query_params.get("limit", "100"), request.query_params.get("after")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MAX_PAGE):
        raise BadRequest(f"limit is a number from 1 to {MAX_PAGE}")
    if after is not None and not (after.isascii() and after.isdigit() and len(after) <= 18):
        raise BadRequest("after is the last id of the page before")
    return int(limit), None if after is None else int(after)


async def ask_database(database: Database, question: Callable[[Connection], Result]) -> Result:
    """In a transaction of its own and a thread of the pool, again while another is in its way.

    Raises DatabaseUnavailable.
    """

    def run() -> Result:
        for _ in range(MAX_CONFLICTS):
            with suppress(Conflict), database.transaction() as connection:
                return question(connection)
        with database.transaction() as connection:
            return question(connection)

    return await run_in_threadpool(run)
