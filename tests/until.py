"""How tests wait: for a condition, never for a time."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.01


def until(condition: Callable[[], T], *, timeout_s: float = 10.0, what: str = "") -> T:
    """The first true value of `condition`; fails the test when none came within `timeout_s`.

    `what` says in the failure what was waited for. What `condition` raises is not caught.
    """
    give_up_at = time.monotonic() + timeout_s
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() > give_up_at:
            subject = what or getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"waited {timeout_s:g} s in vain for {subject}; last seen: {value!r}")
        pause.wait(POLL_S)
    return value
