"""Calls to what may be down, through its breaker: the words of the clients become the breaker's."""

import contextlib
from collections.abc import Iterator

from actors.breaker import Breaker, Outage
from clients.errors import RateLimited, Unavailable

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
