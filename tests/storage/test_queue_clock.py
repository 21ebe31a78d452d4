"""A clock that jumps (F51): no job waits for the offset, no lease outlives its time."""

import pytest

from storage import queue_clock
from storage.database import Database
from tests.storage.test_jobs import add, change, row, take, take_one
from tests.until import until

LEASE_S = 30.0


def keep(database: Database) -> float:
    with database.transaction() as connection:
        return queue_clock.keep(connection, lease_s=LEASE_S)


def go_back(database: Database, hours: int) -> None:
    """As if the database's clock had gone back: everything that was written lies so far ahead of it."""
    ahead = f"interval '{hours} h'"
    change(database, f"update queue_clock set seen_at = seen_at + {ahead}")
    change(database, f"update jobs set run_at = run_at + {ahead}, lease_until = lease_until + {ahead}")


def due_in_s(database: Database, job_id: int) -> float:
    with database.transaction() as connection:
        found = connection.execute(
            "select extract(epoch from run_at - now())::float8 as s from jobs where id = %s", (job_id,)
        ).fetchone()
    assert found is not None
    return float(found["s"])


@pytest.mark.parametrize("hours", [1, 240])
def test_a_clock_that_goes_back_keeps_no_due_job_waiting(database: Database, hours: int) -> None:
    assert keep(database) == 0
    job_id = add(database)
    go_back(database, hours)
    assert take(database) == []
    assert keep(database) == pytest.approx(hours * 3600, abs=5)
    (claim,) = until(lambda: take(database))  # what lay between the last look at the clock and the job is not due yet
    assert claim.job_id == job_id


def test_a_job_that_was_to_wait_waits_as_long_as_before(database: Database) -> None:
    keep(database)
    job_id = add(database, delay_s=600)
    go_back(database, 1)
    keep(database)
    assert due_in_s(database, job_id) == pytest.approx(600, abs=5)


def test_several_daemons_take_the_jump_out_once(database: Database) -> None:
    keep(database)
    job_id = add(database, delay_s=7200)
    go_back(database, 1)
    assert [keep(database) > 0 for _ in range(3)] == [True, False, False]
    assert due_in_s(database, job_id) == pytest.approx(7200, abs=5)


def test_no_lease_outlives_its_time(database: Database) -> None:
    keep(database)
    claim = take_one_of(database)
    go_back(database, 1)
    keep(database)
    with database.transaction() as connection:
        found = connection.execute(
            "select extract(epoch from lease_until - now())::float8 as s from jobs where id = %s", (claim,)
        ).fetchone()
    assert found is not None
    assert found["s"] <= LEASE_S


def take_one_of(database: Database) -> int:
    job_id = add(database)
    take_one(database)
    assert row(database, job_id)["state"] == "running"
    return job_id


def test_a_clock_that_is_set_a_little_moves_nothing(database: Database) -> None:
    keep(database)
    job_id = add(database, delay_s=100)
    change(database, "update queue_clock set seen_at = seen_at + interval '1 s'")
    assert keep(database) == 0
    assert due_in_s(database, job_id) == pytest.approx(100, abs=2)


def test_a_clock_that_goes_ahead_moves_nothing(database: Database) -> None:
    keep(database)
    job_id = add(database, delay_s=100)
    change(database, "update queue_clock set seen_at = seen_at - interval '1 h'")
    assert keep(database) == 0
    assert due_in_s(database, job_id) == pytest.approx(100, abs=5)
