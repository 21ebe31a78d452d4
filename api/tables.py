"""Answers of the daemon as tables for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

COLOURS = {"running": "green", "closed": "green", "restarting": "yellow", "half_open": "yellow", "disabled": "yellow"}
"""Of states; every other one is red."""
MAX_TEXT = 120


def tree_table(children: Sequence[Mapping[str, Any]]) -> Table:
    """The actors, each below its supervisor, and what is not as ever about them."""
    table = _plain("actor", "state", "")
    for depth, child in _walk(children):
        breaker = child["breaker"]
        work = f"at {child['message']} for {child['message_age_s']:.1f} s" if child["message"] else ""
        facts = [
            f"{child['zombies']} hang" if child["zombies"] else "",
            f"breaker {breaker['state']}" if breaker and breaker["state"] != "closed" else "",
            f"{child['inbox']} waiting" if child["inbox"] else "",
            work,
            f"{child['restarts']} restarts" if child["restarts"] else "",
            _line(child["last_error"]),
        ]
        table.add_row("  " * depth + child["name"], _state(child["state"]), Text(", ".join(filter(None, facts))))
    return table


def breaker_table(breakers: Sequence[Mapping[str, Any]]) -> Table:
    """The breakers, with the wait until the next probe."""
    table = _plain("dependency", "state", "")
    for breaker in breakers:
        rate = breaker["failure_rate"]
        facts = [
            f"tried again in {breaker['retry_in_s']:.0f} s" if breaker["retry_in_s"] else "",
            f"{100 * rate:.0f} % failed" if rate else "",
            f"{breaker['not_permitted']} calls refused" if breaker["not_permitted"] else "",
            _line(breaker["reason"]),
        ]
        table.add_row(breaker["dependency"], _state(breaker["state"]), Text(", ".join(filter(None, facts))))
    return table


def duty_table(duties: Sequence[Mapping[str, Any]]) -> Table:
    """The standing duties, with the node that has each."""
    table = Table("duty", "node", "since")
    for duty in duties:
        table.add_row(duty["name"], duty["node"] if duty["is_held"] else Text("nobody", style="red"), duty["taken_at"])
    return table


def _plain(*names: str) -> Table:
    """Names and states stand whole on one line, also on a narrow screen; the rest is folded."""
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=bool(name), overflow="fold")
    return table


def _line(text: str) -> str:
    """As much of it as is of use in a list."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _state(state: str) -> Text:
    return Text(state, style=COLOURS.get(state, "red"))


def _walk(children: Sequence[Mapping[str, Any]], depth: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for child in children:
        yield depth, child
        yield from _walk(child["children"], depth + 1)
