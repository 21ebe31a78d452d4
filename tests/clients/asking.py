"""How the tests of HTTP ask: an impatient client, and a request that is expected to fail."""

import traceback
from datetime import UTC, datetime

import pytest

from clients.errors import BadAnswer, BadAnswerReason, ClientError
from clients.http import HttpClient
from tests.clients.hostile_server import Answer, HostileServer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "".join(["5ec", "ret"])  # never literally in a source line, so that no traceback shows it by itself


def client(**options: object) -> HttpClient:
    settings: dict[str, object] = {
        "connect_timeout_s": 2,
        "read_timeout_s": 2,
        "total_timeout_s": 4,
        "max_bytes": 100_000,
        "sleep": lambda seconds: None,
        "now": lambda: NOW,
    }
    return HttpClient(**(settings | options))  # type: ignore[arg-type]


def failure(server: HostileServer, respond: Answer, **options: object) -> ClientError:
    """The error of a request that carries a key; the key is in neither its text nor its traceback."""
    server.answers["/x"] = respond
    with pytest.raises(ClientError) as caught:
        client(**options).get(f"{server.url}/x", {"apikey": KEY})
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def reason(error: ClientError) -> BadAnswerReason:
    assert isinstance(error, BadAnswer)
    return error.reason
