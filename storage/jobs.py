"""The durable queue: every step of every acquisition is a row here.

A claim carries a fencing token (`owner`). Whoever did the work ends the job in the transaction that writes its results:
`finish`, `fail` or `put_off` first lock the row by id and token, and raise Fenced when it is no longer theirs. Attempts
count work that was started and went wrong; a worker that vanished counts in `lost`; a condition that is not the item's
fault (a dependency down, a full disk) counts in neither. All times are the database's.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol
from uuid import UUID

from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from movies.failure import POISON, RetryPolicy
from movies.movie import JobId, MovieId
from storage.database import Connection
from storage.errors import Fenced

CLAIM_COLUMNS = "id as job_id, owner, kind, lane, payload, attempt, movie_id, correlation_id"
SUSPECT_LOST = 2
"""A job whose workers vanished this often is claimed alone, as it may be why; the index jobs_suspect says it, too."""
ONCE = "on conflict (unique_key) where state in ('ready', 'running') and unique_key is not null do nothing"
"""How a job is not enqueued twice under one key while the first waits or is in work."""
MAX_LOST = 5
"""A job whose workers vanished this often is poison: it becomes a dead letter."""
VANISHED = "its workers vanished"
SOON = "cross join set_config('synchronous_commit', 'off', true)"
"""Has the transaction committed before it is on the disk, without a statement more."""
_read = json.JSONDecoder().raw_decode  # of what jsonb says, three times as fast as json.loads


class OnDead(Protocol):
    """Told of a job that became a dead letter, in the transaction that made it one."""

    def __call__(
        self,
        connection: Connection,
        *,
        kind: str,
        payload: Mapping[str, Any],
        movie_id: MovieId | None,
        correlation_id: str,
        reason: str,
        error: str,
    ) -> None: ...


JobState = Literal["ready", "running", "done", "dead"]
STATES: tuple[JobState, ...] = ("ready", "running", "done", "dead")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job in work. `attempt` counts from 1; `owner` is the fencing token."""

    job_id: JobId
    owner: UUID
    kind: str
    lane: str
    payload: Mapping[str, Any]
    attempt: int
    movie_id: MovieId | None
    correlation_id: str


def enqueue(
    connection: Connection,
    kind: str,
    *,
    lane: str,
    payload: Mapping[str, Any],
    unique_key: str | None = None,
    movie_id: MovieId | None = None,
    correlation_id: str,
    node: str | None = None,
    delay_s: float = 0.0,
    attempt: int = 0,
    priority: int = 0,
) -> JobId | None:
    """A new ready job; None when one with `unique_key` is ready or running already. `attempt` continues a count."""
    row = connection.execute(
        f"""insert into jobs
               (kind, lane, payload, unique_key, movie_id, correlation_id, node, run_at, attempt, priority)
           values (%(kind)s, %(lane)s, %(payload)s, %(unique_key)s, %(movie_id)s, %(correlation_id)s, %(node)s,
                   now() + make_interval(secs => %(delay_s)s), %(attempt)s, %(priority)s)
           {ONCE} returning id""".encode(),
        {
            "kind": kind,
            "lane": lane,
            "payload": Jsonb(dict(payload)),
            "unique_key": unique_key,
            "movie_id": movie_id,
            "correlation_id": correlation_id,
            "node": node,
            "delay_s": delay_s,
            "attempt": attempt,
            "priority": priority,
        },
    ).fetchone()
    return JobId(row["id"]) if row else None


