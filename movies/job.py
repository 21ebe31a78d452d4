"""The kinds of jobs and what each must know: checked where a job comes out of the database or from a person.

A job may have been written by an older daemon or a newer one. One that this program cannot do is no crash of its worker
but a dead letter that says why.
"""

from collections.abc import Mapping
from typing import Any

from movies.failure import BAD_PAYLOAD, UNKNOWN_KIND

KINDS: Mapping[str, Mapping[str, type]] = {
    "search": {"movie_id": int},
    "rss": {},
    "select": {"movie_id": int, "is_retry": bool},
    "fetch": {"movie_id": int, "release_id": int, "attempt": int},
    "add": {"download_id": int},
    "remove": {"download_id": int, "with_data": bool},
    "import": {"download_id": int},
    "housekeeping": {},
    "backup": {},
}
"""Each kind with the facts its payload must have; it may have more."""


class Unfit(Exception):
    """Nobody can do such a job; `reason` is a word of the failure taxonomy."""

    def __init__(self, text: str, *, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


def require_fit(kind: str, payload: Mapping[str, Any]) -> None:
    """Raises Unfit."""
    facts = KINDS.get(kind)
    if facts is None:
        raise Unfit(f"unknown kind of job {kind!a}: a newer Understudy may know it", reason=UNKNOWN_KIND)
    for name, kind_of_fact in facts.items():
        if name not in payload:
            raise Unfit(f"the payload of this {kind} lacks {name}", reason=BAD_PAYLOAD)
        if type(payload[name]) is not kind_of_fact:  # true is no number here
            text = f"{name} of this {kind} is {payload[name]!a}, and no {kind_of_fact.__name__}"
            raise Unfit(text, reason=BAD_PAYLOAD)
