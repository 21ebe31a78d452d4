"""The queue's promises, on a real PostgreSQL."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from uuid import UUID, uuid4

import psycopg
import pytest

from movies.failure import RetryPolicy
from movies.movie import JobId
from storage import dead_letters, job_list, jobs
from storage.database import Connection, Database
from storage.errors import Fenced
from storage.housekeeping import prune_jobs
from storage.jobs import Claim
from tests.until import until

LANE = "indexer:one"
POLICY = RetryPolicy(retries=3, base_s=10, cap_s=3600)


def add(database: Database, kind: str = "search", *, lane: str = LANE, **more: Any) -> JobId:
    with database.transaction() as connection:
        job_id = jobs.enqueue(connection, kind, lane=lane, payload={}, correlation_id="c", **more)
    assert job_id is not None
    return job_id


def take(
    database: Database, *, slots: int = 1, lane: str = LANE, node: str = "here", owner: UUID | None = None
) -> list[Claim]:
    with database.transaction() as connection:
        return jobs.claim(connection, node=node, owner=owner or uuid4(), slots={lane: slots}, lease_s=30)


def take_one(database: Database, **more: Any) -> Claim:
    (claim,) = take(database, **more)
    return claim


def ids(claims: Sequence[Claim]) -> list[JobId]:
    return [claim.job_id for claim in claims]


def row(database: Database, job_id: JobId) -> dict[str, Any]:
    with database.transaction() as connection:
        found = connection.execute("select * from jobs where id = %s", (job_id,)).fetchone()
    assert found is not None
    return found


def change(database: Database, sql: str) -> None:
    with database.transaction() as connection:
        connection.execute(sql.encode())


def lose(database: Database) -> int:
    """Let every lease run out, and sweep."""
    change(database, "update jobs set lease_until = now() - interval '1 s' where state = 'running'")
    with database.transaction() as connection:
        return jobs.sweep(connection)


def fail(connection: Connection, claim: Claim, *, is_permanent: bool = False) -> jobs.JobState:
    return jobs.fail(
        connection, claim, reason="refused", error="no", policy=POLICY, jitter=1.0, is_permanent=is_permanent
    )


def put_off(connection: Connection, claim: Claim) -> None:
    jobs.put_off(connection, claim, delay_s=60, waiting_for="indexer:one", error="down")


def someone_waits_for_a_lock(database: Database) -> bool:
    with database.transaction() as connection:
        return connection.execute("select from pg_locks where not granted").fetchone() is not None


def kill(database: Database) -> Claim:
    """A dead letter, and the claim that failed."""
    claim = take_one(database)
    with database.transaction() as connection:
        fail(connection, claim, is_permanent=True)
    return claim


def test_the_best_priority_goes_first_then_the_oldest(database: Database) -> None:
    late, early, urgent = add(database, delay_s=-10), add(database, delay_s=-20), add(database, priority=1)
    assert [ids(take(database)) for _ in range(3)] == [[urgent], [early], [late]]


def test_a_lane_with_two_slots_gets_the_two_best(database: Database) -> None:
    late, early, urgent = add(database, delay_s=-10), add(database, delay_s=-20), add(database, priority=1)
    assert set(ids(take(database, slots=2))) == {early, urgent}
    assert ids(take(database, slots=2)) == [late]


def test_a_job_is_not_claimed_before_it_is_due(database: Database) -> None:
    add(database, delay_s=30)
    assert take(database) == []
    with database.transaction() as connection:
        waiting_s = jobs.seconds_to_next(connection, [LANE])
        assert jobs.seconds_to_next(connection, ["select"]) is None
    assert waiting_s == pytest.approx(30, abs=5)


def test_every_lane_has_its_own_slots(database: Database) -> None:
    for lane in ("one", "one", "one", "two", "three"):
        add(database, lane=lane)
    with database.transaction() as connection:
        claims = jobs.claim(
            connection, node="here", owner=uuid4(), slots={"one": 2, "two": 2, "three": 0, "four": 1}, lease_s=30
        )
    assert sorted(claim.lane for claim in claims) == ["one", "one", "two"]


def test_a_job_bound_to_a_node_goes_to_that_node_only(database: Database) -> None:
    bound = add(database, node="there")
    assert take(database, node="here") == []
    with database.transaction() as connection:
        assert jobs.seconds_to_next(connection, [LANE], node="here") is None
        assert jobs.seconds_to_next(connection, [LANE], node="there") == 0
    assert ids(take(database, node="there")) == [bound]


def test_two_claimers_never_get_the_same_job(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            "insert into jobs (kind, lane, correlation_id) select 'search', %s, 'c' from generate_series(1, 200)",
            (LANE,),
        )
    barrier = threading.Barrier(4)

    def claim_until_empty() -> list[JobId]:
        barrier.wait(10)
        mine: list[JobId] = []
        while claims := take(database, slots=7):
            mine += ids(claims)
        return mine

    with ThreadPoolExecutor(4) as claimers:
        taken = [future.result() for future in [claimers.submit(claim_until_empty) for _ in range(4)]]
    everything = [job_id for mine in taken for job_id in mine]
    assert len(everything) == len(set(everything)) == 200
    assert sum(1 for mine in taken if mine) > 1


def test_a_claim_locked_by_another_is_skipped_without_waiting(database: Database) -> None:
    first, second = add(database), add(database)
    with database.transaction() as connection:
        locked = jobs.claim(connection, node="here", owner=uuid4(), slots={LANE: 1}, lease_s=30)
        assert ids(locked) == [first]
        assert ids(take(database)) == [second]


def test_a_unique_key_is_taken_while_its_job_waits_or_runs(database: Database) -> None:
    def again(connection: Connection) -> JobId | None:
        return jobs.enqueue(connection, "search", lane=LANE, payload={}, correlation_id="c", unique_key="search:1")

    add(database, unique_key="search:1")
    with database.transaction() as connection:
        assert again(connection) is None
    claim = take_one(database)
    with database.transaction() as connection:
        assert again(connection) is None
        jobs.finish(connection, claim)
        assert again(connection) is not None


@pytest.mark.parametrize("late", [jobs.finish, fail, put_off])
def test_a_worker_that_lost_its_job_changes_nothing_any_more(
    database: Database, late: Callable[[Connection, Claim], object]
) -> None:
    add(database)
    old = take_one(database)
    lose(database)
    new = take_one(database)
    before = row(database, new.job_id)
    with pytest.raises(Fenced), database.transaction() as connection:  # noqa: PT012  # what it wrote before must go, too
        connection.execute("insert into feeds (indexer) values ('written before the fence')")
        late(connection, old)
    assert row(database, new.job_id) == before
    with database.transaction() as connection:
        assert connection.execute("select from feeds").fetchall() == []
        assert connection.execute("select reason from job_errors").fetchall() == [{"reason": "lost"}]
        assert jobs.extend_leases(connection, [old], lease_s=9999) == set()
        jobs.release(connection, [old])
    assert row(database, new.job_id) == before


def test_a_job_is_finished_once(database: Database) -> None:
    add(database)
    claim = take_one(database)
    with database.transaction() as connection:
        jobs.finish(connection, claim)
    with pytest.raises(Fenced), database.transaction() as connection:
        jobs.finish(connection, claim)


def test_a_failed_job_waits_longer_each_time_and_the_fourth_attempt_is_its_last(database: Database) -> None:
    job_id = add(database)
    waits_s = []
    for attempt in (1, 2, 3, 4):
        claim = take_one(database)
        assert claim.attempt == attempt
        with database.transaction() as connection:
            state = fail(connection, claim)
            waiting_s = jobs.seconds_to_next(connection, [LANE])
        if state == "ready" and waiting_s is not None:
            waits_s.append(round(waiting_s))
        change(database, "update jobs set run_at = now()")
    assert waits_s == [10, 20, 40]
    with database.transaction() as connection:
        job = job_list.shown(connection, job_id)
    assert job is not None
    assert (job["state"], job["attempt"], job["reason"]) == ("dead", 4, "refused")
    assert [error["attempt"] for error in job["errors"]] == [1, 2, 3, 4]
    assert take(database) == []


def test_a_permanent_failure_is_dead_at_once(database: Database) -> None:
    job_id = add(database)
    kill(database)
    assert row(database, job_id)["state"] == "dead"


@pytest.mark.parametrize(
    ("attempt", "jitter", "delay_s"),
    [(1, 1.0, 10), (1, 0.0, 5), (2, 0.5, 15), (9, 1.0, 2560), (10, 1.0, 3600), (10, 0.0, 1800), (10_000, 1.0, 3600)],
)
def test_a_delay_doubles_up_to_its_cap_and_is_spread_over_its_upper_half(
    attempt: int, jitter: float, delay_s: float
) -> None:
    assert POLICY.delay_s(attempt, jitter=jitter) == delay_s


def test_a_job_put_off_spends_no_attempt_and_names_what_it_waits_for(database: Database) -> None:
    job_id = add(database)
    for _ in range(6):
        claim = take_one(database)
        assert claim.attempt == 1
        with database.transaction() as connection:
            put_off(connection, claim)
        assert row(database, job_id)["waiting_for"] == "indexer:one"
        assert take(database) == []
        change(database, "update jobs set run_at = now()")
    assert take_one(database).attempt == 1
    assert row(database, job_id)["waiting_for"] is None


def test_a_lease_that_is_extended_is_not_swept(database: Database) -> None:
    add(database)
    claim = take_one(database)
    change(database, "update jobs set lease_until = now() - interval '1 s'")
    with database.transaction() as connection:
        assert jobs.extend_leases(connection, [claim], lease_s=30) == {claim.job_id}
        assert jobs.sweep(connection) == 0
        jobs.finish(connection, claim)


def test_a_lost_job_is_ready_again_and_has_spent_no_attempt(database: Database) -> None:
    job_id = add(database)
    take_one(database)
    assert lose(database) == 1
    assert (row(database, job_id)["attempt"], row(database, job_id)["lost"]) == (0, 1)
    assert take_one(database).attempt == 1


def test_a_job_lost_five_times_is_poison(database: Database) -> None:
    job_id = add(database)
    for _ in range(5):
        assert row(database, job_id)["state"] == "ready"
        take_one(database)
        lose(database)
    job = row(database, job_id)
    assert (job["state"], job["reason"], job["lost"], job["owner"]) == ("dead", "poison", 5, None)
    assert job["ended_at"] is not None


def test_who_sweeps_is_told_of_poison(database: Database) -> None:
    add(database, "fetch")
    told: list[str] = []

    def tell(connection: Connection, *, kind: str, error: str, **facts: object) -> None:
        told.append(f"{kind}: {error}")

    for _ in range(jobs.MAX_LOST):
        take_one(database)
        change(database, "update jobs set lease_until = now() - interval '1 s' where state = 'running'")
        with database.transaction() as connection:
            jobs.sweep(connection, on_dead=tell)
    assert told == ["fetch: its workers vanished"]


def test_a_restarted_node_gets_back_what_it_had_and_nothing_else(database: Database) -> None:
    add(database)
    add(database)
    mine, others = take_one(database, node="here"), take_one(database, node="there")
    with database.transaction() as connection:
        assert jobs.held_by(connection, "here") == [mine]
        assert jobs.reclaim_node(connection, "here") == 1
    assert (row(database, mine.job_id)["state"], row(database, mine.job_id)["lost"]) == ("ready", 1)
    assert row(database, others.job_id)["state"] == "running"


def test_a_released_job_counts_nothing(database: Database) -> None:
    job_id = add(database)
    claim = take_one(database)
    with database.transaction() as connection:
        jobs.release(connection, [claim])
        jobs.release(connection, [claim])
    assert (row(database, job_id)["attempt"], row(database, job_id)["lost"]) == (0, 0)
    assert ids(take(database)) == [job_id]


def test_a_dead_letter_is_retried_exactly_once(database: Database) -> None:
    job_id = add(database)
    kill(database)
    barrier = threading.Barrier(4)

    def retry() -> str:
        with database.transaction() as connection:
            barrier.wait(10)
            return dead_letters.retry(connection, job_id)

    with ThreadPoolExecutor(4) as people:
        outcomes = [future.result() for future in [people.submit(retry) for _ in range(4)]]
    assert sorted(outcomes) == ["not dead", "not dead", "not dead", "retried"]
    assert take_one(database).attempt == 1
    with database.transaction() as connection:
        assert dead_letters.retry(connection, JobId(999_999)) == "unknown"


def test_a_dead_letter_whose_work_waits_again_is_not_retried(database: Database) -> None:
    job_id = add(database, unique_key="search:1")
    kill(database)
    add(database, unique_key="search:1")
    with database.transaction() as connection:
        assert dead_letters.retry(connection, job_id) == "waiting already"
        assert connection.execute("select count(*) as n from jobs where state = 'ready'").fetchone() == {"n": 1}
    assert row(database, job_id)["state"] == "dead"


def test_of_two_dead_letters_for_the_same_work_one_is_retried(database: Database) -> None:
    letters = []
    for _ in range(2):
        letters.append(add(database, unique_key="search:1"))
        kill(database)

    def retry(job_id: JobId) -> str:
        with database.transaction() as connection:
            return dead_letters.retry(connection, job_id)

    with ThreadPoolExecutor(1) as other:
        with database.transaction() as connection:
            assert dead_letters.retry(connection, letters[0]) == "retried"
            second = other.submit(retry, letters[1])
            until(lambda: someone_waits_for_a_lock(database))
        assert second.result() == "waiting already"


def test_pruning_takes_what_is_long_done_and_leaves_dead_letters(database: Database) -> None:
    for _ in range(3):
        add(database)
    kill(database)
    old = take_one(database)
    with database.transaction() as connection:
        jobs.finish(connection, old)
    change(database, "update jobs set ended_at = now() - interval '2 h'")
    fresh = take_one(database)
    with database.transaction() as connection:
        jobs.finish(connection, fresh)
        assert prune_jobs(connection, older_than_s=3600) == 1
        assert job_list.counts(connection) == {"ready": 0, "running": 0, "done": 1, "dead": 1}


def test_a_claim_finds_its_jobs_by_the_index_of_ready_ones(database: Database) -> None:
    plans: list[str] = []

    def keep(message: psycopg.errors.Diagnostic) -> None:
        plans.append(message.message_primary or "")

    with database.transaction() as connection:
        connection.execute(
            """insert into jobs (kind, lane, correlation_id, state) select 'search', 'indexer:' || n % 10, 'c',
                   case when n % 20 = 0 then 'ready' else 'done' end from generate_series(1, 20000) as n"""
        )
        connection.execute("analyze jobs")
        connection.execute("load 'auto_explain'")
        connection.execute("set local auto_explain.log_min_duration = 0")
        connection.execute("set local auto_explain.log_level = 'notice'")
        connection.add_notice_handler(keep)
        try:
            jobs.claim(connection, node="here", owner=uuid4(), slots={"indexer:0": 3}, lease_s=30)
        finally:
            connection.remove_notice_handler(keep)
    (plan,) = plans
    assert "using jobs_ready" in plan
    assert "Seq Scan on jobs" not in plan


def lost_twice(database: Database, **facts: Any) -> JobId:
    job_id = add(database, **facts)
    change(database, f"update jobs set lost = 2 where id = {job_id}")
    return job_id


def test_a_job_that_lost_two_workers_is_claimed_alone_after_all_others(database: Database) -> None:
    suspects = [lost_twice(database, priority=5), lost_twice(database, priority=5)]
    others = [add(database), add(database)]
    assert set(ids(take(database, slots=9))) == set(others)
    assert [ids(take(database, slots=9)) for _ in range(3)] == [[suspects[0]], [suspects[1]], []]
    assert [row(database, job_id)["lost"] for job_id in suspects] == [2, 2]


def test_suspects_can_be_left_out_or_asked_for(database: Database) -> None:
    suspect, other = lost_twice(database), add(database)

    def claim(suspects: Literal["last", "only", "never"]) -> list[JobId]:
        with database.transaction() as connection:
            return ids(
                jobs.claim(connection, node="here", owner=uuid4(), slots={LANE: 9}, lease_s=30, suspects=suspects)
            )

    assert [claim("never"), claim("never")] == [[other], []]
    assert [claim("only"), claim("only")] == [[suspect], []]


def test_a_suspect_is_due_in_its_lane_on_its_node_at_its_time(database: Database) -> None:
    def is_due(*lanes: str, node: str = "here") -> bool:
        with database.transaction() as connection:
            return jobs.is_suspect_due(connection, lanes=lanes, node=node)

    add(database)
    assert not is_due(LANE)
    job_id = lost_twice(database, node="here", delay_s=60)
    assert not is_due(LANE)
    change(database, f"update jobs set run_at = now() where id = {job_id}")
    assert (is_due(LANE), is_due("select"), is_due(LANE, node="there")) == (True, False, False)


def test_a_suspect_does_not_make_its_lane_look_due(database: Database) -> None:
    lost_twice(database)
    with database.transaction() as connection:
        assert jobs.seconds_to_next(connection, [LANE]) is None


def test_kinds_can_be_left_out(database: Database) -> None:
    add(database, "search")
    fetch = add(database, "fetch")
    with database.transaction() as connection:
        claims = jobs.claim(connection, node="here", owner=uuid4(), slots={LANE: 9}, lease_s=30, without=["search"])
        assert jobs.seconds_to_next(connection, [LANE], without=["search"]) is None
        assert jobs.seconds_to_next(connection, [LANE]) == 0
    assert ids(claims) == [fetch]


def test_a_cleared_condition_wakes_what_waits_for_it_and_nothing_else(database: Database) -> None:
    waiting, other = add(database), add(database, lane="client:x")
    for lane, condition in ((LANE, "indexer:one"), ("client:x", "client:x")):
        with database.transaction() as connection:
            jobs.put_off(connection, take_one(database, lane=lane), delay_s=60, waiting_for=condition)
    retried = add(database, delay_s=60)
    with database.transaction() as connection:
        assert jobs.wake_waiting(connection, ["indexer:one"], later_than_s=90) == 0
        assert jobs.wake_waiting(connection, ["indexer:one"], later_than_s=1) == 1
        assert jobs.wake_waiting(connection, ["indexer:one"]) == 0
    assert ids(take(database, slots=9)) == [waiting]
    assert row(database, other)["waiting_for"] == "client:x"
    assert row(database, retried)["state"] == "ready"


def test_a_failure_is_tried_again_by_the_policy_of_its_reason(database: Database) -> None:
    policy = RetryPolicy(reasons={"rare": RetryPolicy(base_s=600, retries=1)})

    def fail_once(reason: str, **more: Any) -> tuple[jobs.JobState, float | None]:
        claim = take_one(database)
        with database.transaction() as connection:
            state = jobs.fail(connection, claim, reason=reason, error="no", policy=policy, jitter=1.0, **more)
            due_s = jobs.seconds_to_next(connection, [LANE])
        change(database, "update jobs set run_at = now()")
        return state, due_s and round(due_s)

    add(database)
    assert fail_once("common") == ("ready", 10)
    assert fail_once("rare") == ("dead", None)
    add(database)
    assert fail_once("rare") == ("ready", 600)
    assert fail_once("common", retry_after_s=77.0) == ("ready", 77)


def test_a_lost_worker_is_in_the_error_history(database: Database) -> None:
    job_id = add(database)
    take_one(database)
    lose(database)
    with database.transaction() as connection:
        fail(connection, take_one(database))
        shown = job_list.shown(connection, job_id)
    assert shown is not None
    assert [(error["attempt"], error["reason"]) for error in shown["errors"]] == [(1, "lost"), (1, "refused")]
    assert shown["errors"][0]["error"] == "its worker on here vanished"


def test_who_reclaims_a_node_waits_for_what_its_dead_daemon_is_still_committing(database: Database) -> None:
    add(database)
    claim = take_one(database)
    with ThreadPoolExecutor(1) as starting:

        def reclaim() -> int:
            with database.transaction() as connection:
                return jobs.reclaim_node(connection, "here")

        with database.transaction() as connection:
            jobs.finish(connection, claim)
            reclaimed = starting.submit(reclaim)
            until(lambda: someone_waits_for_a_lock(database))
        assert reclaimed.result() == 0
    assert row(database, claim.job_id)["state"] == "done"


def test_who_sweeps_does_not_wait_for_a_worker_that_ends_its_job_now(database: Database) -> None:
    add(database)
    claim = take_one(database)
    change(database, "update jobs set lease_until = now() - interval '1 s'")
    with database.transaction() as ending:
        jobs.finish(ending, claim)
        with database.transaction() as connection:
            assert jobs.sweep(connection) == 0


def test_counting_states_reads_the_small_indexes(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            """insert into jobs (kind, lane, correlation_id, state) select 'search', 'x', 'c',
                   case when n % 100 = 0 then 'ready' else 'done' end from generate_series(1, 1000) as n"""
        )
        assert job_list.counts(connection) == {"ready": 10, "running": 0, "done": 990, "dead": 0}


@pytest.mark.parametrize(("is_durable", "waits"), [(True, "on"), (False, "off")])
def test_a_claim_that_may_be_forgotten_does_not_wait_for_the_disk(
    database: Database, is_durable: bool, waits: str
) -> None:
    add(database)
    with database.transaction() as connection:
        connection.execute("set local synchronous_commit = on")  # the tests' server has it off
        slots = {LANE: 1}
        assert jobs.claim(connection, node="here", owner=uuid4(), slots=slots, lease_s=30, is_durable=is_durable)
        assert connection.execute("show synchronous_commit").fetchone() == {"synchronous_commit": waits}
