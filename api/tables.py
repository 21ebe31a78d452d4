"""Answers of the daemon as tables for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

COLOURS = {"running": "green", "closed": "green", "restarting": "yellow", "half_open": "yellow", "disabled": "yellow"}
"""Of states; every other one is red."""


def tree_table(children: Sequence[Mapping[str, Any]]) -> Table:
    """The actors, each below its supervisor."""
    table = Table("actor", "state", "incarnation", "restarts", "waiting", "at work on", "breaker", "last error")
    for depth, child in _walk(children):
        work = f"{child['message']} for {child['message_age_s']:.1f} s" if child["message"] else ""
        breaker = child["breaker"]
        table.add_row(
            "  " * depth + child["name"],
            _state(child["state"] if not child["zombies"] else f"{child['state']}, {child['zombies']} hang"),
            str(child["incarnation"]),
            str(child["restarts"]),
            str(child["inbox"]),
            work,
            _state(breaker["state"]) if breaker else "",
            Text(child["last_error"][:120]),
        )
    return table


def breaker_table(breakers: Sequence[Mapping[str, Any]]) -> Table:
    """The breakers, with the wait until the next probe."""
    table = Table("dependency", "state", "tried again in", "failure rate", "refused", "reason")
    for breaker in breakers:
        rate = breaker["failure_rate"]
        table.add_row(
            breaker["dependency"],
            _state(breaker["state"]),
            f"{breaker['retry_in_s']:.0f} s" if breaker["retry_in_s"] else "",
            f"{100 * rate:.0f} %" if rate is not None else "",
            str(breaker["not_permitted"]),
            Text(breaker["reason"][:120]),
        )
    return table


def _state(state: str) -> Text:
    return Text(state, style=COLOURS.get(state, "red"))


def _walk(children: Sequence[Mapping[str, Any]], depth: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for child in children:
        yield depth, child
        yield from _walk(child["children"], depth + 1)
