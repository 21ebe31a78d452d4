"""What a person should know: items that any actor sets and clears, read by the HTTP side. Thread-safe."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class HealthItem:
    """One thing that is wrong. `source` names what it is about; `text` says it and the way out."""

    source: str
    severity: Literal["warning", "error"]
    text: str
    since: datetime


class HealthBoard:
    """At most one item per source; setting the same text again keeps its time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[str, HealthItem] = {}

    def set(self, source: str, text: str, *, severity: Literal["warning", "error"] = "warning") -> bool:
        """True when this was not known."""
        with self._lock:
            known = self._items.get(source)
            if known is not None and known.text == text:
                return False
            self._items[source] = HealthItem(source=source, severity=severity, text=text, since=datetime.now(UTC))
            return True

    def clear(self, source: str) -> None:
        with self._lock:
            self._items.pop(source, None)

    def items(self) -> list[HealthItem]:
        with self._lock:
            return sorted(self._items.values(), key=lambda item: item.source)
