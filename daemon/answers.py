"""What the HTTP process may ask the daemon: quick, thread-safe answers that touch neither disk nor database."""

import os
import time
from collections.abc import Mapping
from typing import Any

import prometheus_client

from actors.health_monitor import zombies
from actors.messages import Crash
from actors.queue import Queue
from daemon.runtime import VERSION, Runtime
from metrics.control_channel import Answer

QUEUE_SILENCE_S = 60.0
MAX_ZOMBIES = 10
"""More hung threads than this, and only a restart of the process helps."""
CRASH_DELAY_S = 0.05


def answers(runtime: Runtime) -> dict[str, Answer]:
    """The questions, each with the function that answers it."""
    return {
        "heartbeat": lambda question: heartbeat(runtime),
        "queue": lambda question: is_queue_active(runtime),
        "metrics": lambda question: prometheus_client.generate_latest(runtime.metrics.registry).decode(),
        "tree": lambda question: tree(runtime),
        "breakers": lambda question: [breaker.describe() for breaker in runtime.breakers.values()],
        "health": lambda question: [vars(item) for item in runtime.health.items()],
        "crash": lambda question: crash(runtime, question),
    }


def heartbeat(runtime: Runtime) -> dict[str, Any]:
    """`status` is "ok" while root and queue live, the queue is not stuck, and few threads hang."""
    root, queue = runtime.root(), runtime.address("queue").actor
    is_ok = root is not None and not root.gone.is_set() and queue is not None
    since = queue.inbox.since if queue is not None else None
    if since is not None and time.monotonic() - since > QUEUE_SILENCE_S:
        is_ok = False
    if zombies(tree(runtime)) > MAX_ZOMBIES:
        is_ok = False
    return {"status": "ok" if is_ok else "stuck", "pid": os.getpid(), "version": VERSION}


def is_queue_active(runtime: Runtime) -> bool:
    queue = runtime.address("queue").actor
    return isinstance(queue, Queue) and queue.is_active and not queue.gone.is_set()


def tree(runtime: Runtime) -> list[dict[str, Any]]:
    """The children of root as plain facts; [] before they are started."""
    root = runtime.root()
    return root.describe() if root is not None else []


def crash(runtime: Runtime, question: Mapping[str, Any]) -> str:
    """Debug mode only: make an actor crash. LookupError for one that is not there."""
    name = str(question.get("actor"))
    if not runtime.config.daemon.debug:
        raise LookupError("daemon.debug is off")
    if name not in runtime.addresses:
        raise LookupError(f"there is no actor {name}; there are {', '.join(sorted(runtime.addresses))}")
    runtime.address(name).tell_after(CRASH_DELAY_S, Crash())  # so that this answer still gets through
    return name
