import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.base import Fatal
from actors.breaker import Breaker, BreakerSettings, BreakerState, Outage
from actors.child import Child
from actors.exits import ExitReport
from actors.messages import Crash, WakeUp, Work, WorkCrashed, WorkEnded, WorkReturned
from actors.queue import HEARTBEAT_S, POLL_S, Lane, Queue
from actors.worker import OUTAGE_WAIT_S, Worker
from metrics.catalogue import Catalogue
from movies.failure import TAXONOMY, RetryPolicy
from movies.job import KINDS
from movies.movie import JobId, MovieState
from storage import dead_letters, job_list, jobs
from storage.database import Database
from storage.errors import Fenced
from storage.jobs import Claim
from tests.actors import job_rows
from tests.actors.job_rows import LANE, NODE, next_claim
from tests.database_outage import database_away
from tests.supervision.probe import AT_ONCE, START_S, Tree
from tests.until import until

POLICY = RetryPolicy(retries=3, base_s=0.1, cap_s=0.1)
OTHER = "indexer:other"


class Clock:
    """The monotonic clock, moved by `ahead_s`."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


class Bench:
    """A queue for two lanes whose workers are the test: what they are told waits in their mailboxes."""

    def __init__(self, dsn: str) -> None:
        self.calls = 0
        self.database = Database(dsn, application="test", call_limit_s=1.0, on_call=self._count)
        self.database.open()
        self.database.prepare()
        self.clock = Clock()
        self.has_begun = threading.Event()
        self.metrics = Catalogue(CollectorRegistry())
        self.address, self.lane, self.other = Address("queue"), Address(LANE), Address(OTHER)
        self.slots, self.limits = 1, dict[str, int]()
        self.breaker = Breaker(LANE, BreakerSettings(window_size=1, wait_s=3600.0, max_wait_s=3600.0))
        self.database_breaker = Breaker("database", BreakerSettings(window_size=1, wait_s=0.1, max_wait_s=0.1))

    def _count(self, seconds: float, error: Exception | None) -> None:
        self.calls += 1

    def arguments(self) -> Mapping[str, Any]:
        return {
            "database": self.database,
            "breaker": self.database_breaker,
            "lanes": {
                LANE: Lane(self.lane, self.breaker, slots=self.slots, conditions=["any indexer"]),
                OTHER: Lane(self.other),
            },
            "limits": self.limits,
            "node": NODE,
            "metrics": self.metrics,
            "policy": POLICY,
            "on_ready": lambda connection: None,
            "has_begun": self.has_begun,
            "clock": self.clock,
            "chance": lambda: 1.0,
        }

    def start(self) -> "Bench":
        Queue.start(self.address, **self.arguments())
        self.queue.ready.get(timeout=START_S)
        until(lambda: self.queue.is_active)
        return self

    @property
    def queue(self) -> Queue:
        assert isinstance(self.address.actor, Queue)
        return self.address.actor

    def stop(self) -> None:
        if self.address.actor is not None and not self.queue.gone.is_set():
            self.queue.actor_ref.stop(block=False)
            assert self.queue.gone.wait(START_S)

    def enqueue(self, **facts: Any) -> JobId:
        return job_rows.enqueue(self.database, **facts)

    def row(self, job_id: JobId) -> dict[str, Any]:
        return job_rows.row(self.database, job_id)

    def crash(self, claim: Claim) -> None:
        """As the supervisor tells it when the worker's incarnation ends with this job in work."""
        self.address.tell(WorkCrashed(claim=claim, error="ValueError: a bug"), urgent=True)

    def finish(self, claim: Claim) -> None:
        with self.database.transaction() as connection:
            jobs.finish(connection, claim)
        self.address.tell(WorkEnded(claim=claim), urgent=True)

    def dead_letters(self, kind: str, reason: str) -> float | None:
        return self.metrics.registry.get_sample_value("understudy_dead_letters", {"kind": kind, "reason": reason})

    def ended(self, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            "understudy_jobs_ended_total", {"kind": "fetch", "outcome": outcome}
        )


@pytest.fixture
def bench(dsn: str) -> Iterator[Bench]:
    bench = Bench(dsn)
    yield bench
    bench.stop()
    bench.database.close()


