"""Starts, watches, restarts and stops actors: the supervision tree.

A child that crashes is started again under the same address, after a back-off that grows while it keeps crashing. More
restarts than `intensity` within `period_s` end the supervisor itself: a group is then parked by its parent and tried
again later, while the root ends the process. An outage of a dependency is no crash: that is what breakers are for.
"""

import random
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

from actors.base import Address, Fatal, Supervised
from actors.messages import Exited, RestartDue, SupervisorInbox, Tick
from metrics import logs

CHECK_EVERY_S = 2.0
PARK_S = (60.0, 300.0, 900.0)


class Escalated(Exception):
    """A supervisor's children crashed more often than it tolerates."""


class FailedToStart(Exception):
    """A child's first start failed, and with it the supervisor's."""


class Hung(Exception):
    """A handler overran its child's deadline; the note holds its stack."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """One line of the tree: what to start under which name, and how it is kept alive.

    `deadline_s` bounds one message (None: unbounded); `shutdown_s` bounds its stop; the restart delay is
    min(max_backoff_s, min_backoff_s * 2^n), up to 20 % more; n starts again after `stable_after_s` without a crash.
    """

    name: str
    actor: type[Supervised]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    deadline_s: float | None = 30.0
    shutdown_s: float = 2.0
    start_timeout_s: float = 10.0
    capacity: int = 1000
    min_backoff_s: float = 0.05
    max_backoff_s: float = 30.0
    stable_after_s: float = 60.0
    is_parked_on_escalation: bool = False

    def __post_init__(self) -> None:
        times = (self.deadline_s or 0, self.shutdown_s, self.start_timeout_s, self.min_backoff_s, self.stable_after_s)
        if any(time_s < 0 for time_s in times) or self.max_backoff_s < self.min_backoff_s or self.capacity < 1:
            raise ValueError(f"child {self.name}: times must not be negative, and it needs a mailbox")


@dataclass
class Running:
    """What a supervisor knows of one child now."""

    address: Address
    actor: Supervised | None = None
    crashes: int = -1
    restarts: int = 0
    parked_until: float | None = None
    is_over: bool = False  # ended, and not to be restarted
    last_error: str = ""
    displaced: list[Supervised] = field(default_factory=list)

    @property
    def zombies(self) -> int:
        """Incarnations that were given up and whose threads still hang; any thread may ask."""
        return sum(not actor.gone.is_set() for actor in self.displaced)

    def displace(self, actor: Supervised) -> None:
        """See that `actor` reads nothing more; if it lives, it is told to stop, and watched."""
        self.address.fence(actor.inbox.incarnation)
        if actor.thread_id is not None and not actor.gone.is_set() and actor not in self.displaced:
            self.displaced = [*(other for other in self.displaced if not other.gone.is_set()), actor]
            actor.actor_ref.stop(block=False)
            actor.interrupt()


class Supervisor(Supervised):
    """Keeps `children` alive, one for one. `on_exit` hears of every child that ended, `on_restart` of every restart."""

    def __init__(
        self,
        address: Address,
        *,
        children: Sequence[Child],
        addresses: Mapping[str, Address],
        intensity: int = 5,
        period_s: float = 30.0,
        on_exit: Callable[[Exited], None] = lambda report: None,
        on_restart: Callable[[str], None] = lambda name: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(address)
        names = [child.name for child in children]
        if len(names) != len(set(names)):
            raise ValueError(f"{address.name}: a child's name is given twice in {names}")
        self.children = {child.name: child for child in children}
        self.running = {name: Running(addresses[name]) for name in names}
        self._intensity, self._period_s = intensity, period_s
        self._on_exit, self._on_restart = on_exit, on_restart
        self._clock, self._chance = clock, chance
        self._recent: deque[float] = deque()
        self._log = logs.logger(address.name)
        for running in self.running.values():
            running.address.parent = address

    def init(self) -> None:
        for name in self.children:
            try:
                self._start(name)
            except Exception as error:
                self._stop_children()
                raise FailedToStart(f"{name} could not start: {error}") from error
        self.address.tell_after(CHECK_EVERY_S, Tick())

    def handle(self, message: SupervisorInbox) -> None:
        match message:
            case Exited():
                if message.incarnation == self.running[message.child].address.incarnation:
                    self._ended(message)
            case RestartDue():
                running = self.running[message.child]
                if running.actor is None and message.incarnation == running.address.incarnation:
                    self._restart(message.child)
            case Tick():
                self._check_deadlines()
                self.address.tell_after(CHECK_EVERY_S, Tick())
            case _:
                assert_never(message)

    def cleanup(self, reason: BaseException | None) -> None:
        self._stop_children()

    def interrupt(self) -> None:
        for running in self.running.values():
            if running.actor is not None:
                running.actor.interrupt()

    def describe(self) -> list[dict[str, Any]]:
        """The children as plain facts, for people; may be called from any thread."""
        return [self._describe_child(name, running) for name, running in self.running.items()]

    def _describe_child(self, name: str, running: Running) -> dict[str, Any]:
        actor, now = running.actor, time.monotonic()
        since = actor.inbox.since if actor is not None else None
        waits = "parked" if running.parked_until else "ended" if running.is_over else "restarting"
        state = "running" if actor is not None else waits
        return {
            "name": name,
            "state": state,
            "incarnation": running.address.incarnation,
            "restarts": running.restarts,
            "inbox": running.address.depth,
            "message_age_s": round(now - since, 3) if since is not None else None,
            "zombies": running.zombies,
            "last_error": running.last_error,
            "children": actor.describe() if isinstance(actor, Supervisor) else [],
        }

    def _start(self, name: str) -> None:
        child, running = self.children[name], self.running[name]
        if running.address.actor is not None:
            running.displace(running.address.actor)  # it may be left from a supervisor that hung
        child.actor.start(running.address, **child.arguments)
        actor = running.address.actor
        assert actor is not None
        running.actor, running.parked_until = actor, None
        try:
            actor.ready.get(timeout=child.start_timeout_s)
        except BaseException:
            running.actor = None
            running.displace(actor)
            raise

    def _ended(self, report: Exited) -> None:
        name = report.child
        child, running = self.children[name], self.running[name]
        lived_s = self._clock() - running.actor.born if running.actor else 0.0
        running.actor = None
        running.address.fence(report.incarnation)
        if isinstance(report.reason, Fatal):
            raise report.reason
        if report.reason is not None:
            running.last_error = f"{type(report.reason).__name__}: {report.reason}"
            self._log.error(
                "an actor crashed",
                child=name,
                incarnation=report.incarnation,
                reason=running.last_error,
                message_type=type(report.message).__name__,
                correlation_id=report.correlation_id,
                stack="".join(traceback.format_exception(report.reason)),
            )
        self._on_exit(report)
        if child.restart == "temporary" or (child.restart == "transient" and report.reason is None):
            running.is_over = True
            return
        running.crashes = 0 if lived_s > child.stable_after_s else running.crashes + 1
        if child.is_parked_on_escalation and isinstance(report.reason, Escalated | FailedToStart):
            self._park(name)
            return
        delay_s = min(child.max_backoff_s, child.min_backoff_s * 2 ** min(running.crashes, 60))
        self._restart_in(name, delay_s * (1 + 0.2 * self._chance()))

    def _park(self, name: str) -> None:
        running = self.running[name]
        delay_s = PARK_S[min(running.crashes, len(PARK_S) - 1)]
        running.parked_until = self._clock() + delay_s
        self._log.error("a group is parked: it crashed too often", child=name, tried_again_in_s=delay_s)
        self._restart_in(name, delay_s)

    def _restart_in(self, name: str, delay_s: float) -> None:
        due = RestartDue(child=name, incarnation=self.running[name].address.incarnation)
        self.address.tell_after(delay_s, due)

    def _restart(self, name: str) -> None:
        running = self.running[name]
        if not running.parked_until:
            self._count_restart(name)
        running.restarts += 1
        self._on_restart(name)
        incarnation = running.address.incarnation
        try:
            self._start(name)
        except Exception as error:  # noqa: BLE001  # whatever it was, a failed start is one more restart
            self._ended(Exited(child=name, incarnation=incarnation, reason=error, message=None, correlation_id=""))
            return
        self._log.warning("an actor was restarted", child=name, incarnation=running.address.incarnation)

    def _count_restart(self, name: str) -> None:
        now = self._clock()
        self._recent.append(now)
        while self._recent[0] < now - self._period_s:
            self._recent.popleft()
        if len(self._recent) > self._intensity:
            raise Escalated(f"{name}: more than {self._intensity} restarts in {self._period_s:.0f} s")

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        for name, child in self.children.items():
            actor = self.running[name].actor
            since = actor.inbox.since if actor is not None else None
            if actor is None or child.deadline_s is None or since is None or now - since <= child.deadline_s:
                continue
            letter = actor.inbox.current
            hung = Hung(f"{name} has been at one message for more than {child.deadline_s} s")
            frame = sys._current_frames().get(actor.thread_id or 0)
            hung.add_note("".join(traceback.format_stack(frame)))
            self.running[name].displace(actor)
            self._ended(
                Exited(
                    child=name,
                    incarnation=actor.inbox.incarnation,
                    reason=hung,
                    message=letter.message if letter else None,
                    correlation_id=letter.correlation_id if letter else "",
                )
            )

    def _stop_children(self) -> None:
        """In reverse order, each within its `shutdown_s`; one that does not end is fenced and left behind."""
        for name in reversed(self.children):
            running = self.running[name]
            actor, running.actor = running.actor, None
            if actor is None:
                continue
            actor.actor_ref.stop(block=False)
            actor.interrupt()
            if not actor.gone.wait(self.children[name].shutdown_s):
                self._log.warning("an actor did not stop in time", child=name)
            running.displace(actor)


def start_root(supervisor: type[Supervisor], arguments: Mapping[str, Any], *, timeout_s: float = 30.0) -> Supervisor:
    """Start the top of a tree; returns when all its children have started. Raises what kept one from it."""
    address = Address("root")
    supervisor.start(address, **arguments)
    actor = address.actor
    assert isinstance(actor, Supervisor)
    actor.ready.get(timeout=timeout_s)
    return actor


def stop_root(root: Supervisor, *, timeout_s: float) -> bool:
    """Stop a tree; False when it took longer than `timeout_s`."""
    threading.Thread(target=root.actor_ref.stop, kwargs={"block": False}, daemon=True).start()
    return root.gone.wait(timeout_s)
