"""The Queue: claims due jobs for the workers that are free, keeps their leases, and frees what was lost.

It also prepares the database, since nothing can be claimed before: the schema, the node's name, and what an earlier
daemon of this node left in work. While the database is away it does nothing but try again; workers go on with what they
have in hand, and their jobs' rows tell the truth afterwards.

A job that waits for a dependency is due as soon as that may be called again; one that nobody here can do is a dead
letter at once.
"""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import assert_never

from actors.address import Address
from actors.base import EXIT_IN_USE, Fatal, Supervised
from actors.breaker import Breaker, BreakerOpen, Outage
from actors.messages import QueueInbox, Tick, WakeUp, Work, WorkCrashed, WorkEnded, WorkReturned
from actors.quarantine import Quarantine, Turn
from actors.ticker import Ticker
from actors.waker import Waker
from actors.worker import OUTAGE_WAIT_S
from metrics import logs
from metrics.catalogue import OTHER, Catalogue
from movies.events import DaemonStarted
from movies.failure import CRASH, TAXONOMY, RetryPolicy
from movies.job import KINDS, Unfit, require_fit
from movies.movie import JobId
from storage import dead_letters, events, job_list, jobs, queue_clock
from storage.database import Connection, Database
from storage.dead_letters import job_died
from storage.errors import DatabaseUnavailable, Fenced, NodeTaken, SchemaTooNew
from storage.jobs import Claim
from storage.listener import Listener

LEASE_S = 30.0
HEARTBEAT_S = 5.0
POLL_S = 5.0
UNREACHABLE_S = 0.5
STARTING_S = 0.02
BEGIN_LIMIT_S = 60.0
"""The wanted list may be long."""


class Lane:
    """Who does the jobs of one lane, and the breaker of what they depend on (None: nothing outside).

    `slots`: so many of its jobs may be in work at once. `conditions`: what else jobs wait for that clears with it.
    """

    def __init__(
        self, address: Address, breaker: Breaker | None = None, *, slots: int = 1, conditions: Collection[str] = ()
    ) -> None:
        self.address = address
        self.breaker = breaker
        self.slots = slots
        self.conditions = conditions

    def is_claimable(self) -> bool:
        """Whether its jobs may be claimed now."""
        return self.breaker is None or self.breaker.would_permit()


