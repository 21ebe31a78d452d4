"""Remedies as the commands write them for people."""

from collections.abc import Iterator

from movies.remedy import Remedy


def remedy_lines(remedy: Remedy) -> Iterator[str]:
    """What would have to change; nothing where nothing has to."""
    if not remedy.is_possible:
        why = "; ".join(rejection.text for rejection in remedy.hindrances)
        yield f"no change of the configuration would have it accepted: {why}"
    elif remedy.changes:
        yield "it would be accepted with"
        yield from (f"  {change.text}" for change in remedy.changes)
