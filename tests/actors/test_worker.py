import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.breaker import BreakerOpen, Outage
from actors.messages import Tick, Work, WorkEnded, WorkReturned
from actors.worker import OUTAGE_WAIT_S, Failed, PutOff, Worker
from metrics.catalogue import Catalogue
from metrics.logs import CORRELATION
from movies.failure import DEFAULT, RetryPolicy, taxonomy
from movies.movie import MovieState
from storage import jobs, movies
from storage.database import Connection, Database
from storage.jobs import Claim
from tests.actors import job_rows
from tests.actors.job_rows import LANE, NODE, next_message
from tests.database_outage import database_away
from tests.supervision.probe import START_S

POLICY = RetryPolicy(retries=3, base_s=100.0, cap_s=1000.0)


class Doer(Worker):
    """Does what `doing` says; notes what it hears."""

    def __init__(self, address: Address, *, doing: Callable[["Doer", Claim], None], **worker: Any) -> None:
        super().__init__(address, **worker)
        self._doing = doing
        self.heard: list[object] = []
        self.put_off: list[Claim] = []

    def work(self, claim: Claim) -> None:
        self._doing(self, claim)

    def tick(self) -> None:
        self.heard.append(Tick())

    def came_to_nothing(self, connection: Connection, claim: Claim) -> None:
        self.put_off.append(claim)


class Bench:
    """A worker on a database whose calls may take a second, and the queue's mailbox."""

    def __init__(self, dsn: str) -> None:
        self.database = Database(dsn, application="test", call_limit_s=1.0)
        self.database.open()
        self.database.prepare()
        self.address, self.queue = Address(LANE), Address("queue")
        self.metrics = Catalogue(CollectorRegistry())
        self.policy = POLICY
        self.worker: Doer | None = None

    def start(self, doing: Callable[[Doer, Claim], None]) -> Doer:
        Doer.start(
            self.address,
            doing=doing,
            database=self.database,
            queue=self.queue,
            metrics=self.metrics,
            policy=self.policy,
            node=NODE,
            chance=lambda: 0.5,
        )
        assert isinstance(self.address.actor, Doer)
        self.worker = self.address.actor
        self.worker.ready.get(timeout=START_S)
        return self.worker

    def do(self, doing: Callable[[Doer, Claim], None], **facts: Any) -> dict[str, Any]:
        """The row of a job after `doing` was done about it."""
        job_id = job_rows.enqueue(self.database, **facts)
        claim = job_rows.claim(self.database)
        self.start(doing)
        self.address.tell(Work(claim=claim), correlation_id=claim.correlation_id)
        assert next_message(self.queue) == WorkEnded(claim=claim)
        return job_rows.row(self.database, job_id)

    def ended(self, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            "understudy_jobs_ended_total", {"kind": "fetch", "outcome": outcome}
        )

    def close(self) -> None:
        if self.worker is not None:
            self.worker.actor_ref.stop(block=False)
            assert self.worker.gone.wait(START_S)
        self.database.close()


@pytest.fixture
def bench(dsn: str) -> Iterator[Bench]:
    bench = Bench(dsn)
    yield bench
    bench.close()


def raising(error: Exception) -> Callable[[Doer, Claim], None]:
    def doing(doer: Doer, claim: Claim) -> None:
        raise error

    return doing


def finish(doer: Doer, claim: Claim) -> None:
    with doer.finishing(claim):
        pass


def test_a_job_ends_in_the_transaction_of_its_results(bench: Bench) -> None:
    def doing(doer: Doer, claim: Claim) -> None:
        with doer.finishing(claim) as connection:
            job_rows.wanted_movie(connection)
            assert job_rows.state(bench.database, claim.job_id) == "running"

    assert bench.do(doing)["state"] == "done"
    with bench.database.transaction() as connection:
        assert len(movies.listed(connection, limit=10, after=None)) == 1
    assert bench.ended("done") == 1


def test_a_crash_in_that_transaction_ends_nothing(bench: Bench) -> None:
    def doing(doer: Doer, claim: Claim) -> None:
        with doer.finishing(claim) as connection:
            job_rows.wanted_movie(connection)
            raise ValueError("a bug")

    job_id = job_rows.enqueue(bench.database)
    bench.start(doing).address.tell(Work(claim=job_rows.claim(bench.database)))
    assert bench.worker is not None
    assert bench.worker.gone.wait(START_S)
    assert isinstance(bench.worker.reason, ValueError)
    assert job_rows.state(bench.database, job_id) == "running"
    with bench.database.transaction() as connection:
        assert movies.listed(connection, limit=10, after=None) == []


def test_a_job_that_must_wait_for_something_spends_no_attempt(bench: Bench) -> None:
    row = bench.do(raising(PutOff("the disk is full", waiting_for="space on /library", delay_s=60.0)))
    assert (row["state"], row["attempt"], row["waiting_for"]) == ("ready", 0, "space on /library")
    assert row["last_error"] == "the disk is full"
    assert 50 < row["due_in_s"] <= 60
    assert bench.ended("put_off") == 1


