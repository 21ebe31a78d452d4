"""Starts, watches, restarts and stops actors: the supervision tree, with the semantics of Erlang/OTP.

What differs on purpose: a crashed child's mailbox survives it, restarts wait for a back-off, a child that cannot be
killed is fenced and left behind, and a group that crashes too often can be parked: stopped, and tried again later. An
outage of a dependency is no crash: that is what breakers are for.
"""

import itertools
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never

import pykka

from actors.address import Address
from actors.base import EXIT_ZOMBIES, Fatal, Ignore, Shutdown, Supervised
from actors.child import (
    Child,
    ChildError,
    ChildRequest,
    DeleteChild,
    DidNotStart,
    Policy,
    RestartChild,
    StartChild,
    SupervisorInbox,
    TerminateChild,
    check_request,
)
from actors.dead_letters import Lost
from actors.exits import (
    Abandoned,
    AutoShutdown,
    Escalated,
    ExitReport,
    FailedToStart,
    Hooks,
    Hung,
    attempt,
    give_up,
    tell_to_stop,
)
from actors.messages import Exited, RestartDue, Tick
from actors.restarts import Intensity
from actors.running import Running, State
from metrics import logs

PARK_S = (60.0, 300.0, 900.0)
TICKETS = itertools.count(1)
"""Never the same twice: what an earlier incarnation of a supervisor had due is none of its successor's business."""