def claim(
    connection: Connection,
    *,
    node: str,
    owner: UUID,
    slots: Mapping[str, int],
    lease_s: float,
    without: Collection[str] = (),
    suspects: Literal["last", "only", "never"] = "last",
    is_durable: bool = True,
) -> list[Claim]:
    """Take due jobs, best priority and oldest first: at most `slots[lane]` of each lane, none of the kinds `without`.

    Of the jobs that lost their workers twice, one at most is taken and nothing else with it: when no other is due.
    A transaction whose claim is not `is_durable` does not wait for the disk: a server that crashes at once may forget
    it. The jobs are ready again then, and the token, which is never given twice, opens nothing.
    """
    take = partial(_claim, connection, node, owner, slots, lease_s, without, is_durable)
    claims = [] if suspects == "only" else take(f"lost < {SUSPECT_LOST}")
    if claims or suspects == "never":
        return claims
    one, *others = take(f"lost >= {SUSPECT_LOST}") or (None,)
    release(connection, [claim for claim in others if claim is not None])
    return [one] if one is not None else []


def is_suspect_due(connection: Connection, *, lanes: Iterable[str], node: str) -> bool:
    """Whether one of the jobs that are to be claimed alone is due."""
    row = connection.execute(
        f"""select from jobs where state = 'ready' and lost >= {SUSPECT_LOST} and lane = any(%s) and run_at <= now()
               and (node is null or node = %s or node = any((select places from nodes where name = %s)::text[]))
               limit 1""".encode(),
        (list(lanes), node, node),
    ).fetchone()
    return row is not None


