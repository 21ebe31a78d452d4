"""The outbox: nothing skipped, nothing twice, whoever commits when; and no cursor that breaks a reader."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.movie import MovieId
from storage import events
from storage.database import Database
from storage.events import Cursor

BEGINNING = Cursor(xid=0, id=0)


def emit(database: Database, *kinds: str) -> None:
    for kind in kinds:
        with database.transaction() as connection:
            events.emit(connection, kind)


def kinds_after(database: Database, cursor: Cursor = BEGINNING, *, limit: int = 500) -> list[str]:
    with database.transaction() as connection:
        return [event.kind for event in events.after(connection, cursor, limit=limit)]


def test_an_event_comes_back_as_it_was_written(database: Database) -> None:
    with database.transaction() as connection:
        events.emit(
            connection, "movie.imported", movie_id=MovieId(7), correlation_id="c", payload={"path": "/library/é"}
        )
    with database.transaction() as connection:
        (event,) = events.after(connection, BEGINNING)
        assert events.newest(connection) == event.cursor
    assert (event.kind, event.movie_id, event.correlation_id) == ("movie.imported", 7, "c")
    assert event.payload == {"path": "/library/é"}
    assert event.happened_at.tzinfo is not None


def test_an_event_of_a_transaction_that_failed_never_happened(database: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), database.transaction() as connection:  # noqa: PT012  # the point
        events.emit(connection, "lost")
        connection.execute("select 1 / 0")
    assert kinds_after(database) == []


def test_a_later_commit_waits_for_an_earlier_transaction(database: Database) -> None:
    emit(database, "first")
    with database.transaction() as connection:
        events.emit(connection, "slow")
        emit(database, "quick")
        assert kinds_after(database) == ["first"]
    assert kinds_after(database) == ["first", "slow", "quick"]


def test_the_order_is_that_of_the_transactions_and_not_of_the_ids(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("select pg_current_xact_id()")
        emit(database, "lower id, later transaction")
        events.emit(connection, "higher id, earlier transaction")
    assert kinds_after(database) == ["higher id, earlier transaction", "lower id, later transaction"]


def test_a_reader_that_follows_its_cursor_skips_and_repeats_nothing(database: Database) -> None:
    """Each slow transaction is open while others commit and while the reader reads."""
    seen: list[str] = []
    cursor = BEGINNING

    def read() -> None:
        nonlocal cursor
        with database.transaction() as connection:
            for event in events.after(connection, cursor, limit=2):
                seen.append(event.kind)
                cursor = event.cursor

    for number in range(5):
        with database.transaction() as slow:
            events.emit(slow, f"slow {number}")
            emit(database, f"quick {number}.0", f"quick {number}.1")
            read()
            events.emit(slow, f"slow {number} again")
        read()
    while len(seen) < 20:
        before = len(seen)
        read()
        assert len(seen) > before, "an event was skipped"
    assert len(set(seen)) == 20
    read()
    assert len(seen) == 20


def test_a_reader_gets_at_most_its_limit(database: Database) -> None:
    emit(database, "one", "two", "three")
    assert kinds_after(database, limit=2) == ["one", "two"]


def test_who_starts_at_the_newest_event_sees_only_later_ones(database: Database) -> None:
    with database.transaction() as connection:
        assert events.newest(connection) == BEGINNING
    emit(database, "before")
    with database.transaction() as connection:
        newest = events.newest(connection)
    emit(database, "behind")
    assert kinds_after(database, newest) == ["behind"]


def test_pruning_takes_old_events_only(database: Database) -> None:
    emit(database, "old")
    with database.transaction() as connection:
        connection.execute("update events set happened_at = now() - interval '2 h'")
    emit(database, "new")
    with database.transaction() as connection:
        assert events.prune(connection, older_than_s=3600) == 1
    assert kinds_after(database) == ["new"]


@given(xid=st.integers(0, 10**19 - 1), id_=st.integers(0, 10**18 - 1))
def test_a_cursor_is_read_as_it_is_written(xid: int, id_: int) -> None:
    cursor = Cursor(xid=xid, id=id_)
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "5",
        "5-",
        "-5",
        "5--5",
        "5-5-5",
        "-5-5",
        "a-b",
        "0x1-1",
        "1.0-1",
        "\N{ARABIC-INDIC DIGIT ONE}-1",
        "\N{SUPERSCRIPT TWO}-1",
        "1-1;--",
        "1 - 1",
    ],
)
def test_what_is_no_cursor_is_none(text: str) -> None:
    assert Cursor.parse(text) is None


@pytest.mark.parametrize(
    "text", ["0-0", f"{'9' * 19}-{'9' * 18}", f"{'9' * 5000}-{'9' * 5000}", f"0-{'9' * 5000}", " 7-7\n"]
)
def test_every_cursor_that_parses_can_be_asked_for(database: Database, text: str) -> None:
    emit(database, "one")
    cursor = Cursor.parse(text)
    assert cursor is not None
    assert kinds_after(database, cursor) in ([], ["one"])


@given(text=st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    Cursor.parse(text)
