"""What a request must pass before it is looked at: the key, and a bound on its body."""

import hmac
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
MAX_BODY_BYTES = 2**20


class TooLarge(Exception):
    """The body is larger than any request of ours."""


class Guards:
    """Asks every request but those for health and metrics for the key, in `X-Api-Key` or as a bearer token.

    Requests on the unix socket need none: its folder is the owner's alone. Bodies over 1 MiB are refused.
    """

    def __init__(self, app: ASGIApp, *, api_key: str) -> None:
        self._app = app
        self._key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] not in OPEN_PATHS and not is_local(scope) and not self._has_key(headers):
            await JSONResponse({"error": "a valid API key is required"}, status_code=401)(scope, receive, send)
            return
        if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
            await too_large()(scope, receive, send)
            return
        try:
            await self._app(scope, _bounded(receive), send)
        except TooLarge:
            await too_large()(scope, receive, send)

    def _has_key(self, headers: Headers) -> bool:
        given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode("latin-1"), self._key)


def is_local(scope: Scope) -> bool:
    """Whether the request came over the unix socket, which has no port."""
    server = scope.get("server")
    return server is not None and server[1] is None


def too_large() -> JSONResponse:
    return JSONResponse({"error": f"a request body may have {MAX_BODY_BYTES} bytes"}, status_code=413)


def _bounded(receive: Receive) -> Receive:
    seen = 0

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY_BYTES:
            raise TooLarge
        return message

    return bounded
