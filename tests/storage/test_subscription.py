"""Named subscribers: every event once and in order, through rollbacks, outages, restores and several daemons."""

import os
import random
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from movies.events import Unrecognised
from storage import events, subscription
from storage.backup import back_up, restore
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.errors import DatabaseUnavailable
from storage.listener import Listener
from storage.subscription import Batch
from tests.outbox import age, emit, prune, tell, titles
from tests.postgres import add_template, fresh_database, opened, postgres_server, server_folder
from tests.until import until

WRITERS, TRANSACTIONS, MOVIES = 6, 60, 4


def take(database: Database, name: str = "one", *, limit: int = 500) -> Batch:
    with database.transaction() as connection:
        return subscription.take(connection, name, start="beginning", limit=limit)


def taken(database: Database, name: str = "one") -> list[str]:
    return titles(take(database, name).events)


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server that may be killed, as long as it runs again at the end of the test."""
    with server_folder() as folder, postgres_server(folder) as server:
        add_template(server)
        yield server


def test_each_event_is_taken_once(database: Database) -> None:
    emit(database, "a", "b")
    assert taken(database) == ["a", "b"]
    assert taken(database) == []
    emit(database, "c")
    assert taken(database) == ["c"]


def test_each_subscriber_has_every_event(database: Database) -> None:
    emit(database, "a")
    assert taken(database, "one") == taken(database, "other") == ["a"]


def test_one_that_begins_now_gets_what_comes_from_now_on(database: Database) -> None:
    emit(database, "before")
    with database.transaction() as connection:
        assert titles(subscription.take(connection, "one").events) == []
    emit(database, "after")
    assert taken(database) == ["after"]


def test_one_that_was_unsubscribed_begins_anew(database: Database) -> None:
    emit(database, "a")
    assert taken(database) == ["a"]
    with database.transaction() as connection:
        subscription.unsubscribe(connection, "one")
    assert taken(database) == ["a"]


def test_what_was_taken_by_a_transaction_that_failed_is_taken_again(database: Database) -> None:
    emit(database, "a", "b")
    with pytest.raises(psycopg.errors.DivisionByZero), database.transaction() as connection:  # noqa: PT012  # the point
        assert titles(subscription.take(connection, "one", start="beginning").events) == ["a", "b"]
        connection.execute("select 1 / 0")
    assert taken(database) == ["a", "b"]


def test_while_one_daemon_has_a_batch_another_gets_none_and_does_not_wait(database: Database) -> None:
    take(database)
    emit(database, "a")
    with database.transaction() as connection:
        assert titles(subscription.take(connection, "one").events) == ["a"]
        assert take(database) == Batch()
    assert taken(database) == []


def test_pages_follow_each_other(database: Database) -> None:
    emit(database, "a", "b", "c")
    pages = [take(database, limit=2) for _ in range(3)]
    assert [titles(page.events) for page in pages] == [["a", "b"], ["c"], []]
    assert [page.has_more for page in pages] == [True, False, False]


def test_a_later_commit_waits_for_an_earlier_transaction_and_the_subscriber_is_told_to_look_again(
    database: Database,
) -> None:
    emit(database, "first")
    with psycopg.connect(database.dsn) as silent:
        silent.execute("select pg_current_xact_id()")
        with database.transaction() as slow:
            tell(slow, "slow")
            emit(database, "quick")
            batch = take(database)
            assert (titles(batch.events), batch.has_more) == (["first"], True)
        batch = take(database)
        assert (titles(batch.events), batch.has_more) == ([], True), "the silent one, of which nothing notifies, runs"
    batch = take(database)
    assert (titles(batch.events), batch.has_more) == (["slow", "quick"], False)


def test_who_was_away_too_long_is_told_and_gets_all_that_is_kept(database: Database) -> None:
    emit(database, "had")
    take(database)
    emit(database, "missed", "kept")
    age(database, "had", "missed")
    prune(database)
    batch = take(database)
    assert (titles(batch.events), batch.has_gap) == (["kept"], True)
    emit(database, "new")
    batch = take(database)
    assert (titles(batch.events), batch.has_gap) == (["new"], False)


def test_who_had_everything_that_is_pruned_has_no_gap(database: Database) -> None:
    emit(database, "had")
    take(database)
    age(database)
    prune(database)
    batch = take(database)
    assert (batch.events, batch.has_gap) == ([], False)


def test_a_cursor_of_nowhere_is_told_and_goes_on_from_now(database: Database) -> None:
    emit(database, "past")
    take(database)
    with database.transaction() as connection:
        connection.execute("update subscribers set xid = '123456789012', id = 99")
    batch = take(database)
    assert (batch.events, batch.has_gap) == ([], True)
    emit(database, "new")
    batch = take(database)
    assert (titles(batch.events), batch.has_gap) == (["new"], False)


def test_an_idle_look_writes_nothing(database: Database) -> None:
    emit(database, "a")
    take(database)
    with database.transaction() as connection:
        before = connection.execute("select xmin::text, moved_at from subscribers").fetchone()
    take(database)
    with database.transaction() as connection:
        assert connection.execute("select xmin::text, moved_at from subscribers").fetchone() == before


def test_an_event_of_another_version_is_passed_on_as_unrecognised(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("insert into events (kind, payload) values ('movie.renamed', '{\"to\": 1}')")
    emit(database, "a")
    unknown, known = take(database).events
    assert unknown.what == Unrecognised(kind="movie.renamed", payload={"to": 1})
    assert titles([known]) == ["a"]


class Daemon:
    """A process's part: takes when it is notified, or after a while, and keeps what it took by its own commit."""

    def __init__(self, dsn: str, name: str) -> None:
        self.database = Database(dsn, application=name, call_limit_s=2.0, max_connections=2)
        self.database.open()
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._listener = Listener(self.database, "events", on_notify=lambda channel: self._woken.set())
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self.database.check_schema()
        self._listener.start()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()
        self._thread.join(20)
        self._listener.stop()
        self.database.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            with suppress(DatabaseUnavailable), self.database.transaction() as connection:
                batch = subscription.take(connection, "inbox", start="beginning", limit=7)
                for event in batch.events:
                    connection.execute(
                        "insert into inbox (event_id, movie_id, title) values (%s, %s, %s)",
                        (event.cursor.id, event.movie_id, titles([event])[0]),
                    )
                if batch.events:
                    continue
            self._woken.wait(0.2)