def test_a_job_is_claimed_and_told_to_its_lane(bench: Bench) -> None:
    job_id = bench.enqueue()
    claim = next_claim(bench.start().lane)
    assert (claim.job_id, claim.lane, claim.attempt, claim.correlation_id) == (job_id, LANE, 1, "cid")
    row = bench.row(job_id)
    assert (row["state"], row["owner"], row["worker_node"]) == ("running", claim.owner, NODE)
    assert bench.other.depth == 0


def test_a_new_job_wakes_an_idle_queue(bench: Bench) -> None:
    bench.start()
    bench.enqueue()
    next_claim(bench.lane, timeout_s=POLL_S / 2)


def test_a_delayed_job_comes_when_it_is_due(bench: Bench) -> None:
    bench.start()
    job_id = bench.enqueue(delay_s=0.3)
    next_claim(bench.lane, timeout_s=POLL_S / 2)
    row = bench.row(job_id)
    assert row["started_at"] >= row["run_at"]


def test_a_lane_gets_its_next_job_when_the_last_has_ended(bench: Bench) -> None:
    first, second = bench.enqueue(), bench.enqueue()
    elsewhere = bench.enqueue(lane=OTHER)
    claim = next_claim(bench.start().lane)
    assert (claim.job_id, next_claim(bench.other).job_id) == (first, elsewhere)
    assert (bench.lane.depth, bench.row(second)["state"]) == (0, "ready")
    bench.finish(claim)
    assert next_claim(bench.lane).job_id == second


def test_a_lane_whose_breaker_is_open_is_not_claimed_and_its_jobs_keep_their_attempts(bench: Bench) -> None:
    with pytest.raises(Outage), bench.breaker.call():
        raise Outage("down")
    parked, elsewhere = bench.enqueue(), bench.enqueue(lane=OTHER)
    assert next_claim(bench.start().other).job_id == elsewhere
    row = bench.row(parked)
    assert (row["state"], row["attempt"], bench.lane.depth) == ("ready", 0, 0)
    bench.breaker.reset()
    bench.address.tell(WakeUp(), urgent=True)  # as the breaker's transition does
    assert next_claim(bench.lane).attempt == 1


def test_a_lane_is_claimed_again_when_its_breaker_permits_a_probe(bench: Bench) -> None:
    with pytest.raises(Outage), bench.breaker.call():
        raise Outage("too many requests", retry_after_s=0.3)
    bench.enqueue()
    next_claim(bench.start().lane, timeout_s=POLL_S / 2)


def test_a_probe_under_way_does_not_keep_the_queue_busy(bench: Bench) -> None:
    with pytest.raises(Outage), bench.breaker.call():
        raise Outage("down", retry_after_s=0.0)
    with bench.breaker.call():
        assert bench.breaker.state is BreakerState.HALF_OPEN
        bench.start()
        bench.enqueue(lane=OTHER, delay_s=0.5)
        next_claim(bench.other)
        assert bench.calls < 20


def test_another_nodes_due_job_is_left_alone_and_does_not_keep_the_queue_busy(bench: Bench) -> None:
    theirs = bench.enqueue(node="there")
    bench.start()
    bench.enqueue(delay_s=0.5)
    next_claim(bench.lane)
    assert bench.row(theirs)["state"] == "ready"
    assert bench.calls < 20


def fail_breaker(bench: Bench, *, retry_after_s: float | None = None) -> None:
    with pytest.raises(Outage), bench.breaker.call():
        raise Outage("down", retry_after_s=retry_after_s)


def park(bench: Bench, *, waiting_for: str, delay_s: float = 3600.0) -> JobId:
    """A job that was put off because of a condition."""
    with bench.database.transaction() as connection:
        job_id = jobs.enqueue(
            connection, "fetch", lane=LANE, payload=job_rows.FETCH, correlation_id="cid", delay_s=delay_s
        )
        connection.execute("update jobs set waiting_for = %s where id = %s", (waiting_for, job_id))
    assert job_id is not None
    return job_id


@pytest.mark.parametrize("condition", [LANE, "any indexer"])
def test_what_waits_for_a_breaker_is_due_as_soon_as_that_closes(bench: Bench, condition: str) -> None:
    fail_breaker(bench)
    parked = park(bench, waiting_for=condition)
    bench.start()
    elsewhere = bench.enqueue(lane=OTHER)
    assert next_claim(bench.other).job_id == elsewhere
    assert bench.row(parked)["due_in_s"] > 3500
    bench.breaker.reset()
    bench.address.tell(WakeUp(), urgent=True)  # as the breaker's transition does
    claim = next_claim(bench.lane, timeout_s=POLL_S / 2)
    assert (claim.job_id, claim.attempt) == (parked, 1)


