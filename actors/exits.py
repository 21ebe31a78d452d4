"""How actors and supervisors end, and how that is told.

Shutdown (actors/base.py)    in order, by its own wish: only a permanent child is started again
├── Escalated        a supervisor's children crashed more often than it tolerates
└── AutoShutdown     a significant child has ended, and its supervisor with it
FailedToStart        a child's first start failed, and with it the supervisor's
Hung                 a handler overran its child's deadline; the note holds its stack
Abandoned            an actor did not end in time when it was stopped; the note holds its stack
"""

import random
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.base import Fatal, Shutdown, Supervised
from actors.dead_letters import Lost
from actors.messages import Exited
from actors.zombies import Zombies
from metrics import logs

LOG = logs.logger("supervisor")


class Escalated(Shutdown):
    """A supervisor's children crashed more often than it tolerates."""


class AutoShutdown(Shutdown):
    """A significant child has ended by itself, and its supervisor with it."""


class FailedToStart(Exception):
    """A child's first start failed, and with it the supervisor's."""


class Hung(Exception):
    """A handler overran its child's deadline; the note holds its stack."""


class Abandoned(Exception):
    """An actor did not end within its time when it was stopped; the note holds its stack."""


@dataclass(frozen=True, kw_only=True)
class ExitReport:
    """How one incarnation of a child ended. `reason` None: by itself, in order; else an exception with its traceback.

    `message` was in work then, None if nothing was.
    """

    supervisor: str
    child: str
    incarnation: int
    restart: str
    reason: BaseException | None
    message: object
    correlation_id: str

    @property
    def is_orderly(self) -> bool:
        return self.reason is None or isinstance(self.reason, Shutdown)

    @property
    def event(self) -> str:
        """What a log line says happened."""
        match self.reason:
            case Hung():
                return "an actor hangs and is replaced"
            case Abandoned():
                return "an actor did not stop in time"
            case Fatal():
                return "an actor ends the daemon"
        return "an actor crashed"

    def facts(self) -> dict[str, object]:
        """The fields of a log line."""
        return {
            "supervisor": self.supervisor,
            "child": self.child,
            "incarnation": self.incarnation,
            "restart": self.restart,
            "reason": f"{type(self.reason).__name__}: {self.reason}",
            "message_type": type(self.message).__name__ if self.message is not None else None,
            "correlation_id": self.correlation_id,
            "stack": "".join(traceback.format_exception(self.reason)),
        }


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What a tree tells and asks the rest of the program; called in the supervisors' threads, and must be quick.

    `on_exit` hears of every end but an orderly stop, `on_restart` of every restart. `is_excused(actor)`: whether an
    actor that overruns its deadline is to be left alone. More than `zombie_limit` hanging threads end the process.
    """

    on_exit: Callable[[ExitReport], None] = lambda report: None
    on_restart: Callable[[str], None] = lambda name: None
    is_excused: Callable[[Supervised], bool] = lambda actor: False
    zombies: Zombies = field(default_factory=Zombies)
    zombie_limit: int | None = None
    chance: Callable[[], float] = random.random


def give_up(actor: Supervised, lost: Lost, error: Exception) -> Exited:
    """The end of an actor that hangs, in its place: `error` with its stack; the message in work is a dead letter."""
    actor.address.fence(actor.inbox.incarnation)  # first, lest it takes one more message while it is given up
    frame = sys._current_frames().get(actor.thread_id or 0)
    error.add_note("".join(traceback.format_stack(frame)) if frame is not None else "its thread has no stack")
    actor.inbox.lose(lost, error)
    return actor.exited(error)


def tell_to_stop(actor: Supervised) -> None:
    """Ask `actor` to end, and cut what it may be waiting for."""
    actor.actor_ref.stop(block=False)
    attempt(actor.interrupt)


def attempt(call: Callable[..., object], *arguments: object) -> None:
    """Call what is not the supervisor's own: its failure is logged, and no reason to leave children unattended."""
    try:
        call(*arguments)
    except Exception:
        LOG.exception("what a supervisor called has failed")