class Writer(threading.Thread):
    """Does transactions of one to three movies; a third is rolled back, some are slow, some of them in no order.

    Each event of a movie has the movie's next number, which its row gives, as the transitions of a movie would.
    """

    def __init__(self, dsn: str, seed: int) -> None:
        super().__init__()
        self._dsn, self._random = dsn, random.Random(seed)

    def run(self) -> None:
        done = 0
        while done < TRANSACTIONS:
            try:
                with psycopg.connect(self._dsn, row_factory=psycopg.rows.dict_row, autocommit=True) as connection:
                    while done < TRANSACTIONS:
                        done += self._transact(connection)
            except psycopg.OperationalError:
                threading.Event().wait(0.05)

    def _transact(self, connection: psycopg.Connection[psycopg.rows.DictRow]) -> bool:
        chance = self._random
        numbers = sorted(chance.sample(range(1, MOVIES + 1), chance.randint(1, 3)))
        is_kept = chance.random() > 0.3
        with connection.transaction(force_rollback=not is_kept):
            if chance.random() < 0.5:
                connection.execute("select pg_current_xact_id()")
            for number in numbers:
                threading.Event().wait(chance.choice([0, 0, 0.002, 0.01]))
                row = connection.execute(
                    "update counters set number = number + 1 where movie_id = %s returning number", (number,)
                ).fetchone()
                assert row is not None
                tell(connection, str(row["number"]), movie_id=number)
        return is_kept


def prepare_inbox(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("create table counters (movie_id int primary key, number int not null)")
        connection.execute("insert into counters select n, 0 from generate_series(1, %s) n", (MOVIES,))
        connection.execute(
            """create table inbox (place bigint generated always as identity, event_id bigint, movie_id int,
                                   title text)"""
        )


def require_each_once_and_in_order(database: Database) -> None:
    """Every event that was committed came exactly once, and each movie's in order."""
    with database.transaction() as connection:
        expected = connection.execute("select id from events order by id").fetchall()
        came = connection.execute("select * from inbox order by place").fetchall()
    assert sorted(row["event_id"] for row in came) == [row["id"] for row in expected]
    by_movie: dict[int, list[int]] = defaultdict(list)
    for row in came:
        by_movie[row["movie_id"]].append(int(row["title"]))
    for movie_id, numbers in by_movie.items():
        assert numbers == list(range(1, len(numbers) + 1)), f"movie {movie_id}"


@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_comes_once_and_each_movies_in_order_whatever_happens_to_connections_and_server(
    own_server: EmbeddedPostgres, seed: int
) -> None:
    with fresh_database(own_server) as dsn:
        database = Database(dsn, application="test", call_limit_s=2.0)
        database.open()
        database.prepare()
        prepare_inbox(database)
        daemons = [Daemon(dsn, f"daemon {number}") for number in range(2)]
        writers = [Writer(dsn, 100 * seed + number) for number in range(WRITERS)]
        for daemon in daemons:
            daemon.start()
        for writer in writers:
            writer.start()
        try:
            for _ in range(5):
                threading.Event().wait(0.1)
                cut(dsn, "query like 'listen%'")
                threading.Event().wait(0.1)
                cut(dsn, "random() < 0.3")
            assert own_server.pid is not None
            os.kill(own_server.pid, signal.SIGKILL)
            until(lambda: not own_server.is_running())
            own_server.start()
            for writer in writers:
                writer.join(60)
                assert not writer.is_alive()
            until(lambda: is_all_taken(database), timeout_s=20)
        finally:
            for daemon in daemons:
                daemon.stop()
        require_each_once_and_in_order(database)
        database.close()


def cut(dsn: str, which: str) -> None:
    """End the connections to that database for which the SQL condition `which` holds."""
    with suppress(psycopg.OperationalError), psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            f"""select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid() and {which}""".encode()
        )


