"""The outbox: what happened, written in the transaction that made it happen, read in order by every process.

Ids are taken before commits, so `id > last` would skip rows of a slow transaction. Readers take the rows below the
snapshot's xmin in (xid, id) order; that pair is the cursor and the stream's Last-Event-ID.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from movies.movie import MovieId
from storage.database import Connection


@dataclass(frozen=True, kw_only=True, order=True)
class Cursor:
    """A place in the outbox; `str()` and `parse()` are the form clients see, "xid-id"."""

    xid: int
    id: int

    def __str__(self) -> str:
        return f"{self.xid}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        xid, dash, number = text.strip().partition("-")
        if not dash or not (xid + number).isascii() or not (xid.isdigit() and number.isdigit()):
            return None
        return cls(xid=int(xid[:19]), id=int(number[:18]))


@dataclass(frozen=True, kw_only=True)
class Event:
    cursor: Cursor
    kind: str
    movie_id: MovieId | None
    correlation_id: str
    payload: Mapping[str, Any]
    happened_at: datetime


def emit(
    connection: Connection,
    kind: str,
    *,
    movie_id: MovieId | None = None,
    correlation_id: str = "",
    payload: Mapping[str, Any] | None = None,
) -> None:
    connection.execute(
        "insert into events (kind, movie_id, correlation_id, payload) values (%s, %s, %s, %s)",
        (kind, movie_id, correlation_id, Jsonb(dict(payload or {}))),
    )


def newest(connection: Connection) -> Cursor:
    """The place after which only later events come."""
    row = connection.execute(
        """select xid::text::bigint as xid, id from events
           where xid < pg_snapshot_xmin(pg_current_snapshot()) order by events.xid desc, id desc limit 1"""
    ).fetchone()
    return Cursor(xid=row["xid"], id=row["id"]) if row else Cursor(xid=0, id=0)


def after(connection: Connection, cursor: Cursor, *, limit: int = 500) -> list[Event]:
    """The events behind `cursor` that can no longer be overtaken, in order."""
    rows = connection.execute(
        """select xid::text::bigint as number, id, kind, movie_id, correlation_id, payload, happened_at from events
           where (xid, id) > (%s::text::xid8, %s) and xid < pg_snapshot_xmin(pg_current_snapshot())
           order by xid, id limit %s""",
        (str(cursor.xid), cursor.id, limit),
    ).fetchall()
    return [
        Event(
            cursor=Cursor(xid=row["number"], id=row["id"]),
            kind=row["kind"],
            movie_id=row["movie_id"],
            correlation_id=row["correlation_id"],
            payload=row["payload"],
            happened_at=row["happened_at"],
        )
        for row in rows
    ]


def prune(connection: Connection, *, older_than_s: float) -> int:
    return connection.execute(
        "delete from events where happened_at < now() - make_interval(secs => %s)", (older_than_s,)
    ).rowcount
