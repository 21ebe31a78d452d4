"""Everything the actors tell each other, on one page. Commands in the imperative, events in the past.

Messages are wake-ups: what must not be lost is a row in the database before the message is sent. What a supervisor is
asked about its children stands with the Child, in `actors/child.py`.
"""

from dataclasses import dataclass
from typing import Literal

from storage.jobs import Claim

CrashKind = Literal["exception", "system_exit", "keyboard_interrupt", "hang"]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A timer: do what is due."""


@dataclass(frozen=True, kw_only=True)
class Crash:
    """To any actor, in debug mode only: raise an exception, or never come back."""

    how: CrashKind = "exception"


@dataclass(frozen=True, kw_only=True)
class Work:
    """To a worker: do this job."""

    claim: Claim


@dataclass(frozen=True, kw_only=True)
class WakeUp:
    """To the queue: jobs were added or a breaker changed. To the health monitor: a breaker changed.

    To a subscriber of the outbox: events were added.
    """


@dataclass(frozen=True, kw_only=True)
class WorkEnded:
    """To the queue: the worker ended the job's row in its own transaction; its place is free."""

    claim: Claim


@dataclass(frozen=True, kw_only=True)
class WorkReturned:
    """To the queue: the worker could not end the job's row (the database is away); free it when that is back."""

    claim: Claim


@dataclass(frozen=True, kw_only=True)
class WorkCrashed:
    """To the queue, by the supervisor: the worker's incarnation ended with this job in work."""

    claim: Claim
    error: str


@dataclass(frozen=True, kw_only=True)
class ChildProcessEnded:
    """To the actor that keeps a child process: it ended."""

    process: int


@dataclass(frozen=True, kw_only=True)
class Exited:
    """To a supervisor: an incarnation ended. `reason` None: in order; `message` was in work then."""

    child: str
    incarnation: int
    reason: BaseException | None
    message: object = None
    correlation_id: str = ""


@dataclass(frozen=True, kw_only=True)
class RestartDue:
    """To a supervisor, by its own timer: start `child` and its group again. An older ticket is not valid any more."""

    child: str
    ticket: int


@dataclass(frozen=True, kw_only=True)
class Terminated:
    """To who watches an address: its actor has ended for good."""

    name: str


QueueInbox = Tick | WakeUp | WorkEnded | WorkReturned | WorkCrashed
WorkerInbox = Tick | Work
HealthMonitorInbox = Tick | WakeUp
EventCounterInbox = Tick | WakeUp
ApiProcessInbox = Tick | ChildProcessEnded
