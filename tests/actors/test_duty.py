"""A duty as its actor holds it: looked for often, renewed seldom, and never believed to be ours after it was taken."""

import pytest

from actors.duty import LEASE_S, LOOK_EVERY_S, RENEW_EVERY_S, Duty
from storage import duties
from storage.database import Database
from storage.errors import DatabaseUnavailable, Fenced
from tests.database_outage import database_away
from tests.supervision.manual_clock import ManualClock


class Bench:
    """The same duty as two nodes see it, on clocks that stand until they are moved."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, ManualClock()
        self.ours = Duty("rss:open", database=database, node="here", clock=self.clock)
        self.theirs = Duty("rss:open", database=database, node="there", clock=self.clock)

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def run_out(self) -> None:
        with self.database.transaction() as connection:
            connection.execute("update duties set until = clock_timestamp()")

    def until_s(self) -> float:
        with self.database.transaction() as connection:
            row = connection.execute("select extract(epoch from until - clock_timestamp())::float8 as s from duties")
            return float((row.fetchone() or {})["s"])


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)


def test_one_of_two_holds_it_and_the_other_looks_twice_a_second(bench: Bench) -> None:
    assert bench.ours.hold()
    assert not bench.theirs.hold()
    assert bench.ours.look_in_s == RENEW_EVERY_S
    assert bench.theirs.look_in_s == LOOK_EVERY_S


def test_it_is_renewed_every_five_seconds_for_the_whole_lease(bench: Bench) -> None:
    bench.ours.hold()
    bench.run_out()
    bench.later(RENEW_EVERY_S - 0.1)
    assert bench.ours.hold()
    assert bench.until_s() < 0, "not yet"
    bench.later(0.2)
    assert bench.ours.hold()
    assert LEASE_S - 3 < bench.until_s() <= LEASE_S


def test_who_overslept_finds_out_when_it_would_renew(bench: Bench) -> None:
    bench.ours.hold()
    bench.run_out()
    assert bench.theirs.hold()
    bench.later(RENEW_EVERY_S)
    assert not bench.ours.hold()
    assert not bench.ours.is_held


def test_who_overslept_finds_out_when_it_would_write(bench: Bench) -> None:
    bench.ours.hold()
    bench.run_out()
    bench.theirs.hold()
    with pytest.raises(Fenced), bench.database.transaction() as connection:
        bench.ours.require(connection)
    assert not bench.ours.is_held
    assert bench.theirs.is_held


def test_what_is_given_up_is_the_others_at_its_next_look_and_not_ours_again_before(bench: Bench) -> None:
    bench.ours.hold()
    bench.theirs.hold()
    bench.ours.give_up()
    assert not bench.ours.hold()
    bench.later(LOOK_EVERY_S)
    assert bench.theirs.hold()
    assert not bench.ours.hold()


def test_giving_up_what_is_anothers_takes_nothing_from_it(bench: Bench) -> None:
    bench.ours.hold()
    bench.run_out()
    bench.theirs.hold()
    bench.ours.give_up()
    with bench.database.transaction() as connection:
        assert [row["node"] for row in duties.listed(connection)] == ["there"]


def test_a_database_that_is_away_is_asked_again_after_a_while_and_holds_no_stop_up(bench: Bench) -> None:
    bench.ours.hold()
    bench.later(RENEW_EVERY_S)
    with database_away(bench.database.dsn):
        with pytest.raises(DatabaseUnavailable):
            bench.ours.hold()
        assert bench.ours.look_in_s == LOOK_EVERY_S
        bench.ours.give_up()
    assert not bench.ours.is_held
