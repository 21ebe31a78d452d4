"""F18 to F20: a job that fails is tried again as its policy says, with a real queue, a real worker, a real clock."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import psycopg
from psycopg.rows import dict_row

from actors.child import Child
from actors.queue import Queue
from actors.worker import Failed, PutOff, Worker
from movies.failure import DEFAULT, taxonomy
from movies.movie import JobId
from storage import dead_letters, job_list, jobs
from storage.jobs import Claim
from tests.actors import job_rows
from tests.actors.job_rows import LANE
from tests.actors.test_queue import Bench, bench
from tests.supervision.probe import AT_ONCE, Tree
from tests.until import until

__all__ = ["bench"]

BASE_S = 0.4
POLICY = taxonomy(DEFAULT, base_s=BASE_S, retries=3)


class Doer(Worker):
    """Does what `doing` says and ends the job if that raises nothing."""

    def __init__(self, *arguments: Any, doing: Callable[[Claim], None], **worker: Any) -> None:
        super().__init__(*arguments, **worker)
        self._doing = doing

    def work(self, claim: Claim) -> None:
        self._doing(claim)
        with self.finishing(claim):
            pass


def start(bench: Bench, tree: Tree, doing: Callable[[Claim], None]) -> None:
    """A queue and a worker; every wait is as long as chance can make it."""
    queue = {**bench.arguments(), "policy": POLICY}
    worker = {key: queue[key] for key in ("database", "metrics", "policy", "node")}
    tree.addresses |= {"queue": bench.address, LANE: bench.lane}
    tree.start(
        Child(name="queue", actor=Queue, arguments=queue, backoff=AT_ONCE),
        Child(
            name=LANE,
            actor=Doer,
            arguments=worker | {"queue": bench.address, "doing": doing, "chance": lambda: 1.0},
            backoff=AT_ONCE,
        ),
    )


def waits_s(bench: Bench, job_id: JobId) -> list[float]:
    """From each failure to the start of the attempt after it, by the database's clock."""
    with psycopg.connect(bench.database.dsn, row_factory=dict_row) as connection:
        errors = connection.execute(
            "select happened_at from job_errors where job_id = %s order by happened_at", (job_id,)
        ).fetchall()
    return [(later["happened_at"] - earlier["happened_at"]).total_seconds() for earlier, later in pairwise(errors)]


def test_a_job_that_fails_three_times_is_done_at_the_fourth_attempt_after_growing_waits_f18(
    bench: Bench, tree: Tree
) -> None:
    def doing(claim: Claim) -> None:
        if claim.attempt < 4:
            raise Failed("not yet", reason="network error")

    job_id = bench.enqueue()
    start(bench, tree, doing)
    until(lambda: bench.row(job_id)["state"] == "done", timeout_s=20)
    row = bench.row(job_id)
    assert row["attempt"] == 4
    with bench.database.transaction() as connection:
        (last,) = connection.execute(
            "select max(happened_at) as at from job_errors where job_id = %s", (job_id,)
        ).fetchall()
    waits = [*waits_s(bench, job_id), (row["started_at"] - last["at"]).total_seconds()]
    for wait, wanted in zip(waits, [BASE_S, 2 * BASE_S, 4 * BASE_S], strict=True):
        assert wanted <= wait < wanted + 2.0


def test_a_job_that_fails_four_times_is_a_dead_letter_with_all_that_is_known_f19(bench: Bench, tree: Tree) -> None:
    is_mended: list[bool] = []

    def doing(claim: Claim) -> None:
        if not is_mended:
            raise Failed(f"broken at {claim.attempt}", reason="network error")

    job_id = bench.enqueue(unique_key="this work")
    start(bench, tree, doing)
    until(lambda: bench.row(job_id)["state"] == "dead", timeout_s=20)
    with bench.database.transaction() as connection:
        letter = job_list.shown(connection, job_id)
    assert letter is not None
    assert (letter["reason"], letter["attempt"], letter["last_error"]) == ("network error", 4, "broken at 4")
    assert (letter["payload"], letter["correlation_id"]) == (job_rows.FETCH, "cid")
    assert [error["error"] for error in letter["errors"]] == [f"broken at {attempt}" for attempt in (1, 2, 3, 4)]
    is_mended.append(True)
    with bench.database.transaction() as connection:
        assert dead_letters.retry(connection, job_id) == "retried"
        assert dead_letters.retry(connection, job_id) == "not dead"
    until(lambda: bench.row(job_id)["state"] == "done")
    assert bench.row(job_id)["attempt"] == 1


def test_a_worker_killed_between_failing_and_saying_so_neither_loses_nor_doubles_the_attempt_f20(
    bench: Bench,
) -> None:
    job_id = bench.enqueue()
    claim = job_rows.claim(bench.database)
    with bench.database.transaction() as connection:
        jobs.fail(connection, claim, reason="network error", error="first", policy=POLICY, jitter=0.0)
        connection.execute("update jobs set run_at = now()")
    assert job_rows.claim(bench.database).attempt == 2  # it fails, too; and nobody writes that down
    with bench.database.transaction() as connection:
        jobs.reclaim_node(connection, job_rows.NODE)
    row = bench.row(job_id)
    assert (row["attempt"], row["lost"]) == (1, 1)
    assert job_rows.claim(bench.database).attempt == 2


def test_a_retry_after_is_waited_to_the_end(bench: Bench, tree: Tree) -> None:
    def doing(claim: Claim) -> None:
        if claim.attempt == 1:
            raise Failed("too many requests", reason="rate limited", retry_after_s=1.5)

    job_id = bench.enqueue()
    start(bench, tree, doing)
    until(lambda: bench.row(job_id)["state"] == "done")
    row = bench.row(job_id)
    with bench.database.transaction() as connection:
        (error,) = connection.execute("select happened_at from job_errors").fetchall()
    assert 1.5 <= (row["started_at"] - error["happened_at"]).total_seconds() < 3.5


def test_a_condition_is_no_attempt_however_often_it_is_met(bench: Bench, tree: Tree) -> None:
    met: list[Claim] = []

    def doing(claim: Claim) -> None:
        met.append(claim)
        if len(met) <= 8:
            raise PutOff("the file is still written", waiting_for="a file that is still written", delay_s=0.02)

    job_id = bench.enqueue()
    start(bench, tree, doing)
    until(lambda: bench.row(job_id)["state"] == "done")
    assert [claim.attempt for claim in met] == [1] * 9
    assert bench.row(job_id)["attempt"] == 1
