"""What a supervisor is told to keep alive: the specification of a child, of a group, and changes to it while it runs.

ChildError
├── BadChild          the specification is senseless; nothing was started
├── AlreadyStarted    a child of that name runs, or is being started again
├── AlreadyPresent    a child of that name is known, and stopped: restart or delete it
├── NotFound          there is no child of that name
├── StillRunning      stop it first
├── StillRestarting   it is down and its restart is due: stop it first
└── DidNotStart       its `init` failed; the cause is chained
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from actors.address import Address, Mailbox
from actors.base import Supervised
from actors.breaker import Breaker
from actors.messages import Exited, RestartDue, Tick
from actors.restarts import Backoff

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]


class ChildError(Exception):
    """What was asked of a child cannot be done."""


class BadChild(ChildError, ValueError):
    """A specification that makes no sense."""


class AlreadyStarted(ChildError):
    """A child of that name runs, or is being started again."""


class AlreadyPresent(ChildError):
    """A child of that name is known, and stopped."""


class NotFound(ChildError):
    """There is no child of that name."""


class StillRunning(ChildError):
    """The child runs."""


class StillRestarting(ChildError):
    """The child is down and will be started again."""


class DidNotStart(ChildError):
    """The child's `init` failed."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """One line of the tree: what to start under which name, and how it is kept alive.

    A "permanent" child is always started again, a "transient" one unless it ended in order, a "temporary" one never.
    `deadline_s` bounds one message (None: unbounded), `start_timeout_s` its `init`, `shutdown_s` its stop (0: it is
    abandoned at once). The end of a significant child may end its supervisor (`Policy.auto_shutdown`). A group that
    crashes too often is parked if `is_parked_on_escalation`. `breaker` is that of what the actor depends on, to be
    shown with it.
    """

    name: str
    actor: type[Supervised]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    restart: Restart = "permanent"
    is_significant: bool = False
    deadline_s: float | None = 30.0
    start_timeout_s: float = 10.0
    shutdown_s: float = 2.0
    mailbox: Mailbox = field(default_factory=Mailbox)
    backoff: Backoff = field(default_factory=Backoff)
    is_parked_on_escalation: bool = False
    breaker: Breaker | None = None

    def __post_init__(self) -> None:
        if self.restart not in get_args(Restart):
            raise BadChild(f"child {self.name}: restart is one of {', '.join(get_args(Restart))}, not {self.restart!r}")
        times = {"deadline_s": self.deadline_s, "start_timeout_s": self.start_timeout_s, "shutdown_s": self.shutdown_s}
        for key, time_s in times.items():
            if time_s is not None and time_s < 0:
                raise BadChild(f"child {self.name}: {key} must not be negative, and is {time_s}")
        if self.is_significant and self.restart == "permanent":
            raise BadChild(f"child {self.name}: a permanent child never ends by itself, so it cannot be significant")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How a supervisor treats its children.

    After a crash it restarts that child ("one_for_one"), all of them ("one_for_all"), or that and those started after
    it ("rest_for_one"). More than `intensity` restarts within `period_s` end it. It also ends when a significant child,
    or the last of them, has ended by itself. Children stop in reverse order, or `stops_together`.
    """

    strategy: Strategy = "one_for_one"
    intensity: int = 5
    period_s: float = 30.0
    auto_shutdown: AutoShutdown = "never"
    stops_together: bool = False
    check_every_s: float = 2.0

    def __post_init__(self) -> None:
        for key, value, known in (
            ("strategy", self.strategy, get_args(Strategy)),
            ("auto_shutdown", self.auto_shutdown, get_args(AutoShutdown)),
        ):
            if value not in known:
                raise BadChild(f"{key} is one of {', '.join(known)}, not {value!r}")
        if self.intensity < 0 or self.period_s <= 0 or self.check_every_s <= 0:
            raise BadChild("a supervisor needs intensity >= 0, period_s > 0 and check_every_s > 0")

    def check(self, children: Sequence[Child]) -> None:
        """Raises BadChild for children that cannot be kept together so."""
        for name, number in Counter(child.name for child in children).items():
            if number > 1:
                raise BadChild(f"child {name}: the name is given twice")
        for child in children:
            if child.is_significant and self.auto_shutdown == "never":
                raise BadChild(f"child {child.name}: it is significant, but its supervisor's auto_shutdown is never")


@dataclass(frozen=True, kw_only=True)
class StartChild:
    """To a supervisor: start one more. Answered with its Address or a ChildError."""

    child: Child

    @property
    def name(self) -> str:
        return self.child.name


@dataclass(frozen=True, kw_only=True)
class TerminateChild:
    """To a supervisor: stop it and leave it so; a temporary one is forgotten. Answered with None or NotFound."""

    name: str


@dataclass(frozen=True, kw_only=True)
class RestartChild:
    """To a supervisor: start one that is stopped. Answered with None or a ChildError.

    `is_forced`: whatever its state, stop it if it runs, forget how often it crashed, and start it; not a temporary one.
    """

    name: str
    is_forced: bool = False


@dataclass(frozen=True, kw_only=True)
class DeleteChild:
    """To a supervisor: forget one that is stopped. Answered with None or a ChildError."""

    name: str


ChildRequest = StartChild | TerminateChild | RestartChild | DeleteChild
SupervisorInbox = Tick | Exited | RestartDue | ChildRequest


def check_request(request: ChildRequest, child: Child | None, state: str | None) -> None:
    """Raises the ChildError why `request` cannot be granted to `child` in `state` (None: there is none)."""
    name = request.name
    if isinstance(request, StartChild):
        if state is not None:
            raise (AlreadyPresent if state == "stopped" else AlreadyStarted)(f"{name} is {state}")
        return
    if child is None:
        raise NotFound(f"there is no child {name}")
    is_forced = isinstance(request, RestartChild) and request.is_forced and child.restart != "temporary"
    if not isinstance(request, TerminateChild) and not is_forced and state != "stopped":
        raise (StillRunning if state == "running" else StillRestarting)(f"{name} is {state}")


def start_child(supervisor: Address, child: Child, *, timeout_s: float) -> Address:
    """Have `supervisor` start one more child; its address. Raises ChildError; not for a supervisor's own children."""
    address = _asked(supervisor, StartChild(child=child), timeout_s)
    assert isinstance(address, Address)
    return address


def terminate_child(supervisor: Address, name: str, *, timeout_s: float) -> None:
    """Have `supervisor` stop a child and not start it again. Raises ChildError."""
    _asked(supervisor, TerminateChild(name=name), timeout_s)


def restart_child(supervisor: Address, name: str, *, timeout_s: float) -> None:
    """Have `supervisor` start a child that is stopped. Raises ChildError."""
    _asked(supervisor, RestartChild(name=name), timeout_s)


def delete_child(supervisor: Address, name: str, *, timeout_s: float) -> None:
    """Have `supervisor` forget a child that is stopped. Raises ChildError."""
    _asked(supervisor, DeleteChild(name=name), timeout_s)


def _asked(supervisor: Address, request: ChildRequest, timeout_s: float) -> object:
    answer = supervisor.ask(request, timeout_s=timeout_s)
    if isinstance(answer, ChildError):
        raise answer
    return answer
