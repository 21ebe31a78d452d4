"""What is said of the tree: groups that are parked, actors whose threads hang, until that is over."""

from typing import Any

from actors.health import HealthBoard
from daemon import tree_health


def child(name: str, *children: dict[str, Any], state: str = "running", zombies: int = 0) -> dict[str, Any]:
    return {"name": name, "state": state, "zombies": zombies, "last_error": "a bug", "children": list(children)}


def items(health: HealthBoard) -> dict[str, tuple[str, str]]:
    return {item.source: (item.severity, item.text) for item in health.items()}


def test_a_parked_group_is_named_with_its_reason_and_the_way_out_until_it_runs() -> None:
    health = HealthBoard()
    tree = [child("indexers", state="parked"), child("queue")]
    assert tree_health.parked(tree) == ["indexers"]
    tree_health.show(tree, health)
    text = "indexers crashed too often: a bug; understudy tree restart indexers"
    assert items(health) == {"group:indexers": ("error", text)}
    tree_health.show([child("indexers"), child("queue")], health)
    assert items(health) == {}


def test_threads_that_hang_are_counted_wherever_they_are_until_they_come_back() -> None:
    health = HealthBoard()
    tree_health.show([child("importers", child("root:/a", zombies=2), child("root:/b"))], health)
    text = "root:/a was replaced, and 2 of its threads still hang"
    assert items(health) == {"hanging:root:/a": ("warning", text)}
    tree_health.show([child("importers", child("root:/a"), child("root:/b"))], health)
    assert items(health) == {}
