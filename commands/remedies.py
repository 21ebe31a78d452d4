"""Remedies as the commands write them for people."""

from collections.abc import Iterator, Mapping
from typing import Any


def remedy_lines(remedy: Mapping[str, Any]) -> Iterator[str]:
    """What would have to change, of a remedy as JSON; nothing where nothing has to."""
    if not remedy["possible"]:
        why = "; ".join(reason["text"] for reason in remedy["hindrances"])
        yield f"no change of the configuration would have it accepted: {why}"
    elif remedy["changes"]:
        waits = "; ".join(reason["text"] for reason in remedy["waits"])
        yield "it would be accepted with"
        yield from (f"  {change['text']}" for change in remedy["changes"])
        if waits:
            yield f"as soon as this has passed: {waits}"
