"""Does to a configuration document what a remedy says."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from config.contradictions import contradictions
from config.schema import Config
from movies.change import Change


def config_of(document: Mapping[str, Any]) -> Config:
    return Config.model_validate(document, context={"folder": Path("/nowhere")})


def is_valid(config: Config) -> bool:
    return not list(contradictions(config))


def with_changes(document: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """The document with every change made, in their order; what is taken out goes last, so that numbers stay right."""
    changed = copy.deepcopy(dict(document))
    for change in changes:
        *parents, last = change.location
        table: Any = changed
        for part in parents:
            table = _step(table, part)
        if isinstance(last, int):
            assert change.new is None
            table[last] = None
        else:
            table[last] = _plain(change.new)
    if "restrictions" in changed:
        changed["restrictions"] = [table for table in changed["restrictions"] if table is not None]
    return changed


def _step(table: Any, part: str | int) -> Any:
    if isinstance(table, list):
        return table[part] if isinstance(part, int) else next(entry for entry in table if entry["name"] == part)
    return table.setdefault(part, {})


def _plain(value: Any) -> Any:
    """Arrays as lists, as TOML has them."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value
