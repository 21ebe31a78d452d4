import time
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from psycopg.rows import dict_row

from api.event_stream import LOOK_EVERY_S, PAGE
from movies.events import MovieSearching
from storage import events, progress
from storage.database import Database
from storage.events import Cursor
from storage.progress import Progress
from tests.api.running import Api, Message
from tests.outbox import age, emit, prune, tell


@pytest.fixture(autouse=True)
def empty_outbox(module_database: Database) -> Iterator[None]:
    yield
    with module_database.transaction() as connection:
        connection.execute("truncate events, progress, pruned_events")


def place(database: Database) -> str:
    """Where the outbox ends now, as a client would know it."""
    with database.transaction() as connection:
        return str(events.newest(connection))


def progress_of(operation: str, *, done_bytes: int = 1) -> Progress:
    return Progress(operation=operation, movie_id=None, step="downloading", done_bytes=done_bytes, total_bytes=9)


def show(database: Database, *operations: str, done_bytes: int = 1) -> None:
    rows = [progress_of(operation, done_bytes=done_bytes) for operation in operations]
    with database.transaction() as connection:
        progress.write(connection, rows)


def titles(messages: Sequence[Message]) -> list[str]:
    """What was told; the kind of a message that tells no title."""
    return [message.data.get("title", message.event) for message in messages]


def test_events_come_in_order_with_ids_and_facts(api: Api, module_database: Database) -> None:
    with api.stream(after=place(module_database)) as stream:
        with module_database.transaction() as connection:
            events.emit(connection, MovieSearching(), correlation_id="cid")
        emit(module_database, "one «ü»\n\n", "two")
        messages = stream.take(3)
    assert [message.event for message in messages] == ["movie.searching", "release.chosen", "release.chosen"]
    cursors = [Cursor.parse(message.id or "") for message in messages]
    assert None not in cursors
    assert cursors == sorted(cursors, key=str)
    assert (messages[0].data["kind"], messages[0].data["correlation_id"]) == ("movie.searching", "cid")
    assert titles(messages[1:]) == ["one «ü»\n\n", "two"], "no title can break the stream's lines"


def test_a_new_stream_begins_now(api: Api, module_database: Database) -> None:
    emit(module_database, "before")
    show(module_database, "download:1")
    with api.stream() as stream:
        assert stream.take(1)[0].event == "progress", "the stream has begun"
        emit(module_database, "after")
        assert titles(stream.take(1)) == ["after"]


def test_a_resumed_stream_loses_nothing_and_doubles_nothing(api: Api, module_database: Database) -> None:
    sent = [f"event-{number}" for number in range(30)]
    seen: list[str] = []
    last = place(module_database)
    for start in range(0, 30, 6):
        emit(module_database, *sent[start : start + 3])
        with api.stream(after=last) as stream:
            emit(module_database, *sent[start + 3 : start + 6])
            messages = stream.take(4)  # and two more that are cut off
        seen += titles(messages)
        last = messages[-1].id or ""
    with api.stream(after=last) as stream:
        seen += titles(stream.take(len(sent) - len(seen)))
        emit(module_database, "end")
        assert titles(stream.take(1)) == ["end"]
    assert seen == sent


def test_more_than_a_page_comes_without_a_pause(api: Api, module_database: Database) -> None:
    last = place(module_database)
    with module_database.transaction() as connection:
        for number in range(6 * PAGE):
            tell(connection, f"event-{number}")
    start = time.monotonic()
    with api.stream(after=last) as stream:
        assert titles(stream.take(6 * PAGE)) == [f"event-{number}" for number in range(6 * PAGE)]
    assert time.monotonic() - start < 5 * LOOK_EVERY_S


def test_every_stream_gets_every_event(api: Api, module_database: Database) -> None:
    last = place(module_database)
    with api.stream(after=last) as one, api.stream(after=last) as other:
        emit(module_database, "a", "b")
        assert titles(one.take(2)) == titles(other.take(2)) == ["a", "b"]


def test_a_slow_transaction_hides_later_ones_until_it_ends_and_is_not_skipped(
    api: Api, module_database: Database
) -> None:
    with api.stream(after=place(module_database)) as stream:
        with psycopg.connect(module_database.dsn, row_factory=dict_row) as slow:
            tell(slow, "slow")
            emit(module_database, "fast")
        assert titles(stream.take(2)) == ["slow", "fast"]


