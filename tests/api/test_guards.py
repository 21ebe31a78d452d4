import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from api.guards import MAX_BODY_BYTES, Guards
from tests.api.running import KEY, Api

WRONG_KEYS = {
    "none": None,
    "empty": "",
    "wrong": "f" * 32,
    "too short by one": KEY[:-1],
    "too long by one": KEY + "0",
    "of 10 KB that begins with the key": KEY + "0" * 10_000,
    "of 10 KB": "0" * 10_000,
    "of bytes above ASCII": "ключ".encode(),
    "of bytes that are no UTF-8": b"\xff\xfe" * 16,
}


@pytest.mark.parametrize("key", WRONG_KEYS.values(), ids=WRONG_KEYS.keys())
def test_a_request_with_a_wrong_key_is_refused(api: Api, key: str | bytes | None) -> None:
    answer = api.ask("/api/movies", key=key)
    assert (answer.status, answer.json) == (401, {"error": "a valid API key is required"})


def test_the_key_comes_as_a_header_of_its_own_or_as_a_bearer_token(api: Api) -> None:
    assert api.ask("/api/movies").status == 200
    assert api.ask("/api/movies", key=None, headers={"Authorization": f"Bearer {KEY}"}).status == 200
    assert api.ask("/api/movies", key=None, headers={"Authorization": "Bearer wrong"}).status == 401


def test_the_key_is_not_taken_from_the_address(api: Api) -> None:
    assert api.ask(f"/api/movies?apikey={KEY}&X-Api-Key={KEY}", key=None).status == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_and_metrics_are_open(api: Api, path: str) -> None:
    assert api.ask(path, key=None).status == 200


@pytest.mark.parametrize("path", ["/", "/api/nothing", "/healthz/", "/metrics/../api/movies", "//healthz"])
def test_what_exists_is_not_told_without_the_key(api: Api, path: str) -> None:
    assert api.ask(path, key=None).status == 401


def test_the_unix_socket_needs_no_key(api: Api) -> None:
    assert api.ask("/api/movies", key=None, is_local=True).status == 200
    assert api.unix_socket.stat().st_mode & 0o777 == 0o600


def test_a_body_that_says_it_is_too_large_is_refused_unread(api: Api) -> None:
    answer = api.ask("/api/queue/1/retry", method="POST", headers={"Content-Length": str(MAX_BODY_BYTES + 1)})
    assert (answer.status, "1048576" in answer.json["error"]) == (413, True)


def test_a_wrong_key_is_refused_before_the_body_is_looked_at(api: Api) -> None:
    headers = {"Content-Length": str(MAX_BODY_BYTES + 1)}
    assert api.ask("/api/queue/1/retry", method="POST", key=None, headers=headers).status == 401


def status_of(parts: Iterable[bytes] = (), *, key: str = KEY, given: str = KEY) -> int:
    """What an app that reads its body answers to these parts of it, sent without a length."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        await PlainTextResponse(str(len(body)))(scope, receive, send)

    async def receive() -> MutableMapping[str, Any]:
        part = next(coming, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    coming, sent = iter(parts), list[MutableMapping[str, Any]]()
    scope = {"type": "http", "path": "/api/x", "headers": [(b"x-api-key", given.encode())], "server": ("127.0.0.1", 1)}
    asyncio.run(Guards(app, api_key=key)(scope, receive, send))
    return int(sent[0]["status"])


def test_a_body_of_the_bound_passes_and_one_byte_more_does_not() -> None:
    half = b"x" * (MAX_BODY_BYTES // 2)
    assert status_of([half, half]) == 200
    assert status_of([half, half, b"x"]) == 413


def test_a_key_may_be_of_any_characters_and_any_length() -> None:
    key = "ключ" * 100
    assert status_of(key=key, given=key) == 200
    assert status_of(key=key, given=key[:-1]) == 401
