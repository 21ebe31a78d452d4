"""A change of config.toml: the key, what it holds, what it would have to hold, and both as they are written there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

Value: TypeAlias = bool | int | float | str | tuple["Value", ...] | Mapping[str, "Value"]
"""What TOML can hold, as far as the keys about releases need it."""
Location: TypeAlias = tuple[str | int, ...]
"""Names of tables and keys, and numbers of array elements from 0. An indexer stands by its name, not its number."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One key with another value; without an old value one that is added, without a new one a table to take out."""

    location: Location
    old: Value | None
    new: Value | None

    @property
    def path(self) -> str:
        """The key as one writes it: `profiles.hd.qualities`, `delays[0].torrent`, `sizes."Bluray-1080p".max`."""
        return dotted(self.location)

    @property
    def text(self) -> str:
        """The change in one line, for people."""
        return f"{self.path}: {self._what}"

    @property
    def _what(self) -> str:
        if isinstance(self.old, tuple) and isinstance(self.new, tuple):
            in_place = _moved(self.old, self.new) or _added(self.old, self.new) or _removed(self.old, self.new)
            if in_place:
                return in_place
        if self.new is None:
            return "take it out"
        return f"add {written(self.new)}" if self.old is None else f"{written(self.old)} -> {written(self.new)}"

    def as_json(self) -> dict[str, object]:
        """`path` and `text` for people, `location`, `old` and `new` for programs; paths need no parsing."""
        location = list(self.location)
        return {"path": self.path, "location": location, "old": self.old, "new": self.new, "text": self.text}


def dotted(location: Location) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += ("." if path else "") + _key(part)
    return path


def written(value: Value) -> str:
    """The value in TOML, in one line."""
    match value:
        case bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            return repr(value)
        case Mapping():
            return f"{{ {', '.join(f'{_key(key)} = {written(item)}' for key, item in value.items())} }}"
    return f"[{', '.join(written(item) for item in value)}]"


def _key(name: str) -> str:
    is_bare = bool(name) and all(c.isascii() and (c.isalnum() or c in "-_") for c in name)
    return name if is_bare else json.dumps(name, ensure_ascii=False)


def _moved(old: Sequence[Value], new: Sequence[Value]) -> str | None:
    """The one element that stands nearer to the beginning, if that is the only difference; it may leave a group."""
    for item, follower in pairwise(new):
        if item not in old[: new.index(item) + 1] and _is_in(old, item) and _without(old, item) == _without(new, item):
            return f"move {written(item)} before {written(follower)}"
    return None


def _added(old: Sequence[Value], new: Sequence[Value]) -> str | None:
    added = [item for item in new if item not in old]
    if not added or [item for item in new if item in old] != list(old):
        return None
    after = new[new.index(added[-1]) + 1 :]
    return f"add {_listed(added)}" + (f" before {written(after[0])}" if after else "")


def _removed(old: Sequence[Value], new: Sequence[Value]) -> str | None:
    removed = [item for item in old if item not in new]
    if not removed or [item for item in old if item in new] != list(new):
        return None
    return f"remove {_listed(removed)}"


def _is_in(items: Sequence[Value], item: Value) -> bool:
    return any(item == other or (isinstance(other, tuple) and item in other) for other in items)


def _without(items: Sequence[Value], item: Value) -> list[Value]:
    """The items without one; a group of one is no group."""
    left: list[Value] = []
    for other in items:
        if isinstance(other, tuple):
            rest = tuple(inner for inner in other if inner != item)
            left += [rest] if len(rest) > 1 else rest
        elif other != item:
            left.append(other)
    return left


def _listed(items: Sequence[Value]) -> str:
    return ", ".join(written(item) for item in items)
