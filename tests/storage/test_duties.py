"""Standing duties on a real database: one holder at a time by its clock, and none that writes after another took it."""

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from storage import duties
from storage.database import Database
from storage.errors import Fenced
from tests.until import until

DUTY = "client:qbit@http://nas:8080"
LONG_S, SHORT_S = 60.0, 0.05


def take(database: Database, node: str, token: UUID, *, lease_s: float = LONG_S, name: str = DUTY) -> bool:
    with database.transaction() as connection:
        return duties.take(connection, name, node=node, token=token, lease_s=lease_s)


def renew(database: Database, token: UUID, *, lease_s: float = LONG_S) -> bool:
    with database.transaction() as connection:
        return duties.renew(connection, DUTY, token=token, lease_s=lease_s)


def give_up(database: Database, token: UUID) -> bool:
    with database.transaction() as connection:
        return duties.give_up(connection, DUTY, token=token)


def is_allowed(database: Database, token: UUID) -> bool:
    try:
        with database.transaction() as connection:
            duties.require(connection, DUTY, token=token)
    except Fenced:
        return False
    return True


def run_out(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("update duties set until = clock_timestamp() - interval '1 ms'")


def test_a_duty_that_is_held_is_not_taken(database: Database) -> None:
    ours, theirs = uuid4(), uuid4()
    assert take(database, "here", ours)
    assert not take(database, "there", theirs)
    assert is_allowed(database, ours)
    assert not is_allowed(database, theirs)


def test_duties_of_other_names_are_free(database: Database) -> None:
    assert take(database, "here", uuid4())
    assert take(database, "there", uuid4(), name="rss:open")


def test_a_duty_that_ran_out_is_taken_and_its_holder_before_is_fenced(database: Database) -> None:
    ours, theirs = uuid4(), uuid4()
    assert take(database, "here", ours, lease_s=SHORT_S)
    until(lambda: take(database, "there", theirs), timeout_s=5)
    assert not is_allowed(database, ours)
    assert not renew(database, ours)
    assert not give_up(database, ours)
    assert is_allowed(database, theirs)


def test_a_duty_that_ran_out_and_that_nobody_took_is_still_its_holders(database: Database) -> None:
    ours = uuid4()
    assert take(database, "here", ours)
    run_out(database)
    assert is_allowed(database, ours)
    assert renew(database, ours)
    assert not take(database, "there", uuid4())


def test_a_renewed_duty_is_held_for_the_whole_lease_again(database: Database) -> None:
    ours = uuid4()
    assert take(database, "here", ours, lease_s=1.0)
    assert renew(database, ours, lease_s=LONG_S)
    with database.transaction() as connection:
        row = connection.execute("select extract(epoch from until - clock_timestamp()) as s from duties").fetchone()
    assert row is not None
    assert LONG_S - 5 < row["s"] <= LONG_S


def test_a_duty_that_is_given_up_is_free_at_once(database: Database) -> None:
    ours = uuid4()
    assert take(database, "here", ours)
    assert give_up(database, ours)
    assert not is_allowed(database, ours)
    assert not renew(database, ours)
    assert take(database, "there", uuid4())


def test_the_next_daemon_of_a_node_has_its_duties_at_once_and_fences_the_one_before(database: Database) -> None:
    before, after = uuid4(), uuid4()
    assert take(database, "here", before)
    assert take(database, "here", after)
    assert not is_allowed(database, before)
    assert is_allowed(database, after)


def test_a_duty_tells_since_when_its_holder_has_it_and_whether_it_ran_out(database: Database) -> None:
    ours = uuid4()
    take(database, "here", ours)
    with database.transaction() as connection:
        (first,) = duties.listed(connection)
    take(database, "here", ours)
    renew(database, ours)
    with database.transaction() as connection:
        (renewed,) = duties.listed(connection)
    assert (renewed["name"], renewed["node"], renewed["is_held"]) == (DUTY, "here", True)
    assert renewed["taken_at"] == first["taken_at"]
    assert renewed["until"] > first["until"]
    run_out(database)
    with database.transaction() as connection:
        assert not duties.listed(connection)[0]["is_held"]
    take(database, "there", uuid4())
    with database.transaction() as connection:
        (theirs,) = duties.listed(connection)
    assert theirs["node"] == "there"
    assert theirs["taken_at"] > first["taken_at"]


def test_nobody_takes_a_duty_while_its_holder_writes(database: Database) -> None:
    ours, theirs = uuid4(), uuid4()
    take(database, "here", ours)
    run_out(database)
    with ThreadPoolExecutor(1) as other:
        with database.transaction() as connection:
            duties.require(connection, DUTY, token=ours)
            taking = other.submit(take, database, "there", theirs)
            until(lambda: waits_for_a_lock(database), what="the other to wait")
            assert not taking.done()
        assert taking.result(timeout=5)  # it had run out all the time
    assert not is_allowed(database, ours)


def test_a_holder_that_renews_while_another_takes_keeps_it(database: Database) -> None:
    ours = uuid4()
    take(database, "here", ours)
    run_out(database)
    with ThreadPoolExecutor(1) as other:
        with database.transaction() as connection:
            assert duties.renew(connection, DUTY, token=ours, lease_s=LONG_S)
            taking = other.submit(take, database, "there", uuid4())
            until(lambda: waits_for_a_lock(database), what="the other to wait")
        assert not taking.result(timeout=5)
    assert is_allowed(database, ours)


def test_a_fenced_holder_leaves_nothing_of_its_transaction(database: Database) -> None:
    ours = uuid4()
    take(database, "here", ours)
    run_out(database)
    take(database, "there", uuid4())
    with pytest.raises(Fenced), database.transaction() as connection:  # noqa: PT012  # also what was written before
        connection.execute("insert into feeds (indexer) values ('late')")
        duties.require(connection, DUTY, token=ours)
    with database.transaction() as connection:
        assert connection.execute("select from feeds").fetchall() == []


def test_of_many_that_take_a_free_duty_one_has_it(database: Database) -> None:
    everybody = threading.Barrier(6)

    def grab(number: int) -> bool:
        everybody.wait()
        return take(database, f"node{number}", uuid4())

    with ThreadPoolExecutor(6) as nodes:
        assert sum(nodes.map(grab, range(6))) == 1


def test_at_any_time_there_is_at_most_one_holder_and_what_they_write_never_overlaps(database: Database) -> None:
    """Six nodes take, renew, oversleep and give up at random; each write is inside its holder's turn."""
    with database.transaction() as connection:
        connection.execute("create table turns (id bigint generated always as identity, token uuid not null)")
    stop = threading.Event()

    def live(number: int) -> int:
        chance, token, fenced = random.Random(number), uuid4(), 0
        while not stop.is_set():
            if not take(database, f"node{number}", token, lease_s=0.01):
                continue
            for _ in range(chance.randrange(4)):
                stop.wait(chance.random() * 0.02)
                try:
                    with database.transaction() as connection:
                        duties.require(connection, DUTY, token=token)
                        connection.execute("insert into turns (token) values (%s)", (token,))
                        (holder,) = connection.execute("select token from duties").fetchall()
                        assert holder["token"] == token
                except Fenced:
                    fenced += 1
            if chance.random() < 0.3:
                give_up(database, token)
            token = uuid4()
        return fenced

    with ThreadPoolExecutor(6) as nodes:
        lives = [nodes.submit(live, number) for number in range(6)]
        until(lambda: len(turns(database)) > 150, timeout_s=30)
        stop.set()
        assert sum(life.result(timeout=10) for life in lives) > 0, "somebody overslept and was fenced"
    order = turns(database)
    changes = sum(one != other for one, other in itertools.pairwise(order))
    assert changes == len(set(order)) - 1, "each holder's writes are in one piece"


def turns(database: Database) -> list[UUID]:
    with database.transaction() as connection:
        return [row["token"] for row in connection.execute("select token from turns order by id").fetchall()]


def waits_for_a_lock(database: Database) -> bool:
    with database.transaction() as connection:
        row = connection.execute(
            "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchone()
    return row is not None
