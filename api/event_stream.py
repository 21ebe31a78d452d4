"""`GET /api/events`: server-sent events from the outbox, resumable, with the newest progress in between.

An event carries its cursor as id, so a client that reconnects with Last-Event-ID misses nothing. Progress is state: it
has no id, and a resumed stream starts with a snapshot of it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from starlette.concurrency import run_in_threadpool

from api.encoding import to_json
from storage import events, progress
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.events import Cursor, Event

KEEPALIVE_S = 10.0
LOOK_EVERY_S = 1.0
"""An event is hidden while an older transaction runs, and nothing notifies of that one's end."""
PAGE = 500
CALM_S = 0.1
"""The least time between two looks, however many notifications come."""


class Alarm:
    """Wakes every stream of this process; `ring` may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._streams: set[asyncio.Event] = set()
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether the process is about to end, and every stream with it."""
        return self._is_over

    def end(self) -> None:
        self._is_over = True
        self._wake()

    def ring(self) -> None:
        self._loop.call_soon_threadsafe(self._wake)

    def add(self) -> asyncio.Event:
        woken = asyncio.Event()
        self._streams.add(woken)
        return woken

    def remove(self, woken: asyncio.Event) -> None:
        self._streams.discard(woken)

    def _wake(self) -> None:
        for woken in self._streams:
            woken.set()


async def stream(database: Database, alarm: Alarm, *, after: Cursor | None) -> AsyncIterator[bytes]:
    """Everything behind `after` (None: from now on), for as long as the client listens."""
    loop, woken = asyncio.get_running_loop(), alarm.add()
    spoke_at = loop.time()
    seen_at: datetime | None = None
    cursor = after
    try:
        yield b": understudy\nretry: 1000\n\n"
        while not alarm.is_over:
            woken.clear()
            try:
                cursor, found, moved = await run_in_threadpool(_look, database, cursor, seen_at)
            except DatabaseUnavailable:
                found, moved = [], []
            for row in moved:
                seen_at = row["changed_at"]
                yield _message("progress", row)
            for event in found:
                yield _event(event)
            now = loop.time()
            if found or moved:
                spoke_at = now
            elif now - spoke_at >= KEEPALIVE_S:
                spoke_at = now
                yield b": still here\n\n"
            if len(found) == PAGE:
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), LOOK_EVERY_S)
                await asyncio.sleep(CALM_S)
    finally:
        alarm.remove(woken)


def _look(
    database: Database, cursor: Cursor | None, seen_at: datetime | None
) -> tuple[Cursor, list[Event], list[dict[str, Any]]]:
    with database.transaction() as connection:
        if cursor is None:
            cursor = events.newest(connection)
        found = events.after(connection, cursor, limit=PAGE)
        moved = progress.changed_since(connection, seen_at)
    return found[-1].cursor if found else cursor, found, moved


def _event(event: Event) -> bytes:
    facts = {
        "kind": event.kind,
        "movie_id": event.movie_id,
        "correlation_id": event.correlation_id,
        "happened_at": event.happened_at,
        **event.payload,
    }
    return f"id: {event.cursor}\n".encode() + _message(event.kind, facts)


def _message(name: str, facts: Any) -> bytes:
    return f"event: {name}\ndata: {to_json(facts)}\n\n".encode()
