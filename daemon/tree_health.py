"""What a person should know of the tree: groups that are parked, and actors whose threads hang.

Looked at whenever health is asked for, and not by an actor, for that one may be parked itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from actors.health import HealthBoard


def parked(tree: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the groups that crashed too often."""
    return [child["name"] for child in tree if child["state"] == "parked"]


def show(tree: Sequence[Mapping[str, Any]], health: HealthBoard) -> None:
    """Set and clear the items of `tree`."""
    for child in tree:
        source = f"group:{child['name']}"
        if child["state"] == "parked":
            text = f"{child['name']} crashed too often: {child['last_error']}; understudy tree restart {child['name']}"
            health.set(source, text, severity="error")
        else:
            health.clear(source)
    for child in _walk(tree):
        source = f"hanging:{child['name']}"
        if child["zombies"]:
            text = f"{child['name']} was replaced, and {child['zombies']} of its threads still hang"
            health.set(source, text)
        else:
            health.clear(source)


def _walk(children: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for child in children:
        yield child
        yield from _walk(child["children"])