def test_what_waits_for_a_breaker_is_its_probe_when_that_half_opens(bench: Bench) -> None:
    fail_breaker(bench, retry_after_s=0.3)
    parked = park(bench, waiting_for=LANE)
    assert next_claim(bench.start().lane, timeout_s=POLL_S / 2).job_id == parked


def test_what_was_put_off_just_after_the_breaker_closed_is_woken_by_the_next_heartbeat(bench: Bench) -> None:
    bench.start()
    parked = park(bench, waiting_for=LANE)
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    assert next_claim(bench.lane, timeout_s=POLL_S / 2).job_id == parked


def test_what_waits_a_second_for_a_dependency_that_just_failed_waits_it(bench: Bench) -> None:
    bench.start()
    soon, parked = park(bench, waiting_for=LANE, delay_s=OUTAGE_WAIT_S), park(bench, waiting_for=LANE)
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    assert next_claim(bench.lane, timeout_s=POLL_S / 2).job_id == parked
    row = bench.row(soon)
    assert (row["run_at"] - row["created_at"]).total_seconds() >= OUTAGE_WAIT_S


def test_what_waits_for_something_else_is_not_woken_by_a_breaker(bench: Bench) -> None:
    parked = park(bench, waiting_for="a file that is still written")
    bench.start()
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    elsewhere = bench.enqueue()
    assert next_claim(bench.lane).job_id == elsewhere
    assert bench.row(parked)["due_in_s"] > 3500


def test_a_lane_with_several_slots_has_so_many_jobs_in_work(bench: Bench) -> None:
    bench.slots = 2
    ids = [bench.enqueue() for _ in range(3)]
    bench.start()
    claims = [next_claim(bench.lane), next_claim(bench.lane)]
    assert [claim.job_id for claim in claims] == ids[:2]
    assert bench.row(ids[2])["state"] == "ready"
    bench.finish(claims[0])
    assert next_claim(bench.lane).job_id == ids[2]


def test_a_kind_has_no_more_jobs_in_work_than_its_limit(bench: Bench) -> None:
    bench.limits = {"fetch": 1}
    first, second = bench.enqueue(), bench.enqueue(lane=OTHER, delay_s=0.01)
    bench.start()
    claim = next_claim(bench.lane)
    assert claim.job_id == first
    other = bench.enqueue(kind="search", payload={"movie_id": 1}, lane=OTHER, delay_s=0.02)
    searching = next_claim(bench.other)
    assert searching.job_id == other, "a kind that is full does not keep its lane from other kinds"
    row = bench.row(second)
    assert (row["state"], row["attempt"], row["lost"]) == ("ready", 0, 0)
    bench.finish(searching)
    bench.finish(claim)
    assert next_claim(bench.other).job_id == second


def test_a_full_kind_does_not_keep_the_queue_busy(bench: Bench) -> None:
    bench.limits = {"fetch": 1}
    bench.enqueue()
    bench.enqueue(lane=OTHER, delay_s=0.01)
    bench.start()
    next_claim(bench.lane)
    bench.enqueue(kind="search", payload={"movie_id": 1}, lane=OTHER, delay_s=0.5)
    next_claim(bench.other)
    assert bench.calls < 14


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"kind": "transcode"}, "unknown kind"),
        ({"payload": {}}, "bad payload"),
        ({"payload": {**job_rows.FETCH, "movie_id": "1"}}, "bad payload"),
    ],
)
def test_a_job_that_nobody_can_do_is_a_dead_letter_and_the_queue_goes_on(
    bench: Bench, facts: dict[str, Any], reason: str
) -> None:
    with bench.database.transaction() as connection:
        movie_id = job_rows.wanted_movie(connection)
    bad = bench.enqueue(movie_id=movie_id, **facts)
    good = bench.enqueue()
    claim = next_claim(bench.start().lane)
    assert claim.job_id == good
    row = bench.row(bad)
    assert (row["state"], row["reason"], row["attempt"]) == ("dead", reason, 1)
    with bench.database.transaction() as connection:
        shown = job_list.shown(connection, bad)
    assert shown is not None
    assert [error["reason"] for error in shown["errors"]] == [reason]
    assert job_rows.movie_state(bench.database, movie_id) == MovieState.FAILED
    kind = {"transcode": "other"}.get(row["kind"], row["kind"])
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    until(lambda: bench.dead_letters(kind, reason) == 1)