class Supervisor(Supervised):
    """Keeps `children` alive as `policy` says. Children without an entry in `addresses` get an address of their own."""

    KIND = "supervisor"

    def __init__(
        self,
        address: Address,
        *,
        children: Sequence[Child],
        addresses: Mapping[str, Address] | None = None,
        policy: Policy | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        super().__init__(address)
        self.policy, self._hooks = policy or Policy(), hooks or Hooks()
        self.policy.check(children)
        self._intensity = self._new_intensity()
        self._clock = address.clock
        self._log = logs.logger(address.name)
        self.running = {child.name: self._known(child, (addresses or {}).get(child.name)) for child in children}

    def init(self) -> None:
        for running in list(self.running.values()):
            try:
                self._start(running)
            except Exception as error:
                self._halt(self.running.values())
                if isinstance(error, Fatal):
                    raise
                self._log.error("a child could not start", child=running.child.name, exc_info=error)
                raise FailedToStart(f"{running.child.name} could not start: {error!r}") from error
        self.address.tell_after(self.policy.check_every_s, Tick())

    def handle(self, message: SupervisorInbox) -> object:
        match message:
            case Exited():
                self._exited(message)
            case RestartDue():
                self._restart_due(message)
            case Tick():
                self._check_deadlines()
                self.address.tell_after(self.policy.check_every_s, Tick())
            case StartChild() | TerminateChild() | RestartChild() | DeleteChild():
                try:
                    return self._change(message)
                except ChildError as error:
                    return error
            case _:
                assert_never(message)
        return None

    def cleanup(self, reason: BaseException | None) -> None:
        self._halt(self.running.values())
        for running in self.running.values():
            if running.is_dynamic:
                self._close(running)

    def interrupt(self) -> None:
        for running in list(self.running.values()):
            if running.actor is not None:
                attempt(running.actor.interrupt)

    def describe(self) -> list[dict[str, Any]]:
        """The children as plain facts, for people; may be called from any thread."""
        return [running.describe(self._hooks.zombies) for running in list(self.running.values())]

    def count_children(self) -> dict[str, int]:
        """How many are specified and how many live; of which kind."""
        children = list(self.running.values())
        supervisors = sum(issubclass(running.child.actor, Supervisor) for running in children)
        return {
            "specs": len(children),
            "active": sum(running.actor is not None for running in children),
            "supervisors": supervisors,
            "workers": len(children) - supervisors,
        }

    def _known(self, child: Child, address: Address | None = None, *, is_dynamic: bool = False) -> Running:
        if address is None:
            address = Address(child.name, clock=self.address.clock, dead_letters=self.address.dead_letters)
        address.parent, address.mailbox = self.address, child.mailbox
        intensity = self._new_intensity() if child.is_parked_on_escalation else None
        return Running(child, address, is_dynamic, intensity=intensity)

    def _new_intensity(self) -> Intensity:
        return Intensity(self.policy.intensity, self.policy.period_s)

    def _start(self, running: Running) -> None:
        """Returns when the child's `init` has; raises what that raised."""
        child, address = running.child, running.address
        self._check_present()
        if isinstance(address.actor, Supervised) and not address.actor.inbox.is_fenced:
            self._displace(address.actor)  # it may be left from a supervisor that hung
        address.reopen()
        child.actor.start(address, **child.arguments)
        actor = address.actor
        self._check_present()  # else this may be the successor's actor already
        assert isinstance(actor, Supervised)
        running.actor, running.state, running.ticket = actor, "running", None
        try:
            actor.ready.get(timeout=child.start_timeout_s)
        except BaseException as error:
            running.actor, running.state = None, "stopped"
            self._displace(actor)
            if not isinstance(error, Ignore):
                raise
            self._close(running)

    def _check_present(self) -> None:
        """Raises Abandoned in a supervisor that was given up: from where it hung it must not meddle any more."""
        if self.inbox.is_fenced:
            raise Abandoned(f"{self.address.name} was given up, and leaves the children to its successor")

    def _displace(self, actor: Supervised) -> None:
        """See that `actor` reads nothing more; if it lives it is told to stop, and counted until it does."""
        actor.address.fence(actor.inbox.incarnation)
        if actor.gone.is_set():
            return
        if actor.thread_id is not None:
            self._hooks.zombies.add(actor)
        else:
            pykka.ActorRegistry.unregister(actor.actor_ref)  # its thread could not be started
        tell_to_stop(actor)

    def _close(self, running: Running) -> None:
        """Nobody will read its address any more; if it was a supervisor, nor those below."""
        running.address.close()
        if isinstance(running.address.actor, Supervisor):
            for below in list(running.address.actor.running.values()):
                self._close(below)

    def _exited(self, message: Exited) -> None:
        running = self.running.get(message.child)
        actor = running.actor if running is not None else None
        if running is None or actor is None or actor.inbox.incarnation != message.incarnation:
            return  # a report from an earlier incarnation
        if actor.gone.is_set():  # else it is of an earlier child of that name, whose address was another
            self._ended(running, message)

    def _ended(self, running: Running, message: Exited) -> None:
        """The child's incarnation ended by itself, or hung and was displaced."""
        child, actor, reason = running.child, running.actor, message.reason
        running.actor, running.state = None, "stopped"
        running.address.fence(message.incarnation)
        self._report(running, message)
        if isinstance(reason, Fatal):
            raise reason
        self._check_present()
        is_orderly = reason is None or isinstance(reason, Shutdown)
        if child.restart == "temporary" or (child.restart == "transient" and is_orderly):
            self._over(running)
            return
        if actor is not None and self._clock() - actor.born > child.backoff.stable_after_s:
            running.crashes = 0
        self._bring_back(running, reason)

    def _over(self, running: Running) -> None:
        """It ended by itself and is not started again, which may end this supervisor too."""
        child = running.child
        self._close(running)
        if child.restart == "temporary":
            del self.running[child.name]
        others = [other for other in self.running.values() if other.child.is_significant and other.state != "stopped"]
        if child.is_significant and (self.policy.auto_shutdown == "any_significant" or not others):
            raise AutoShutdown(f"{child.name} has ended, which was significant")

    def _bring_back(self, running: Running, reason: BaseException | None) -> None:
        """Have it and its group started again after its back-off, unless that is one restart too many."""
        name, backoff = running.child.name, running.child.backoff
        running.crashes += 1
        if running.intensity is not None:
            is_too_often = running.intensity.is_exceeded(self._clock())
            if is_too_often or isinstance(reason, Escalated | FailedToStart):
                self._park(running, reason)
                return
        elif self._intensity.is_exceeded(self._clock()):
            often = f"more than {self.policy.intensity} restarts in {self.policy.period_s:.0f} s"
            raise Escalated(f"{self.address.name}: {often}, the last of {name}") from reason
        if backoff.max_restarts is not None and running.crashes > backoff.max_restarts:
            raise Escalated(f"{name}: more than {backoff.max_restarts} restarts without a stable time") from reason
        group = self._group(running)
        self._halt(group)
        for bystander in [other for other in group if other.child.restart == "temporary"]:
            self._close(bystander)
            del self.running[bystander.child.name]
        self._restart_in(backoff.delay_s(running.crashes - 1, chance=self._hooks.chance()), group, "restarting")

    def _group(self, running: Running) -> list[Running]:
        """Who is restarted together with it, itself included, in their order."""
        everyone = list(self.running.values())
        match self.policy.strategy:
            case "one_for_one":
                return [running]
            case "one_for_all":
                return everyone
            case "rest_for_one":
                return everyone[everyone.index(running) :]
            case _:
                assert_never(self.policy.strategy)

    def _park(self, running: Running, reason: BaseException | None) -> None:
        delay_s, address = PARK_S[min(running.crashes, len(PARK_S)) - 1], running.address
        address.last_error = f"{reason}, by {reason.__cause__!r}" if reason and reason.__cause__ else str(reason)
        text = "a group is parked: it crashed too often"
        self._log.error(text, child=address.name, reason=address.last_error, tried_again_in_s=delay_s)
        self._restart_in(delay_s, [running], "parked")

    def _restart_in(self, delay_s: float, group: Sequence[Running], state: State) -> None:
        """Those of one ticket are started together, but who was stopped or given another ticket meanwhile."""
        ticket = next(TICKETS)
        for running in group:
            running.state, running.ticket = state, ticket
        self.address.tell_after(delay_s, RestartDue(child=group[0].child.name, ticket=ticket))

    def _restart_due(self, message: RestartDue) -> None:
        for running in [running for running in self.running.values() if running.ticket == message.ticket]:
            name, incarnation = running.child.name, running.address.incarnation
            running.address.restarts += 1
            attempt(self._hooks.on_restart, name)
            try:
                self._start(running)
            except (Fatal, Abandoned):
                raise
            except Exception as error:  # noqa: BLE001  # whatever it was, a failed start is one more restart
                self._report(running, Exited(child=name, incarnation=incarnation, reason=error))
                self._bring_back(running, error)
                if running.state != "parked":
                    return
            if running.actor is not None:
                self._log.warning("an actor was restarted", child=name, incarnation=incarnation)

    def _check_deadlines(self) -> None:
        for running in list(self.running.values()):
            actor, limit_s = running.actor, running.child.deadline_s
            since = actor.inbox.silent_since if actor is not None else None
            if actor is None or limit_s is None or since is None or self._clock() - since <= limit_s:
                continue
            if not self._hooks.is_excused(actor):
                hung = Hung(f"{running.child.name} has been at one message for more than {limit_s} s")
                report = give_up(actor, Lost.HUNG, hung)
                self._displace(actor)
                self._ended(running, report)
        limit = self._hooks.zombie_limit
        if limit is not None and self._hooks.zombies.count() > limit:
            raise Fatal(f"more than {limit} threads hang: only a new process helps", exit_code=EXIT_ZOMBIES)

    def _halt(self, children: Iterable[Running]) -> None:
        """In reverse order, each within its `shutdown_s`; one that does not end is fenced and left behind."""
        children = list(children)
        stopping = [(running, running.actor) for running in reversed(children) if running.actor is not None]
        for batch in [stopping] if self.policy.stops_together else [[one] for one in stopping]:
            begun_at = time.monotonic()
            for _, actor in batch:
                tell_to_stop(actor)
            for running, actor in batch:
                running.actor = None
                if not actor.gone.wait(max(0.0, begun_at + running.child.shutdown_s - time.monotonic())):
                    error = Abandoned(f"{running.child.name} did not stop within {running.child.shutdown_s} s")
                    self._report(running, give_up(actor, Lost.ABANDONED, error))
                elif actor.reason is not None:
                    self._report(running, actor.exited(actor.reason))
                self._displace(actor)
        for running in children:
            running.state, running.ticket = "stopped", None

    def _change(self, request: ChildRequest) -> Address | None:
        """What somebody asks of the children. Raises ChildError."""
        known = self.running.get(request.name)
        check_request(request, *((known.child, known.state) if known is not None else (None, None)))
        if isinstance(request, StartChild):
            return self._start_more(request.child)
        running = self.running[request.name]
        match request:
            case TerminateChild():
                self._halt([running])
                self._close(running)
                if running.child.restart == "temporary":
                    del self.running[request.name]
            case DeleteChild():
                self._close(running)
                del self.running[request.name]
            case RestartChild():
                self._renew(running, is_forced=request.is_forced)
        return None

    def _start_more(self, child: Child) -> Address:
        self.policy.check([child])
        running = self.running[child.name] = self._known(child, is_dynamic=True)
        try:
            self._start(running)
        except Exception as error:
            del self.running[child.name]
            self._close(running)
            if isinstance(error, Fatal):
                raise
            raise DidNotStart(f"{child.name} did not start: {error}") from error
        if child.restart == "temporary":
            running.child = replace(child, arguments={})  # never needed again, and they may be large
            if running.actor is None:
                del self.running[child.name]
        return running.address

    def _renew(self, running: Running, *, is_forced: bool) -> None:
        """Start a child that is stopped; or, if forced, one in whatever state, as if it had never crashed."""
        if is_forced:
            self._halt([running])
            running.crashes = 0
            self._restart_in(0.0, [running], "restarting")
            return
        try:
            self._start(running)
        except Fatal:
            raise
        except Exception as error:
            self._close(running)
            raise DidNotStart(f"{running.child.name} did not start: {error}") from error

    def _report(self, running: Running, end: Exited) -> None:
        report = ExitReport(supervisor=self.address.name, restart=running.child.restart, **vars(end))
        if not report.is_orderly:
            running.address.last_error = f"{type(report.reason).__name__}: {report.reason}"
            self._log.error(report.event, **report.facts())
        attempt(self._hooks.on_exit, report)


def start_root(
    supervisor: type[Supervisor],
    arguments: Mapping[str, Any],
    *,
    address: Address | None = None,
    timeout_s: float = 30.0,
) -> Supervisor:
    """Start the top of a tree; returns when all its children have started. Raises what kept one from it."""
    supervisor.start(address := address or Address("root"), **arguments)
    actor = address.actor
    assert isinstance(actor, Supervisor)
    actor.ready.get(timeout=timeout_s)
    return actor


def stop_root(root: Supervisor, *, timeout_s: float) -> bool:
    """Stop a tree; False when it took longer than `timeout_s`."""
    threading.Thread(target=root.actor_ref.stop, kwargs={"block": False}, daemon=True).start()
    return root.gone.wait(timeout_s)
