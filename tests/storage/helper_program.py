"""A helper program that does nothing useful: every way in which one may answer, fail or hang."""

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from storage import helper_loop

PROGRAM = Path(__file__)


class Refused(Exception):
    """The error that these operations declare."""


def echo(value: object) -> object:
    return value


def as_bytes(text: str) -> bytes:
    return text.encode()


def refuse(text: str) -> None:
    raise Refused(text)


def crash(text: str) -> None:
    raise ValueError(text)


def count(limit: int, *, on_progress: Callable[[int, int], None]) -> int:
    for number in range(limit + 1):
        on_progress(number, limit)
    return limit


def lock_twice(*, on_progress: Callable[[int, int], None]) -> None:
    """A call that never comes back to the interpreter, whatever signal arrives, as on a dead mount."""
    on_progress(0, 0)
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


if __name__ == "__main__":
    quick: dict[str, Callable[..., object]] = {"echo": echo, "as_bytes": as_bytes, "refuse": refuse, "crash": crash}
    slow: dict[str, Callable[..., object]] = {"count": count, "lock_twice": lock_twice}
    helper_loop.serve(quick | slow, errors=Refused, showing_progress=slow, grace_s=1)