def test_dead_letters_are_counted_by_kind_and_reason_from_zero(bench: Bench) -> None:
    bench.start()
    counted = {
        (sample.labels["kind"], sample.labels["reason"]): sample.value
        for family in bench.metrics.registry.collect()
        if family.name == "understudy_dead_letters"
        for sample in family.samples
    }
    assert set(counted) == {(kind, reason) for kind in (*KINDS, "other") for reason in (*TAXONOMY, "other")}
    assert set(counted.values()) == {0}
    job_id = bench.enqueue()
    with bench.database.transaction() as connection:
        jobs.fail(
            connection, next_claim(bench.lane), reason="odd", error="x", policy=POLICY, jitter=1.0, is_permanent=True
        )
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    until(lambda: bench.dead_letters("fetch", "other") == 1)
    with bench.database.transaction() as connection:
        dead_letters.discard(connection, job_id)
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    until(lambda: bench.dead_letters("fetch", "other") == 0)


def suspect(bench: Bench, *, lane: str = LANE) -> JobId:
    """A job whose workers have vanished twice."""
    with bench.database.transaction() as connection:
        job_id = jobs.enqueue(connection, "fetch", lane=lane, payload=job_rows.FETCH, correlation_id="cid")
        connection.execute("update jobs set lost = 2 where id = %s", (job_id,))
    assert job_id is not None
    return job_id


def test_a_job_whose_workers_vanished_twice_is_in_work_alone(bench: Bench) -> None:
    alone, other = suspect(bench), bench.enqueue(lane=OTHER)
    claim = next_claim(bench.start().lane)
    assert claim.job_id == alone
    assert bench.row(other)["state"] == "ready"
    bench.address.tell(WakeUp())
    later = bench.enqueue(lane=OTHER)
    bench.finish(claim)
    elsewhere = next_claim(bench.other)
    assert elsewhere.job_id == other
    assert bench.row(other)["started_at"] > bench.row(alone)["ended_at"]
    bench.finish(elsewhere)
    assert next_claim(bench.other).job_id == later


def test_such_a_job_waits_until_nothing_else_is_in_work(bench: Bench) -> None:
    working = bench.enqueue(lane=OTHER)
    claim = next_claim(bench.start().other)
    assert claim.job_id == working
    alone = suspect(bench)
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    waiting = bench.enqueue(lane=OTHER)
    bench.finish(claim)
    assert next_claim(bench.lane).job_id == alone
    assert bench.row(waiting)["state"] == "ready"


def test_such_jobs_follow_each_other(bench: Bench) -> None:
    ids = [suspect(bench), suspect(bench, lane=OTHER)]
    bench.start()
    claim = next_claim(bench.lane)
    assert bench.row(ids[1])["state"] == "ready"
    bench.finish(claim)
    assert next_claim(bench.other, timeout_s=POLL_S / 2).job_id == ids[1]


def test_such_a_job_does_not_wait_for_one_before_it_that_has_ended(bench: Bench) -> None:
    suspect(bench)
    bench.finish(next_claim(bench.start().lane))
    bench.enqueue(lane=OTHER)
    bench.finish(next_claim(bench.other))  # others have had their turn
    second = suspect(bench)
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    assert next_claim(bench.lane, timeout_s=POLL_S / 2).job_id == second


def test_such_a_job_whose_dependency_is_down_holds_nobody_back(bench: Bench) -> None:
    fail_breaker(bench)
    suspect(bench)
    ids = [bench.enqueue(lane=OTHER) for _ in range(3)]
    bench.start()
    for job_id in ids:
        claim = next_claim(bench.other, timeout_s=POLL_S / 2)
        assert claim.job_id == job_id
        bench.finish(claim)


def test_a_clock_that_goes_back_holds_nothing_up(bench: Bench) -> None:
    bench.start()
    with bench.database.transaction() as connection:
        connection.execute("update queue_clock set seen_at = seen_at + interval '1 h'")
    bench.enqueue(delay_s=3598)
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    next_claim(bench.lane, timeout_s=POLL_S / 2)


