"""How far a long operation is: its rate is that of the last seconds, and what is not known is not guessed."""

from uuid import uuid4

import pytest

from actors.operation import RATE_OVER_S, Meter, Operation, eta_s
from movies.movie import JobId, MovieId
from storage import progress
from storage.database import Database
from storage.jobs import Claim
from storage.progress import Progress
from storage.progress_writer import ProgressWriter
from tests.supervision.manual_clock import ManualClock

CLAIM = Claim(
    job_id=JobId(1),
    owner=uuid4(),
    kind="import",
    lane="root:/library",
    payload={},
    attempt=1,
    movie_id=MovieId(7),
    correlation_id="c",
)


class Notes(ProgressWriter):
    """What was shown, in order."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.shown: list[Progress] = []

    def show(self, newest: Progress) -> None:
        self.shown.append(newest)


def test_a_rate_is_unknown_at_first_and_then_that_of_the_last_ten_seconds() -> None:
    clock = ManualClock()
    meter = Meter(clock=clock)
    assert meter.rate_s(500) == 0
    for second in range(1, 31):
        clock.advance(1)
        rate_s = meter.rate_s(500 + 100 * second)
        assert rate_s == pytest.approx(100)
    for _ in range(int(RATE_OVER_S) + 1):
        clock.advance(1)
        rate_s = meter.rate_s(3500)
    assert rate_s == 0, "it stands still for so long"


def test_many_reports_within_a_moment_are_one_sample() -> None:
    clock = ManualClock()
    meter = Meter(clock=clock)
    for number in range(10_000):
        clock.advance(0.001)
        rate_s = meter.rate_s(number)
    assert rate_s == pytest.approx(1000, rel=0.01)
    assert len(meter._samples) < 50


def test_a_number_that_falls_back_has_no_rate() -> None:
    clock = ManualClock()
    meter = Meter(clock=clock)
    meter.rate_s(1000)
    clock.advance(1)
    assert meter.rate_s(10) == 0


@pytest.mark.parametrize(
    ("remaining", "rate_s", "expected"), [(100, 10.0, 10), (0, 10.0, 0), (100, 0.0, None), (-5, 10.0, None)]
)
def test_the_time_left_is_what_remains_by_the_rate(remaining: int, rate_s: float, expected: int | None) -> None:
    assert eta_s(remaining, rate_s) == expected


def test_each_step_is_shown_with_its_own_numbers(database: Database) -> None:
    clock, notes = ManualClock(), Notes(database)
    operation = Operation("import:3", claim=CLAIM, writer=notes, step="scanning", clock=clock)
    operation.counted(0, 0)
    clock.advance(1)
    operation.counted(2000, 0)
    operation.begin("copying")
    operation.moved(0, 1000)
    clock.advance(2)
    operation.moved(500, 1000)
    first, _, scanned, begun, _, copied = notes.shown
    assert (first.step, first.operation, first.movie_id, first.claim) == ("scanning", "import:3", 7, CLAIM)
    assert (scanned.done_count, scanned.rate_count_s, scanned.eta_s) == (2000, 2000, None), "of how many is unknown"
    assert (begun.step, begun.done_count) == ("copying", 0)
    assert (copied.done_bytes, copied.total_bytes, copied.rate_bytes_s, copied.eta_s) == (500, 1000, 250, 2)


def test_the_progress_of_a_job_that_is_not_in_work_goes_nowhere(database: Database) -> None:
    writer = ProgressWriter(database)
    Operation("import:3", claim=CLAIM, writer=writer, step="copying").moved(1, 2)
    writer.close(timeout_s=10)
    with database.transaction() as connection:
        assert progress.running(connection) == []
