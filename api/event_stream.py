"""`GET /api/events`: server-sent events from the outbox, resumable, with the newest progress in between.

An event carries its cursor as id, so a client that reconnects with Last-Event-ID misses nothing. Where what it missed
is no longer there, a `snapshot` says so, and the stream goes on from it. Progress is state: it has no id, every stream
starts with all of it, and `progress.ended` follows when an operation has ended.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool

from api.encoding import to_json
from storage import events, movies, progress
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


@dataclass
class Reader:
    """How far one stream has come; `cursor` None: nowhere yet, it begins with what comes from now on."""

    cursor: Cursor | None
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)

    def look(self, database: Database) -> "Page":
        """What is new since the last look."""
        messages: list[bytes] = []
        with database.transaction() as connection:
            resumption = events.resume(connection, self.cursor or events.newest(connection))
            cursor = resumption.cursor
            if resumption.has_gap:
                messages.append(_snapshot(cursor, movies.counts(connection)))
            found = events.after(connection, cursor, limit=PAGE)
            running = {row["operation"]: row for row in progress.running(connection)}
        messages += [_message("progress", row) for name, row in running.items() if self.shown.get(name) != row]
        messages += [_message("progress.ended", {"operation": name}) for name in self.shown.keys() - running.keys()]
        messages += [_event(event) for event in found]
        self.cursor = found[-1].cursor if found else cursor
        self.shown = running
        return Page(messages=messages, is_last=len(found) < PAGE)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Messages for a client; `is_last`: no more are there now."""

    messages: list[bytes]
    is_last: bool


async def stream(database: Database, alarm: Alarm, *, after: Cursor | None) -> AsyncIterator[bytes]:
    """Everything behind `after` (None: from now on), for as long as the client listens."""
    loop, woken = asyncio.get_running_loop(), alarm.add()
    spoke_at = loop.time()
    reader = Reader(cursor=after)
    try:
        yield b": understudy\nretry: 1000\n\n"
        while not alarm.is_over:
            woken.clear()
            try:
                page = await run_in_threadpool(reader.look, database)
            except DatabaseUnavailable:
                page = Page(messages=[], is_last=True)
            for message in page.messages:
                yield message
            now = loop.time()
            if page.messages:
                spoke_at = now
            elif now - spoke_at >= KEEPALIVE_S:
                spoke_at = now
                yield b": still here\n\n"
            if not page.is_last:
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), LOOK_EVERY_S)
                await asyncio.sleep(CALM_S)
    finally:
        alarm.remove(woken)


def _event(event: Event) -> bytes:
    facts = {
        "kind": event.kind,
        "movie_id": event.movie_id,
        "correlation_id": event.correlation_id,
        "happened_at": event.happened_at,
        **event.payload,
    }
    return f"id: {event.cursor}\n".encode() + _message(event.kind, facts)


def _snapshot(cursor: Cursor, counts: dict[str, int]) -> bytes:
    """Events before `cursor` are missing: what follows from them is to be read anew."""
    facts = {"kind": "snapshot", "reason": "events are missing that are no longer kept", "movies": counts}
    return f"id: {cursor}\n".encode() + _message("snapshot", facts)


def _message(name: str, facts: Any) -> bytes:
    return f"event: {name}\ndata: {to_json(facts)}\n\n".encode()
