"""The outbox: nothing skipped, nothing twice, whoever commits when; and no cursor that breaks a reader."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.events import MovieImported
from movies.movie import DownloadId, MovieId
from storage import events
from storage.database import Connection, Database
from storage.events import BEGINNING, Cursor, Resumption
from tests.outbox import age, emit, prune, tell, titles, titles_after

IMPORTED = MovieImported(path="/library/é", download_id=DownloadId(5), method="copy")


def resume(database: Database, cursor: Cursor) -> Resumption:
    with database.transaction() as connection:
        return events.resume(connection, cursor)


def cursors(database: Database) -> list[Cursor]:
    with database.transaction() as connection:
        return [event.cursor for event in events.after(connection, BEGINNING)]


def restore_elsewhere(connection: Connection) -> None:
    """As a restore of a backup does on another server, whose transactions have other numbers."""
    connection.execute("update events set xid = '0'")


def test_an_event_comes_back_as_it_was_written(database: Database) -> None:
    with database.transaction() as connection:
        events.emit(connection, IMPORTED, movie_id=MovieId(7), correlation_id="c")
    with database.transaction() as connection:
        (event,) = events.after(connection, BEGINNING)
        assert events.newest(connection) == event.cursor
    assert (event.what, event.movie_id, event.correlation_id) == (IMPORTED, 7, "c")
    assert (event.kind, event.payload["path"]) == ("movie.imported", "/library/é")
    assert event.happened_at.tzinfo is not None


def test_an_event_of_a_transaction_that_failed_never_happened(database: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), database.transaction() as connection:  # noqa: PT012  # the point
        tell(connection, "lost")
        connection.execute("select 1 / 0")
    assert titles_after(database) == []


def test_a_later_commit_waits_for_an_earlier_transaction(database: Database) -> None:
    emit(database, "first")
    with database.transaction() as connection:
        tell(connection, "slow")
        emit(database, "quick")
        assert titles_after(database) == ["first"]
    assert titles_after(database) == ["first", "slow", "quick"]


def test_the_order_is_that_of_the_transactions_and_not_of_the_ids(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("select pg_current_xact_id()")
        emit(database, "lower id, later transaction")
        tell(connection, "higher id, earlier transaction")
    assert titles_after(database) == ["higher id, earlier transaction", "lower id, later transaction"]


@pytest.mark.parametrize("limit", [1, 500])
def test_the_events_of_one_movie_come_as_they_happened_whichever_transaction_began_first(
    database: Database, limit: int
) -> None:
    with database.transaction() as early:
        early.execute("select pg_current_xact_id()")
        emit(database, "first", movie_id=7)
        emit(database, "of another movie", movie_id=8)
        tell(early, "second", movie_id=7)
        tell(early, "third", movie_id=7)
        assert titles_after(database) == [], "nobody is past the first while the second can still come before it"
    found, cursor = [], BEGINNING
    with database.transaction() as connection:
        while page := events.after(connection, cursor, limit=limit):
            found += page
            cursor = page[-1].cursor
    assert titles(event for event in found if event.movie_id == 7) == ["first", "second", "third"]
    assert len(found) == 4


def test_a_reader_that_follows_its_cursor_skips_and_repeats_nothing(database: Database) -> None:
    """Each slow transaction is open while others commit and while the reader reads."""
    seen: list[str] = []
    cursor = BEGINNING

    def read() -> None:
        nonlocal cursor
        with database.transaction() as connection:
            for event in events.after(connection, cursor, limit=2):
                seen.extend(titles([event]))
                cursor = event.cursor

    for number in range(5):
        with database.transaction() as slow:
            tell(slow, f"slow {number}")
            emit(database, f"quick {number}.0", f"quick {number}.1")
            read()
            tell(slow, f"slow {number} again")
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
    assert titles_after(database, limit=2) == ["one", "two"]


def test_who_starts_at_the_newest_event_sees_only_later_ones(database: Database) -> None:
    with database.transaction() as connection:
        assert events.newest(connection) == BEGINNING
    emit(database, "before")
    with database.transaction() as connection:
        newest = events.newest(connection)
    emit(database, "behind")
    assert titles_after(database, newest) == ["behind"]


def test_pruning_takes_old_events_only(database: Database) -> None:
    emit(database, "old")
    age(database)
    emit(database, "new")
    assert prune(database) == 1
    assert titles_after(database) == ["new"]
    assert prune(database) == 0


def test_pruning_takes_a_beginning_so_that_no_hole_is_left(database: Database) -> None:
    emit(database, "one", "of a clock that was fast", "two", "three")
    age(database, "one", "two")
    assert prune(database) == 3
    assert titles_after(database) == ["three"]


def test_an_event_in_a_transaction_that_runs_is_not_pruned_past(database: Database) -> None:
    with database.transaction() as connection:
        tell(connection, "slow")
        emit(database, "quick")
        age(database, "quick")
        assert prune(database) == 0
    assert titles_after(database) == ["slow", "quick"]


def test_where_an_event_stands_a_reader_goes_on_without_a_gap(database: Database) -> None:
    emit(database, "one", "two")
    for cursor in [BEGINNING, *cursors(database)]:
        assert resume(database, cursor) == Resumption(cursor=cursor, has_gap=False)


def test_who_missed_events_that_are_pruned_has_a_gap_and_gets_all_that_are_kept(database: Database) -> None:
    emit(database, "had", "missed", "kept")
    had, missed, _ = cursors(database)
    age(database, "had", "missed")
    prune(database)
    assert resume(database, had) == Resumption(cursor=missed, has_gap=True)
    assert titles_after(database, resume(database, had).cursor) == ["kept"]
    assert not resume(database, missed).has_gap, "who had the last that is pruned misses nothing"
    assert not resume(database, BEGINNING).has_gap, "the beginning is where the oldest begins"


def test_who_had_everything_has_no_gap_when_all_is_pruned(database: Database) -> None:
    emit(database, "one", "two")
    one, two = cursors(database)
    age(database)
    prune(database)
    assert resume(database, two) == Resumption(cursor=two, has_gap=False)
    assert resume(database, one) == Resumption(cursor=two, has_gap=True)
    with database.transaction() as connection:
        assert events.newest(connection) == two
    emit(database, "three")
    assert titles_after(database, two) == ["three"]


@pytest.mark.parametrize("cursor", [Cursor(xid=10**18, id=3), Cursor(xid=1, id=10**17), Cursor(xid=0, id=9)])
def test_a_cursor_that_no_event_ever_had_is_a_gap_and_goes_on_from_now(database: Database, cursor: Cursor) -> None:
    emit(database, "one", "two")
    last = cursors(database)[-1]
    assert resume(database, cursor) == Resumption(cursor=last, has_gap=True)


def test_an_event_that_is_still_hidden_is_no_place_to_go_on_from(database: Database) -> None:
    """Who did so would skip the one that hides it."""
    emit(database, "first")
    (first,) = cursors(database)
    with database.transaction() as connection:
        tell(connection, "slow")
        emit(database, "hidden")
        row = connection.execute(
            "select xid::text::bigint as xid, id from events where payload->>'title' = 'hidden'"
        ).fetchone()
        assert row is not None
        assert resume(database, Cursor(**row)) == Resumption(cursor=first, has_gap=True)


def test_a_cursor_from_before_a_restore_is_a_gap_and_what_comes_then_is_seen(database: Database) -> None:
    emit(database, "kept", "undone")
    kept, undone = cursors(database)
    with database.transaction() as connection:
        connection.execute("delete from events where id = %s", (undone.id,))
        restore_elsewhere(connection)
    resumed = resume(database, undone)
    assert resumed == Resumption(cursor=Cursor(xid=0, id=kept.id), has_gap=True)
    emit(database, "new")
    assert titles_after(database, resumed.cursor) == ["new"]


def test_what_was_pruned_in_another_servers_future_hides_nothing(database: Database) -> None:
    """The mark comes with a backup, from a server that had counted further."""
    with database.transaction() as connection:
        connection.execute("insert into pruned_events (xid, id) values ('999999999', 1)")
    emit(database, "one")
    (one,) = cursors(database)
    with database.transaction() as connection:
        assert events.newest(connection) == one
    assert resume(database, Cursor(xid=999999999, id=1)) == Resumption(cursor=one, has_gap=True)


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
    assert titles_after(database, cursor) in ([], ["one"])
    resume(database, cursor)


@given(text=st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    Cursor.parse(text)