class Queue(Supervised):
    """`on_ready(connection)` runs once, in a transaction, when the database is prepared: it brings the wants in.

    `limits`: so many jobs of a kind may be in work at once, whatever their lanes.
    """

    def __init__(
        self,
        address: Address,
        *,
        database: Database,
        breaker: Breaker,
        lanes: Mapping[str, Lane],
        node: str,
        metrics: Catalogue,
        policy: RetryPolicy,
        on_ready: Callable[[Connection], None],
        has_begun: threading.Event,
        limits: Mapping[str, int] | None = None,
        lease_s: float = LEASE_S,
        is_database_starting: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float],
    ) -> None:
        super().__init__(address)
        self._database, self._breaker, self._lanes = database, breaker, lanes
        self._node, self._metrics, self._policy, self._on_ready = node, metrics, policy, on_ready
        self._is_database_starting, self._has_begun = is_database_starting, has_begun
        self._clock, self._chance = clock, chance
        self._log = logs.logger(address.name)
        self._limits = limits or {}
        self._lease_s, self._heartbeat_s = lease_s, min(HEARTBEAT_S, lease_s / 6)
        self._working: dict[JobId, Claim] = {}
        self._returned: list[Claim] = []
        self._is_prepared = False
        self._next_heartbeat = 0.0
        self._ticker = Ticker(address, clock=clock)
        self._quarantine, self._is_suspect_due = Quarantine(clock=clock), False
        self._permitted: frozenset[str] = frozenset()
        self._waker = Waker(address)
        self.last_cycle_at: float | None = None
        self._listener = Listener(database, "jobs", on_notify=lambda channel: self._waker.wake())

    @property
    def is_active(self) -> bool:
        """Whether it is claiming: the database is prepared and answered a cycle within the last polls."""
        last = self.last_cycle_at
        return self._is_prepared and last is not None and self._clock() - last < 3 * POLL_S

    def init(self) -> None:
        self._metrics.watch_failures(TAXONOMY)
        self._listener.start()
        self._ticker.set(0.0)

    def cleanup(self, reason: BaseException | None) -> None:
        self._listener.stop()
        if reason is None and self._working and self._is_prepared:
            with suppress(DatabaseUnavailable), self._database.transaction(limit_s=1.0) as connection:
                jobs.release(connection, self._working.values())

    def handle(self, message: QueueInbox) -> None:
        match message:
            case Tick():
                self._tick()
            case WakeUp():
                self._waker.seen()
                self._ticker.set(self._cycle())
            case WorkEnded():
                self._no_longer_working(message.claim)
                self._waker.wake()
            case WorkReturned():
                self._no_longer_working(message.claim)
                self._returned.append(message.claim)
                self._ticker.set(UNREACHABLE_S)
            case WorkCrashed():
                self._crashed(message)
            case _:
                assert_never(message)

    def _no_longer_working(self, claim: Claim) -> bool:
        """False if it was not this claim of the job that is in work: its worker may have been given up long ago."""
        if self._working.get(claim.job_id) != claim:
            return False
        del self._working[claim.job_id]
        return True

    def _tick(self) -> None:
        if self._ticker.is_due():
            self._ticker.set(self._cycle())

    def _cycle(self) -> float:
        """Do all that is due; returns the seconds until the next look."""
        if self._is_database_starting():
            return STARTING_S
        try:
            with self._breaker.call():
                try:
                    return self._work_through()
                except DatabaseUnavailable as error:
                    raise Outage(str(error)) from error
        except Outage:
            return UNREACHABLE_S
        except BreakerOpen as error:
            return min(error.retry_in_s, POLL_S)

    def _work_through(self) -> float:
        if not self._is_prepared:
            self._prepare()
        now = self._clock()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + self._heartbeat_s
            self._keep_house()
        turn = self._quarantine.turn(is_due=self._is_suspect_due, working=self._working)
        claims = self._claim(turn)
        for claim in claims:
            self._dispatch(claim)
        if claims and turn is Turn.SUSPECT:
            self._quarantine.began(claims[0].job_id)
        wait_s = self._look_ahead(turn, has_claimed=bool(claims))
        self.last_cycle_at = self._clock()
        return wait_s

    def _prepare(self) -> None:
        try:
            applied = self._database.prepare(node=self._node)
        except (NodeTaken, SchemaTooNew) as error:
            raise Fatal(str(error), exit_code=EXIT_IN_USE) from error
        for name in applied:
            self._log.info("the database was migrated", migration=name)
        if self._has_begun.is_set():
            self._resume()
        else:
            self._begin()
        self._is_prepared = True

    def _begin(self) -> None:
        """The daemon's start: what this node had in work was in work of a daemon that is gone."""
        with self._database.transaction(limit_s=BEGIN_LIMIT_S) as connection:
            lost = jobs.reclaim_node(connection, self._node, on_dead=job_died)
            self._on_ready(connection)
            events.emit(connection, DaemonStarted(node=self._node))
        self._has_begun.set()
        self._log.info("the queue is active", node=self._node, jobs_found_in_work=lost)

    def _resume(self) -> None:
        """After a crash of ours: workers go on with what they have. A job told twice is done once, by its token."""
        with self._database.transaction() as connection:
            held = jobs.held_by(connection, self._node)
        for claim in held:
            self._dispatch(claim)
        self._log.info("the queue is active again", node=self._node, jobs_in_work=len(held))

    def _dispatch(self, claim: Claim) -> None:
        self._working[claim.job_id] = claim
        address = self._lanes[claim.lane].address
        address.tell(Work(claim=claim), urgent=True, correlation_id=claim.correlation_id)

    def _keep_house(self) -> None:
        if not self._database.holds_node():
            self._database.prepare(node=self._node)
        with self._database.transaction() as connection:
            held = jobs.extend_leases(connection, self._working.values(), lease_s=self._lease_s)
            jobs.release(connection, self._returned)
            back_s = queue_clock.keep(connection, lease_s=self._lease_s)
            swept = jobs.sweep(connection, on_dead=job_died)
            jobs.wake_waiting(connection, self._cleared(self._permitted), later_than_s=OUTAGE_WAIT_S)
            self._look_for_suspects(connection)
            self._metrics.count_dead_letters(dead_letters.count_by_cause(connection))
            for state, number in job_list.counts(connection).items():
                self._metrics.jobs.labels(state=state).set(number)
        self._returned.clear()
        self._working = {job_id: claim for job_id, claim in self._working.items() if job_id in held}
        if back_s:
            self._log.warning("the database's clock went back: jobs and leases follow", duration_s=round(back_s, 1))
        if swept:
            self._log.warning("jobs were freed: their leases ran out", jobs=swept)

    def _claim(self, turn: Turn) -> list[Claim]:
        """What is to be told to workers now; nothing else, for they wait for it."""
        free = self._free_slots() if turn is not Turn.NOBODY else {}
        permitted = frozenset(name for name, lane in self._lanes.items() if lane.breaker and lane.is_claimable())
        opened = permitted - self._permitted
        with self._database.transaction() as connection:
            if self._returned:
                jobs.release(connection, self._returned)
            if opened:
                jobs.wake_waiting(connection, self._cleared(opened))
            claims = self._take(connection, free, is_suspect=turn is Turn.SUSPECT)
        self._returned.clear()
        self._permitted = permitted
        return claims

    def _look_ahead(self, turn: Turn, *, has_claimed: bool) -> float:
        """The seconds until the next look."""
        if turn is Turn.SUSPECT:
            with self._database.transaction() as connection:
                self._look_for_suspects(connection)
            if self._is_suspect_due and not has_claimed:
                self._quarantine.missed()
            return 0.0
        idle = self._free_slots() if turn is not Turn.NOBODY else {}
        due_in_s = None
        if idle:
            with self._database.transaction() as connection:
                due_in_s = jobs.seconds_to_next(connection, idle, node=self._node, without=self._full_kinds())
        return self._next_look_s(due_in_s)

    def _look_for_suspects(self, connection: Connection) -> None:
        lanes = [name for name, lane in self._lanes.items() if lane.is_claimable()]
        self._is_suspect_due = jobs.is_suspect_due(connection, lanes=lanes, node=self._node)

    def _free_slots(self) -> dict[str, int]:
        busy = Counter(claim.lane for claim in self._working.values())
        free = {name: lane.slots - busy[name] for name, lane in self._lanes.items() if lane.is_claimable()}
        return {name: slots for name, slots in free.items() if slots > 0}

    def _full_kinds(self, claims: Iterable[Claim] = ()) -> list[str]:
        """The kinds of which as many are in work as may be, with `claims`."""
        working = Counter(claim.kind for claim in (*self._working.values(), *claims))
        return [kind for kind, limit in self._limits.items() if working[kind] >= limit]

    def _take(self, connection: Connection, free: Mapping[str, int], *, is_suspect: bool) -> list[Claim]:
        """Claim for the free places; what is too many of its kind goes back, what nobody can do is a dead letter."""
        if not free:
            return []
        claims = jobs.claim(
            connection,
            node=self._node,
            owner=uuid.uuid4(),
            slots=free,
            lease_s=self._lease_s,
            without=self._full_kinds(),
            suspects="only" if is_suspect else "never",
            is_durable=False,
        )
        kept: list[Claim] = []
        for claim in claims:
            if claim.kind in self._full_kinds(kept):
                jobs.release(connection, [claim])
            elif self._is_fit(connection, claim):
                kept.append(claim)
        return kept

    def _is_fit(self, connection: Connection, claim: Claim) -> bool:
        """Whether this program can do the job; if not it has become a dead letter."""
        try:
            require_fit(claim.kind, claim.payload)
        except Unfit as error:
            dead_letters.fail(
                connection,
                claim,
                reason=error.reason,
                error=str(error),
                policy=self._policy,
                jitter=0.0,
                is_permanent=True,
            )
            kind = claim.kind if claim.kind in KINDS else OTHER
            self._metrics.jobs_ended.labels(kind=kind, outcome="dead").inc()
            self._log.error("a job that nobody can do", kind=claim.kind, job_id=claim.job_id, reason=str(error))
            return False
        return True

    def _cleared(self, lanes: Iterable[str]) -> list[str]:
        """The conditions that have cleared when these lanes may be claimed."""
        return [condition for name in lanes for condition in (name, *self._lanes[name].conditions)]

    def _next_look_s(self, due_in_s: float | None) -> float:
        waits = [POLL_S] + ([max(0.02, due_in_s)] if due_in_s is not None else [])
        shut = [lane.breaker for lane in self._lanes.values() if lane.breaker is not None and not lane.is_claimable()]
        waits += [breaker.retry_in_s() for breaker in shut if breaker.retry_in_s() > 0]  # a probe's end wakes us
        waits += [held_s] if (held_s := self._quarantine.wait_s()) > 0 else []
        return min(waits)

    def _crashed(self, message: WorkCrashed) -> None:
        """A worker's bug spends an attempt of the job, at once and not when the lease runs out."""
        claim = message.claim
        if not self._no_longer_working(claim):
            return
        try:
            with self._database.transaction() as connection:
                state = dead_letters.fail(
                    connection,
                    claim,
                    reason=CRASH,
                    error=message.error,
                    policy=self._policy,
                    jitter=self._chance(),
                )
        except DatabaseUnavailable:
            self._returned.append(claim)
        except Fenced:
            return
        else:
            self._metrics.jobs_ended.labels(kind=claim.kind, outcome="dead" if state == "dead" else "retried").inc()
        self._waker.wake()
