"""Values as JSON, the same in answers and in the event stream."""

import json
from collections.abc import Callable
from typing import Any


def to_json(content: Any) -> str:
    """One line of JSON; times in ISO 8601."""
    return json.dumps(content, default=_plain, ensure_ascii=False)


def _plain(value: object) -> str:
    isoformat: Callable[[], str] | None = getattr(value, "isoformat", None)
    return isoformat() if isoformat is not None else str(value)