def is_all_taken(database: Database) -> bool:
    with suppress(DatabaseUnavailable), database.transaction() as connection:
        row = connection.execute(
            """select (select count(*) from events) = (select count(*) from inbox)
                  and (select count(*) from events) > 100 as found"""
        ).fetchone()
        return row is not None and bool(row["found"])
    return False


def test_a_subscriber_that_slept_is_woken_by_the_next_event_after_its_listener_was_cut(database: Database) -> None:
    """Nothing else wakes it: there is no poll in this test."""
    woken = threading.Event()
    listener = Listener(database, "events", on_notify=lambda channel: woken.set())
    listener.start()
    try:
        assert woken.wait(10), "when it begins to listen, since events may have come before"
        seen: list[str] = []
        for number in range(3):
            woken.clear()
            cut(database.dsn, "query like 'listen%'")
            emit(database, f"event {number}")
            while len(seen) <= number:
                assert woken.wait(10)
                woken.clear()
                seen += taken(database)
    finally:
        listener.stop()
    assert seen == ["event 0", "event 1", "event 2"]


def test_events_are_read_by_their_index_and_not_by_age(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            "insert into events (kind, movie_id) select 'movie.searching', mod(n, 100) from generate_series(1, 5000) n"
        )
        connection.execute("analyze events")
        place = events.newest(connection)
        plans = [
            connection.execute(f"explain {sql}".encode(), parameters).fetchall()
            for sql, parameters in (
                (
                    """select * from events where (xid, id) > (%s::text::xid8, %s)
                       and xid < pg_snapshot_xmin(pg_current_snapshot()) order by xid, id limit 500""",
                    (str(place.xid), place.id),
                ),
                ("select xid from events where movie_id = %s order by xid desc limit 1", (7,)),
            )
        ]
    for plan, index in zip(plans, ("events_order", "events_movie"), strict=True):
        assert index in str(plan)


@pytest.mark.parametrize(
    ("had", "comes"),
    [("'0', 0", "abcd"), ("'99999999991', 1", "bcd"), ("'99999999992', 3", "bcd"), ("'99999999994', 4", "")],
    ids=["it had none", "it had the first", "it had one before another of a lower number", "it had all"],
)
def test_a_restore_on_another_server_takes_no_event_from_a_subscriber(
    dsn: str, tmp_path: Path, had: str, comes: str
) -> None:
    """The order is a, c, b, d here, since b's transaction began after c's; there it is that of the numbers."""
    with opened(dsn) as database:
        emit(database, *"abcd")
        with database.transaction() as connection:
            connection.execute("update events set xid = ('9999999999' || (array[1, 3, 2, 4])[id])::xid8")
            connection.execute(f"insert into subscribers (name, xid, id) values ('one', {had})".encode())
            connection.execute("insert into pruned_events (xid, id) values ('3', 0)")
    back_up(dsn, tmp_path / "a.dump")
    restore(dsn, tmp_path / "a.dump", scratch=tmp_path)
    with opened(dsn) as database:
        with database.transaction() as connection:
            mark = connection.execute("select xid::text, id from pruned_events").fetchall()
        assert mark == [{"xid": "0", "id": 0}], "it stays before them"
        batch = take(database)
        assert not batch.has_gap
        assert "".join(titles(batch.events)) == comes
        emit(database, "new")
        assert taken(database) == ["new"]