def test_an_event_comes_soon_after_what_hid_it_though_nothing_notifies(api: Api, module_database: Database) -> None:
    with api.stream(after=place(module_database)) as stream:
        with psycopg.connect(module_database.dsn) as silent:
            silent.execute("select pg_current_xact_id()")
            emit(module_database, "hidden")
            show(module_database, "download:1")
            assert stream.take(1)[0].event == "progress", "the stream has looked meanwhile"
        assert titles(stream.take(1)) == ["hidden"]


def test_progress_has_no_id_and_comes_newest_only(api: Api, module_database: Database) -> None:
    with api.stream() as stream:
        show(module_database, "download:1")
        message = stream.take(1)[0]
        assert (message.event, message.id) == ("progress", None)
        assert message.data["operation"] == "download:1"
        for done_bytes in range(2, 9):
            show(module_database, "download:1", done_bytes=done_bytes)
        messages = [next(stream)]
        while messages[-1].data["done_bytes"] != 8:
            messages.append(next(stream))
    assert len(messages) < 7


def test_a_resumed_stream_starts_with_a_snapshot_of_the_progress(api: Api, module_database: Database) -> None:
    last = place(module_database)
    show(module_database, "download:1", "import:2", done_bytes=5)
    emit(module_database, "missed")
    with api.stream(after=last) as stream:
        messages = stream.take(3)
    assert titles(messages) == ["progress", "progress", "missed"]
    assert [(m.data["operation"], m.data["done_bytes"]) for m in messages[:2]] == [("download:1", 5), ("import:2", 5)]


@pytest.mark.parametrize("last", ["x", "1", "1-", "-1", "1-x", "0x1-1", "\u0661-\u0661", "1;drop table events-1"])
def test_a_last_event_id_that_is_none_is_refused(api: Api, last: str) -> None:
    answer = api.ask("/api/events", headers={"Last-Event-ID": last.encode()})
    assert (answer.status, answer.json) == (400, {"error": "Last-Event-ID is not an id of this stream"})


@pytest.mark.parametrize("last", ["9" * 19 + "-" + "9" * 18, "9" * 60 + "-" + "9" * 60, "1-7"])
def test_a_last_event_id_that_no_event_has_is_answered_by_a_snapshot_and_what_comes_then(
    api: Api, module_database: Database, last: str
) -> None:
    emit(module_database, "past")
    with api.stream(after=last) as stream:
        (snapshot,) = stream.take(1)
        assert (snapshot.event, snapshot.id) == ("snapshot", place(module_database))
        assert snapshot.data["movies"]["wanted"] == 0
        emit(module_database, "present")
        assert titles(stream.take(1)) == ["present"]
    with api.stream(after=snapshot.id) as stream:
        assert titles(stream.take(1)) == ["present"], "a stream goes on from its snapshot"
    assert api.ask("/readyz").status == 200


def test_who_was_away_too_long_gets_a_snapshot_and_then_all_that_is_kept(api: Api, module_database: Database) -> None:
    emit(module_database, "had")
    last = place(module_database)
    emit(module_database, "missed", "kept")
    age(module_database, "had", "missed")
    assert prune(module_database) == 2
    with api.stream(after=last) as stream:
        snapshot, kept = stream.take(2)
    assert (snapshot.event, kept.data["title"]) == ("snapshot", "kept")
    with api.stream(after=snapshot.id) as stream:
        assert titles(stream.take(1)) == ["kept"]


def test_a_stream_that_is_idle_while_its_last_event_is_pruned_misses_nothing(
    api: Api, module_database: Database
) -> None:
    last = place(module_database)
    with api.stream(after=last) as stream:
        emit(module_database, "one")
        assert titles(stream.take(1)) == ["one"]
        age(module_database)
        assert prune(module_database) == 1
        emit(module_database, "two")
        assert titles(stream.take(1)) == ["two"]


def test_the_progress_of_a_slow_transaction_is_not_missed(api: Api, module_database: Database) -> None:
    with api.stream(after=place(module_database)) as stream:
        with psycopg.connect(module_database.dsn, row_factory=dict_row) as slow:
            progress.write(slow, [progress_of("download:1")])
            show(module_database, "download:2")
            assert stream.take(1)[0].data["operation"] == "download:2"
        assert stream.take(1)[0].data["operation"] == "download:1"


def test_a_stream_is_told_when_an_operation_has_ended(api: Api, module_database: Database) -> None:
    show(module_database, "download:1", "download:2")
    with api.stream() as stream:
        assert titles(stream.take(2)) == ["progress", "progress"]
        with module_database.transaction() as connection:
            progress.end(connection, "download:1")
        (ended,) = stream.take(1)
    assert (ended.event, ended.id, ended.data) == ("progress.ended", None, {"operation": "download:1"})
