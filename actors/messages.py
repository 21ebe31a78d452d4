"""Everything the actors tell each other, on one page. Commands in the imperative, events in the past.

Messages are wake-ups: what must not be lost is a row in the database before the message is sent.
"""

from dataclasses import dataclass

from storage.jobs import Claim


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A timer: do what is due."""


@dataclass(frozen=True, kw_only=True)
class Crash:
    """To any actor, in debug mode only: raise an exception."""

    reason: str = "asked to crash"


@dataclass(frozen=True, kw_only=True)
class Work:
    """To a worker: do this job."""

    claim: Claim


@dataclass(frozen=True, kw_only=True)
class WakeUp:
    """To the queue: jobs were added or a breaker changed."""


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
    """To a supervisor: an incarnation ended. `reason` None means by itself, in order."""

    child: str
    incarnation: int
    reason: BaseException | None
    message: object
    correlation_id: str


@dataclass(frozen=True, kw_only=True)
class RestartDue:
    """To a supervisor, by its own timer."""

    child: str
    incarnation: int


QueueInbox = Tick | WakeUp | WorkEnded | WorkReturned | WorkCrashed
WorkerInbox = Tick | Work
ApiProcessInbox = Tick | ChildProcessEnded
SupervisorInbox = Tick | Exited | RestartDue
