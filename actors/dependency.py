"""Calls to what may be down: the words of the clients become the breaker's, and those of the failure taxonomy."""

import contextlib
from collections.abc import Iterator

from actors.breaker import Breaker, Outage
from actors.worker import Failed
from clients.errors import (
    AuthenticationFailed,
    BadAnswer,
    ClientError,
    Gone,
    RateLimited,
    Unavailable,
    Unreachable,
)

RATE_LIMIT_WAIT_S = 3600.0
"""How long a dependency is left alone that asks for fewer requests and names no delay."""


@contextlib.contextmanager
def calling(breaker: Breaker) -> Iterator[None]:
    """Around one call of a client: raises BreakerOpen without calling, Outage when the dependency is down.

    Every other answer, also a bad one, shows that the dependency is there.
    """
    with breaker.call():
        try:
            yield
        except RateLimited as error:
            wait_s = RATE_LIMIT_WAIT_S if error.retry_after_s is None else error.retry_after_s
            raise Outage(str(error), retry_after_s=wait_s) from error
        except Unavailable as error:
            raise Outage(str(error)) from error


def failure_of(error: ClientError) -> Failed:
    """What the attempt at a job that met with `error` is said to have failed with."""
    retry_after_s = error.retry_after_s if isinstance(error, RateLimited) else None
    return Failed(str(error), reason=reason_of(error), retry_after_s=retry_after_s)


def reason_of(error: ClientError) -> str:
    """The word of the failure taxonomy for what an indexer answered."""
    match error:
        case AuthenticationFailed():
            return "authentication failed"
        case RateLimited():
            return "rate limited"
        case BadAnswer():
            return "parse error"
        case Unreachable():
            return "network error"
        case Unavailable():
            return "server error"
        case Gone():
            return "gone"
    return "indexer refused"