@pytest.mark.parametrize("hours", [1, 240])
def test_a_clock_that_goes_ahead_takes_no_job_from_its_worker(bench: Bench, hours: int) -> None:
    job_id = bench.enqueue()
    claim = next_claim(bench.start().lane)
    with bench.database.transaction() as connection:
        connection.execute(
            "update jobs set lease_until = lease_until - make_interval(hours => %s) where state = 'running'", (hours,)
        )
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    until(lambda: bench.row(job_id)["lease_s"] > 25)
    assert bench.row(job_id)["lost"] == 0
    bench.finish(claim)


def test_heartbeats_keep_the_leases_of_what_is_in_work(bench: Bench) -> None:
    job_id = bench.enqueue()
    next_claim(bench.start().lane)
    with bench.database.transaction() as connection:
        connection.execute("update jobs set lease_until = now() + interval '1 s' where id = %s", (job_id,))
    bench.clock.ahead_s += HEARTBEAT_S
    bench.address.tell(WakeUp())
    until(lambda: bench.row(job_id)["lease_s"] > 25)
    assert bench.metrics.registry.get_sample_value("understudy_jobs", {"state": "running"}) == 1


def test_a_job_whose_worker_vanished_is_freed_and_claimed_again(bench: Bench) -> None:
    job_id = bench.enqueue()
    with bench.database.transaction() as connection:
        jobs.claim(connection, node="there", owner=uuid.uuid4(), slots={LANE: 1}, lease_s=-1.0)
    assert next_claim(bench.start().lane).attempt == 1
    assert bench.row(job_id)["lost"] == 1


def test_what_an_earlier_daemon_of_this_node_had_in_work_is_claimed_at_once(bench: Bench) -> None:
    job_id = bench.enqueue()
    job_rows.claim(bench.database)
    assert next_claim(bench.start().lane).job_id == job_id


def test_a_returned_job_is_freed_without_spending_an_attempt(bench: Bench) -> None:
    bench.enqueue()
    claim = next_claim(bench.start().lane)
    bench.address.tell(WorkReturned(claim=claim), urgent=True)
    again = next_claim(bench.lane, timeout_s=POLL_S / 2)
    assert (again.job_id, again.attempt) == (claim.job_id, 1)
    assert again.owner != claim.owner


def test_a_returned_job_that_was_ended_after_all_stays_ended(bench: Bench) -> None:
    ended = bench.enqueue()
    claim = next_claim(bench.start().lane)
    with bench.database.transaction() as connection:
        jobs.finish(connection, claim)
    bench.address.tell(WorkReturned(claim=claim), urgent=True)
    after = bench.enqueue()
    assert next_claim(bench.lane).job_id == after
    assert bench.row(ended)["state"] == "done"


def test_a_crash_spends_an_attempt_at_once(bench: Bench) -> None:
    job_id = bench.enqueue()
    bench.crash(next_claim(bench.start().lane))
    until(lambda: bench.row(job_id)["reason"] == "crash")
    row = bench.row(job_id)
    assert (row["last_error"], row["lost"]) == ("ValueError: a bug", 0)
    assert next_claim(bench.lane).attempt == 2
    assert bench.ended("retried") == 1


def test_a_job_that_crashes_every_attempt_is_a_dead_letter_and_its_movie_failed(bench: Bench) -> None:
    with bench.database.transaction() as connection:
        movie_id = job_rows.wanted_movie(connection)
    job_id = bench.enqueue(movie_id=movie_id)
    bench.start()
    for attempt in (1, 2, 3, 4):
        claim = next_claim(bench.lane)
        assert claim.attempt == attempt
        bench.crash(claim)
    until(lambda: bench.row(job_id)["state"] == "dead")
    assert bench.ended("dead") == 1
    assert job_rows.movie_state(bench.database, movie_id) == MovieState.FAILED


def test_one_indexers_search_that_crashes_does_not_fail_the_movie(bench: Bench) -> None:
    with bench.database.transaction() as connection:
        movie_id = job_rows.wanted_movie(connection)
    job_id = bench.enqueue(kind="search", payload={"movie_id": movie_id}, movie_id=movie_id, attempt=3)
    bench.crash(next_claim(bench.start().lane))
    until(lambda: bench.row(job_id)["state"] == "dead")
    assert job_rows.movie_state(bench.database, movie_id) == MovieState.WANTED