def _claim(
    connection: Connection,
    node: str,
    owner: UUID,
    slots: Mapping[str, int],
    lease_s: float,
    without: Collection[str],
    is_durable: bool,
    which: str,
) -> list[Claim]:
    """By the rows' places, which cannot move while they are locked; the best come first, which a few rows do here."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            f"""update jobs set state = 'running', owner = %(owner)s, worker_node = %(node)s,
                   attempt = attempt + 1, started_at = now(), waiting_for = null,
                   lease_until = now() + make_interval(secs => %(lease_s)s)
               where ctid = any(array(
                   select due.ctid
                   from unnest(%(lanes)s::text[], %(slots)s::int[]) as free (lane, slots) {"" if is_durable else SOON}
                   cross join lateral (
                       select ctid from jobs
                       where state = 'ready' and lane = free.lane and run_at <= now() and {which}
                             and (node is null or node = %(node)s
                                  or node = any((select places from nodes where name = %(node)s)::text[]))
                             and case when kind = any(%(without)s) then false else true end
                       order by priority desc, run_at, id
                       limit free.slots
                       for update skip locked
                   ) as due))
               returning -priority, run_at, id, kind, lane, payload::text, attempt,
                         movie_id, correlation_id""".encode(),
            {
                "owner": owner,
                "node": node,
                "lease_s": lease_s,
                "without": list(without),
                "lanes": list(slots.keys()),
                "slots": list(slots.values()),
            },
        )
        rows = sorted(cursor.fetchall())
    return [
        Claim(
            job_id=JobId(job_id),
            owner=owner,
            kind=kind,
            lane=lane,
            payload=_read(payload)[0],
            attempt=attempt,
            movie_id=movie_id,
            correlation_id=correlation_id,
        )
        for _, _, job_id, kind, lane, payload, attempt, movie_id, correlation_id in rows
    ]


def finish(connection: Connection, claim: Claim) -> None:
    """The job is done; what follows in this transaction is its result. Raises Fenced."""
    _end(connection, claim, "state = 'done', ended_at = now(), reason = null", {})


def require(connection: Connection, claim: Claim) -> None:
    """Nobody takes the job from its worker before this transaction, which does not end it, has ended. Raises Fenced."""
    row = connection.execute(
        "select from jobs where id = %s and owner = %s and state = 'running' for share", (claim.job_id, claim.owner)
    ).fetchone()
    if row is None:
        raise Fenced(f"job {claim.job_id} ({claim.kind}) is no longer this worker's")


def put_off(connection: Connection, claim: Claim, *, delay_s: float, waiting_for: str, error: str = "") -> None:
    """Put the job back without spending an attempt, because of a condition named in `waiting_for`. Raises Fenced."""
    _end(
        connection,
        claim,
        """state = 'ready', attempt = attempt - 1, waiting_for = %(waiting_for)s, last_error = %(error)s,
           run_at = now() + make_interval(secs => %(delay_s)s)""",
        {"waiting_for": waiting_for, "error": error, "delay_s": delay_s},
    )


def fail(
    connection: Connection,
    claim: Claim,
    *,
    reason: str,
    error: str,
    policy: RetryPolicy,
    jitter: float,
    is_permanent: bool = False,
    retry_after_s: float | None = None,
) -> JobState:
    """An attempt went wrong: ready again after the delay of the reason's policy, or dead. Returns the new state.

    `retry_after_s` is the delay that the other side asked for. Raises Fenced.
    """
    policy = policy.of(reason)
    is_dead = is_permanent or policy.is_spent(claim.attempt)
    delay_s = policy.delay_s(claim.attempt, jitter=jitter, retry_after_s=retry_after_s)
    _end(
        connection,
        claim,
        "state = 'dead', ended_at = now(), reason = %(reason)s, last_error = %(error)s"
        if is_dead
        else """state = 'ready', reason = %(reason)s, last_error = %(error)s,
                run_at = now() + make_interval(secs => %(delay_s)s)""",
        {"reason": reason, "error": error, "delay_s": delay_s},
    )
    _record_error(connection, claim.job_id, attempt=claim.attempt, reason=reason, error=error)
    return "dead" if is_dead else "ready"


def bury(
    connection: Connection,
    kind: str,
    *,
    lane: str,
    payload: Mapping[str, Any],
    unique_key: str,
    movie_id: MovieId,
    correlation_id: str,
    attempt: int,
    reason: str,
    error: str,
) -> JobId:
    """A dead letter for work whose attempts were spent elsewhere (a download that failed once too often)."""
    row = connection.execute(
        """insert into jobs (kind, lane, payload, unique_key, movie_id, correlation_id, attempt, state, reason,
                             last_error, ended_at)
           values (%s, %s, %s, %s, %s, %s, %s, 'dead', %s, %s, now()) returning id""",
        (kind, lane, Jsonb(dict(payload)), unique_key, movie_id, correlation_id, attempt, reason, error),
    ).fetchone()
    assert row is not None
    job_id = JobId(row["id"])
    _record_error(connection, job_id, attempt=attempt, reason=reason, error=error)
    return job_id


def extend_leases(connection: Connection, claims: Iterable[Claim], *, lease_s: float) -> set[JobId]:
    """Heartbeat for the claims in work; the jobs that are still theirs."""
    held = list(claims)
    rows = connection.execute(
        """update jobs set lease_until = now() + make_interval(secs => %s)
           from unnest(%s::bigint[], %s::uuid[]) as held (id, owner)
           where jobs.id = held.id and jobs.owner = held.owner returning jobs.id""",
        (lease_s, [claim.job_id for claim in held], [claim.owner for claim in held]),
    ).fetchall()
    return {JobId(row["id"]) for row in rows}


def held_by(connection: Connection, node: str) -> list[Claim]:
    """What the node has in work, oldest first."""
    rows = connection.execute(
        f"select {CLAIM_COLUMNS} from jobs where state = 'running' and worker_node = %s order by id".encode(), (node,)
    ).fetchall()
    return [Claim(**row) for row in rows]


def sweep(connection: Connection, *, on_dead: OnDead = lambda connection, **job: None) -> int:
    """Free the jobs whose lease ran out; how many. `on_dead` is told of those that were lost too often."""
    return _lose(connection, "lease_until < now() for update skip locked", {}, on_dead)


def reclaim_node(connection: Connection, node: str, *, on_dead: OnDead = lambda connection, **job: None) -> int:
    """Free what an earlier daemon under this node's name had in work; only the holder of the node's lock may ask.

    A transaction of that daemon may still be ending: it is waited for.
    """
    return _lose(connection, "worker_node = %(node)s for update", {"node": node}, on_dead)


def wake(connection: Connection) -> None:
    """Tell the queues, when this transaction commits, that there may be something to do."""
    connection.execute("select pg_notify('jobs', '')")


def wake_waiting(connection: Connection, conditions: Iterable[str], *, later_than_s: float = 0.0) -> int:
    """Make jobs due that wait for conditions which have cleared; those due within `later_than_s` stay as they are."""
    return connection.execute(
        """update jobs set run_at = now() where state = 'ready' and waiting_for = any(%s)
               and run_at > now() + make_interval(secs => %s)""",
        (list(conditions), later_than_s),
    ).rowcount


def release(connection: Connection, claims: Iterable[Claim]) -> None:
    """Give claims back unworked, counting nothing: an orderly stop, or a commit whose answer was lost."""
    held = list(claims)
    connection.execute(
        """update jobs set state = 'ready', attempt = attempt - 1, owner = null, worker_node = null, lease_until = null
           from unnest(%s::bigint[], %s::uuid[]) as held (id, owner)
           where jobs.id = held.id and jobs.owner = held.owner and jobs.state = 'running'""",
        ([claim.job_id for claim in held], [claim.owner for claim in held]),
    )


def seconds_to_next(
    connection: Connection, lanes: Iterable[str], *, node: str | None = None, without: Collection[str] = ()
) -> float | None:
    """Until the next ready job of `lanes` is due for `node` (None: any), 0 if one is; None when none waits.

    Kinds `without` and jobs that are to be claimed alone do not count.
    """
    row = connection.execute(
        """select extract(epoch from min(run_at) - now())::float8 as s from jobs
           where state = 'ready' and lane = any(%s) and lost < 2 and kind <> all(%s)
               and (node is null or node = coalesce(%s, node)
                    or node = any((select places from nodes where name = %s)::text[]))""",
        (list(lanes), list(without), node, node),
    ).fetchone()
    return max(0.0, float(row["s"])) if row and row["s"] is not None else None


def _end(connection: Connection, claim: Claim, change: str, values: Mapping[str, Any]) -> None:
    cursor = connection.execute(
        f"""update jobs set {change}, owner = null, worker_node = null, lease_until = null
            where id = %(job_id)s and owner = %(owner)s and state = 'running'""".encode(),
        {**values, "job_id": claim.job_id, "owner": claim.owner},
    )
    if cursor.rowcount != 1:
        raise Fenced(f"job {claim.job_id} ({claim.kind}) is no longer this worker's")


def _lose(connection: Connection, which: str, values: Mapping[str, Any], on_dead: OnDead) -> int:
    """Free running jobs; one that lost its workers too often is dead."""
    rows = connection.execute(
        f"""with found as (
                select id, worker_node, attempt from jobs where state = 'running' and {which}
            ), noted as (
                insert into job_errors (job_id, attempt, reason, error)
                select id, attempt, 'lost', 'its worker on ' || coalesce(worker_node, '?') || ' vanished' from found
            )
            update jobs set
                state = case when lost + 1 >= {MAX_LOST} then 'dead' else 'ready' end,
                ended_at = case when lost + 1 >= {MAX_LOST} then now() end,
                reason = case when lost + 1 >= {MAX_LOST} then %(poison)s else reason end,
                last_error = case when lost + 1 >= {MAX_LOST} then %(vanished)s else last_error end,
                lost = lost + 1, attempt = greatest(0, attempt - 1),
                owner = null, worker_node = null, lease_until = null
            where id = any(array(select id from found))
            returning state, kind, payload, movie_id, correlation_id""".encode(),
        {**values, "poison": POISON, "vanished": VANISHED},
    ).fetchall()
    for row in rows:
        if row.pop("state") == "dead":
            on_dead(connection, **row, reason=POISON, error=VANISHED)
    return len(rows)


def _record_error(connection: Connection, job_id: JobId, *, attempt: int, reason: str, error: str) -> None:
    connection.execute(
        "insert into job_errors (job_id, attempt, reason, error) values (%s, %s, %s, %s)",
        (job_id, attempt, reason, error[:4000]),
    )