def test_a_job_whose_dependency_is_down_waits_for_its_lane(bench: Bench) -> None:
    row = bench.do(raising(Outage("connection refused")))
    assert (row["state"], row["attempt"], row["waiting_for"]) == ("ready", 0, LANE)
    assert row["due_in_s"] <= OUTAGE_WAIT_S


def test_a_job_whose_breaker_is_open_waits_until_that_is_tried_again(bench: Bench) -> None:
    row = bench.do(raising(BreakerOpen(LANE, retry_in_s=300.0)))
    assert (row["state"], row["attempt"], row["waiting_for"]) == ("ready", 0, LANE)
    assert 290 < row["due_in_s"] <= 300


def test_a_failed_attempt_is_spent_and_tried_again_after_the_policys_delay(bench: Bench) -> None:
    row = bench.do(raising(Failed("no such page", reason="parse error")))
    assert (row["state"], row["attempt"], row["reason"], row["waiting_for"]) == ("ready", 1, "parse error", None)
    assert 70 < row["due_in_s"] <= 75, "100 s * (0.5 + 0.5 * 0.5)"
    assert bench.ended("retried") == 1
    assert bench.worker is not None
    assert len(bench.worker.put_off) == 1


def test_the_policy_is_that_of_the_reason(bench: Bench) -> None:
    bench.policy = taxonomy(DEFAULT)
    row = bench.do(raising(Failed("no such page", reason="parse error")))
    assert 0.74 * 4 * 3600 < row["due_in_s"] <= 0.75 * 4 * 3600


def test_a_delay_that_the_other_side_asks_for_goes_before_the_policys(bench: Bench) -> None:
    row = bench.do(raising(Failed("too many requests", reason="rate limited", retry_after_s=777.0)))
    assert (row["state"], row["attempt"]) == ("ready", 1)
    assert 770 < row["due_in_s"] <= 777


def test_the_attempt_after_the_last_retry_makes_a_dead_letter_and_a_failed_movie(bench: Bench) -> None:
    with bench.database.transaction() as connection:
        movie_id = job_rows.wanted_movie(connection)
    row = bench.do(raising(Failed("again", reason="parse error")), attempt=3, movie_id=movie_id)
    assert (row["state"], row["attempt"], row["last_error"]) == ("dead", 4, "again")
    assert job_rows.movie_state(bench.database, movie_id) == MovieState.FAILED
    assert bench.ended("dead") == 1


def test_a_permanent_failure_is_a_dead_letter_at_once(bench: Bench) -> None:
    row = bench.do(raising(Failed("gone", reason="not found", is_permanent=True)))
    assert (row["state"], row["attempt"]) == ("dead", 1)


def test_a_worker_that_was_fenced_changes_nothing(bench: Bench) -> None:
    def doing(doer: Doer, claim: Claim) -> None:
        with bench.database.transaction() as connection:
            jobs.release(connection, [claim])
            jobs.claim(connection, node="there", owner=uuid.uuid4(), slots={LANE: 1}, lease_s=30.0)
        with doer.finishing(claim) as connection:
            job_rows.wanted_movie(connection)

    row = bench.do(doing)
    assert (row["state"], row["worker_node"]) == ("running", "there")
    with bench.database.transaction() as connection:
        assert movies.listed(connection, limit=10, after=None) == []
    assert bench.ended("fenced") == 1


@pytest.mark.parametrize(
    "error", [None, Failed("x", reason="y"), Outage("down"), PutOff("x", waiting_for="y", delay_s=1.0)]
)
def test_a_job_that_cannot_be_ended_because_the_database_is_away_goes_back(
    bench: Bench, dsn: str, error: Exception | None
) -> None:
    job_id = job_rows.enqueue(bench.database)
    claim = job_rows.claim(bench.database)
    with database_away(dsn):
        bench.start(finish if error is None else raising(error)).address.tell(
            Work(claim=claim), correlation_id=claim.correlation_id
        )
        assert next_message(bench.queue) == WorkReturned(claim=claim)
    assert bench.worker is not None
    assert not bench.worker.gone.is_set()
    assert bench.ended("returned") == 1
    assert job_rows.state(bench.database, job_id) == "running", "the queue frees it when the database is back"


def test_what_a_worker_does_carries_the_jobs_correlation(bench: Bench) -> None:
    seen: list[str] = []

    def doing(doer: Doer, claim: Claim) -> None:
        seen.append(CORRELATION.get())
        finish(doer, claim)

    bench.do(doing)
    assert seen == ["cid"]


def test_messages_that_are_no_work_are_heard(bench: Bench) -> None:
    worker = bench.start(finish)
    bench.address.ask(Tick(), timeout_s=START_S)
    assert worker.heard == [Tick()]


def test_the_time_in_work_is_measured(bench: Bench) -> None:
    bench.do(finish)
    measured = bench.metrics.registry.get_sample_value("understudy_job_duration_seconds_count", {"kind": "fetch"})
    assert measured == 1
