"""Named subscribers of the outbox: each has every event once, in order, whichever daemon takes it.

The cursor is a row. Who takes a batch holds that row until its transaction ends, so what a subscriber writes to the
database there happens exactly once for each event. What it does elsewhere is its choice: before the commit at least
once, after it at most once. A second daemon that asks meanwhile gets nothing and need not wait: the first has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storage import events
from storage.database import Connection
from storage.events import BEGINNING, Cursor, Event

BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The next events of a subscriber.

    `has_gap`: before these, events are missing, since they were pruned or a backup has replaced the database; what
    follows from events must be read anew. `has_more`: look again at once, or in a while where `events` is empty: a
    slow transaction hides the next ones, and its end notifies nobody. Else look when the channel "events" notifies.
    """

    events: Sequence[Event] = ()
    has_gap: bool = False
    has_more: bool = False


def take(connection: Connection, name: str, *, start: Literal["beginning", "now"] = "now", limit: int = BATCH) -> Batch:
    """The next events of subscriber `name`, which are its own when this transaction commits.

    One that is new begins with the oldest event that is kept, or with what comes from now on.
    """
    _subscribe(connection, name, start=start)
    row = connection.execute(
        "select xid::text::bigint as number, id from subscribers where name = %s for update skip locked", (name,)
    ).fetchone()
    if row is None:
        return Batch()
    had = Cursor(xid=row["number"], id=row["id"])
    resumed = events.resume(connection, had)
    found = events.after(connection, resumed.cursor, limit=limit)
    reached = found[-1].cursor if found else resumed.cursor
    if reached != had:
        connection.execute(
            "update subscribers set xid = %s::text::xid8, id = %s, moved_at = now() where name = %s",
            (str(reached.xid), reached.id, name),
        )
    return Batch(events=found, has_gap=resumed.has_gap, has_more=events.has_more(connection, reached))


def unsubscribe(connection: Connection, name: str) -> None:
    """The subscriber is no longer there: nothing is kept for it."""
    connection.execute("delete from subscribers where name = %s", (name,))


def _subscribe(connection: Connection, name: str, *, start: Literal["beginning", "now"]) -> None:
    if connection.execute("select from subscribers where name = %s", (name,)).fetchone() is not None:
        return
    first = events.newest(connection) if start == "now" else BEGINNING
    connection.execute(
        "insert into subscribers (name, xid, id) values (%s, %s::text::xid8, %s) on conflict do nothing",
        (name, str(first.xid), first.id),
    )
