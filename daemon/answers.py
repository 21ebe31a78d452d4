"""What the HTTP process may ask the daemon: quick, thread-safe answers that touch neither disk nor database."""

import os
import time
from collections.abc import Mapping
from typing import Any, get_args

import prometheus_client

from actors.address import Address
from actors.base import Supervised
from actors.breaker import BreakerState
from actors.child import RestartChild
from actors.messages import Crash, CrashKind
from actors.queue import Queue
from daemon import tree_health
from daemon.runtime import MAX_ZOMBIES, VERSION, Runtime
from daemon.stacks import stacks
from metrics.control_channel import Answer

SILENCE_S = 60.0
"""Root and queue look around every few seconds; one that has been at one message for so long is stuck."""
CRASH_DELAY_S = 0.05
BREAKER_ACTIONS = {
    "open": BreakerState.FORCED_OPEN,
    "close": BreakerState.CLOSED,
    "disable": BreakerState.DISABLED,
}


def answers(runtime: Runtime) -> dict[str, Answer]:
    """The questions, each with the function that answers it."""
    return {
        "heartbeat": lambda question: heartbeat(runtime),
        "queue": lambda question: is_queue_active(runtime),
        "metrics": lambda question: prometheus_client.generate_latest(runtime.metrics.registry).decode(),
        "tree": lambda question: runtime.describe_tree(),
        "breakers": lambda question: [breaker.describe() for breaker in runtime.breakers.values()],
        "health": lambda question: health(runtime),
        "dead_letters": lambda question: runtime.dead_letters.describe(),
        "stacks": lambda question: stacks(runtime.addresses.values()),
        "breaker": lambda question: change_breaker(runtime, question),
        "restart": lambda question: restart(runtime, question),
        "crash": lambda question: crash(runtime, question),
    }


def heartbeat(runtime: Runtime) -> dict[str, Any]:
    """`status` is "ok" while root and queue live, neither is stuck, and few threads hang."""
    root, queue = runtime.root(), runtime.address("queue").actor
    is_ok = root is not None and isinstance(queue, Queue) and runtime.zombies.count() <= MAX_ZOMBIES
    for actor in (root, queue):
        since = actor.inbox.since if isinstance(actor, Supervised) else None
        is_ok = is_ok and (since is None or time.monotonic() - since <= SILENCE_S)
    if root is not None and root.gone.is_set():
        is_ok = False
    return {"status": "ok" if is_ok else "stuck", "pid": os.getpid(), "version": VERSION}


def is_queue_active(runtime: Runtime) -> bool:
    queue = runtime.address("queue").actor
    return isinstance(queue, Queue) and queue.is_active and not queue.gone.is_set()


def health(runtime: Runtime) -> list[dict[str, Any]]:
    """What a person should know, of the tree as it is now and as the actors have said."""
    tree_health.show(runtime.describe_tree(), runtime.health)
    return [vars(item) for item in runtime.health.items()]


def change_breaker(runtime: Runtime, question: Mapping[str, Any]) -> dict[str, Any]:
    """Open a breaker until told otherwise, close, disable or reset it; what it is then. LookupError if unknown."""
    name, action = str(question.get("dependency")), str(question.get("action"))
    breaker = runtime.breakers.get(name)
    if breaker is None:
        raise LookupError(f"there is no breaker {name}; there are {', '.join(sorted(runtime.breakers))}")
    if action == "reset":
        breaker.reset()
    elif action in BREAKER_ACTIONS:
        breaker.transition_to(BREAKER_ACTIONS[action])
    else:
        raise LookupError(f"a breaker can be told reset, {', '.join(BREAKER_ACTIONS)}, and not {action}")
    return breaker.describe()


def restart(runtime: Runtime, question: Mapping[str, Any]) -> str:
    """Have a supervisor restart an actor or a group, also a parked one, now. LookupError for one that is not there."""
    name = str(question.get("actor"))
    supervisor = _actor(runtime, name).parent
    if supervisor is None:
        raise LookupError(f"{name} has not been started")
    if not supervisor.is_read:
        raise LookupError(f"{name} is started together with {supervisor.name}, which is down: restart that")
    supervisor.tell(RestartChild(name=name, is_forced=True), urgent=True)
    return name


def crash(runtime: Runtime, question: Mapping[str, Any]) -> str:
    """Debug mode only: make an actor crash or hang. LookupError for one that is not there."""
    name, how = str(question.get("actor")), question.get("how", "exception")
    if not runtime.config.daemon.debug:
        raise LookupError("daemon.debug is off")
    if how not in get_args(CrashKind):
        raise LookupError(f"an actor can crash by {', '.join(get_args(CrashKind))}, and not by {how}")
    _actor(runtime, name).tell_after(CRASH_DELAY_S, Crash(how=how))  # so that this answer still gets through
    return name


def _actor(runtime: Runtime, name: str) -> Address:
    if name not in runtime.addresses:
        raise LookupError(f"there is no actor {name}; there are {', '.join(sorted(runtime.addresses))}")
    return runtime.address(name)