def test_a_crash_after_the_job_had_ended_changes_nothing(bench: Bench) -> None:
    job_id, after = bench.enqueue(), bench.enqueue()
    claim = next_claim(bench.start().lane)
    bench.finish(claim)
    bench.crash(claim)
    assert next_claim(bench.lane).job_id == after
    assert (bench.row(job_id)["state"], bench.row(job_id)["reason"]) == ("done", None)


def test_an_orderly_stop_gives_back_what_is_in_work(bench: Bench) -> None:
    job_id = bench.enqueue()
    next_claim(bench.start().lane)
    bench.stop()
    row = bench.row(job_id)
    assert (row["state"], row["attempt"], row["lost"]) == ("ready", 0, 0)


def test_an_outage_of_the_database_is_waited_out(bench: Bench, dsn: str) -> None:
    bench.enqueue()
    claim = next_claim(bench.start().lane)
    with database_away(dsn):
        bench.address.tell(WorkReturned(claim=claim), urgent=True)
        until(lambda: bench.database_breaker.state is not BreakerState.CLOSED)
        bench.clock.ahead_s += 3 * POLL_S
        assert not bench.queue.is_active
    assert next_claim(bench.lane).attempt == 1
    until(lambda: bench.queue.is_active)
    until(lambda: bench.database_breaker.state is BreakerState.CLOSED)
    assert not bench.queue.gone.is_set()


def test_a_crash_that_cannot_be_written_down_frees_the_job(bench: Bench, dsn: str) -> None:
    bench.enqueue()
    claim = next_claim(bench.start().lane)
    with database_away(dsn):
        bench.crash(claim)
        until(lambda: bench.database_breaker.state is not BreakerState.CLOSED)
    assert next_claim(bench.lane).attempt == 1


def test_a_newer_schema_is_fatal(bench: Bench) -> None:
    with psycopg.connect(bench.database.dsn) as connection:
        connection.execute("insert into schema_version (version, name) values (9999, 'of a newer program')")
    Queue.start(bench.address, **bench.arguments())
    assert bench.queue.gone.wait(START_S)
    assert isinstance(bench.queue.reason, Fatal)
    assert bench.queue.reason.exit_code == 3


def test_a_restart_of_the_queue_leaves_what_is_in_work_to_its_worker(bench: Bench, tree: Tree) -> None:
    working, waiting = bench.enqueue(), bench.enqueue()
    tree.addresses["queue"] = bench.address
    tree.start(Child(name="queue", actor=Queue, arguments=bench.arguments(), backoff=AT_ONCE))
    claim = next_claim(bench.lane)
    bench.address.tell(Crash())
    again = next_claim(bench.lane)
    assert again == claim  # told again, in case it had not been told yet: the token lets it be ended once
    assert claim.job_id == working
    bench.finish(claim)
    with pytest.raises(Fenced):
        bench.finish(again)
    assert next_claim(bench.lane).job_id == waiting


class Clumsy(Worker):
    """Crashes at a job's first attempt and ends it at the second."""

    def work(self, claim: Claim) -> None:
        if claim.attempt == 1:
            raise ValueError("a bug")
        with self.finishing(claim):
            pass


def test_a_worker_that_crashes_is_restarted_and_its_job_tried_again(bench: Bench, tree: Tree) -> None:
    def tell_the_queue(report: ExitReport) -> None:
        if isinstance(report.message, Work):
            bench.crash(report.message.claim)

    arguments = {key: bench.arguments()[key] for key in ("database", "metrics", "policy", "node")}
    children = [
        Child(name="queue", actor=Queue, arguments=bench.arguments(), backoff=AT_ONCE),
        Child(name=LANE, actor=Clumsy, arguments=arguments | {"queue": bench.address}, backoff=AT_ONCE),
    ]
    tree.addresses |= {"queue": bench.address, LANE: bench.lane}
    ids = [bench.enqueue() for _ in range(3)]
    tree.change_hooks(on_exit=tell_the_queue)
    tree.start(*children, intensity=100)
    until(lambda: [bench.row(job_id)["state"] for job_id in ids] == ["done"] * 3)
    assert [bench.row(job_id)["attempt"] for job_id in ids] == [2, 2, 2]
    assert (bench.ended("retried"), bench.ended("done")) == (3, 3)
