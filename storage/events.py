"""The outbox: what happened, written in the transaction that made it happen, read in order by every process.

Ids are taken before commits, so `id > last` would skip rows of a slow transaction. Readers take the rows below the
snapshot's xmin in (xid, id) order; that pair is the cursor and the stream's Last-Event-ID.

A transaction may have begun before another and yet write of a movie after it. Its event takes the other's xid then, so
that the order of each movie's events is the order in which they happened. Such an event is hidden no shorter: its own
transaction, while it runs, keeps the snapshot's xmin below both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from movies.events import Happening, Unrecognised, kind_of, payload_of, read
from movies.movie import MovieId
from storage.database import Connection

PRUNED_AT_ONCE = 10_000


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


BEGINNING = Cursor(xid=0, id=0)
"""Before the oldest event that is kept, whichever that is."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """`what` has the facts with their types; `kind` and `payload` are those as they are stored."""

    cursor: Cursor
    what: Happening | Unrecognised
    kind: str
    movie_id: MovieId | None
    correlation_id: str
    payload: Mapping[str, Any]
    happened_at: datetime


def emit(connection: Connection, what: Happening, *, movie_id: MovieId | None = None, correlation_id: str = "") -> None:
    """Say what this transaction did. Of a movie, say it after the row is locked that its other writers lock, too."""
    connection.execute(
        """insert into events (xid, kind, movie_id, correlation_id, payload) values (
               greatest(pg_current_xact_id(),
                        (select xid from events where movie_id = %(movie_id)s order by xid desc limit 1)),
               %(kind)s, %(movie_id)s, %(correlation_id)s, %(payload)s)""",
        {
            "kind": kind_of(what),
            "movie_id": movie_id,
            "correlation_id": correlation_id,
            "payload": Jsonb(payload_of(what)),
        },
    )


def newest(connection: Connection) -> Cursor:
    """The place after which only later events come."""
    row = connection.execute(
        """select xid::text::bigint as number, id from (
               (select xid, id from events where xid < pg_snapshot_xmin(pg_current_snapshot())
                order by xid desc, id desc limit 1)
               union all
               select xid, id from pruned_events where xid < pg_snapshot_xmin(pg_current_snapshot())
           ) as places order by xid desc, id desc limit 1"""
    ).fetchone()
    return Cursor(xid=row["number"], id=row["id"]) if row else BEGINNING


@dataclass(frozen=True, kw_only=True)
class Resumption:
    """Where a reader goes on; `has_gap`: it misses events before that."""

    cursor: Cursor
    has_gap: bool


def resume(connection: Connection, cursor: Cursor) -> Resumption:
    """Where a reader goes on that has everything up to `cursor`.

    With a gap where events behind it were pruned: then all that are kept come. And where no event has or had that
    cursor, as it comes from a database that a backup has replaced: then come those from now on.
    """
    row = connection.execute(
        """select exists (
                      select from events where (xid, id) = (%(xid)s::text::xid8, %(id)s) and xid < horizon) as is_there,
                  last.number as xid, last.id,
                  (last.xid, last.id) = (%(xid)s::text::xid8, %(id)s) as is_last_pruned,
                  (last.xid, last.id) > (%(xid)s::text::xid8, %(id)s) as is_pruned
           from pg_snapshot_xmin(pg_current_snapshot()) as horizon
           left join (select xid, xid::text::bigint as number, id from pruned_events) as last on last.xid < horizon""",
        {"xid": str(cursor.xid), "id": cursor.id},
    ).fetchone()
    assert row is not None
    if cursor == BEGINNING or row["is_there"] or row["is_last_pruned"]:
        return Resumption(cursor=cursor, has_gap=False)
    if row["is_pruned"]:
        return Resumption(cursor=Cursor(xid=row["xid"], id=row["id"]), has_gap=True)
    return Resumption(cursor=newest(connection), has_gap=True)


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
            what=read(row["kind"], row["payload"]),
            kind=row["kind"],
            movie_id=row["movie_id"],
            correlation_id=row["correlation_id"],
            payload=row["payload"],
            happened_at=row["happened_at"],
        )
        for row in rows
    ]


def has_more(connection: Connection, cursor: Cursor) -> bool:
    """Whether there are events behind `cursor`, also those hidden by a slow transaction whose end notifies nobody."""
    row = connection.execute(
        "select exists (select from events where (xid, id) > (%s::text::xid8, %s)) as found",
        (str(cursor.xid), cursor.id),
    ).fetchone()
    return row is not None and bool(row["found"])


def prune(connection: Connection, *, older_than_s: float) -> int:
    """Forget the oldest events, 10,000 at most; how many. Who has not read them is told that events are missing.

    Always a beginning of the order goes, up to the last event that is too old: few that are younger stand before it.
    """
    row = connection.execute(
        """with oldest as (
               select xid, id, happened_at from events where xid < pg_snapshot_xmin(pg_current_snapshot())
               order by xid, id limit %s),
           last as (
               select xid, id from oldest where happened_at < now() - make_interval(secs => %s)
               order by xid desc, id desc limit 1),
           gone as (delete from events where (xid, id) <= (select xid, id from last) returning id),
           noted as (
               insert into pruned_events (xid, id) select xid, id from last
               on conflict (is_only) do update set xid = excluded.xid, id = excluded.id)
           select count(*) as number from gone""",
        (PRUNED_AT_ONCE, older_than_s),
    ).fetchone()
    return int(row["number"]) if row else 0
