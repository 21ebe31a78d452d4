"""What every thread of the daemon does now: its name, the message in work, and its stack."""

import sys
import threading
import time
import traceback
from collections.abc import Iterable

from actors.address import Address
from actors.base import Supervised


def stacks(addresses: Iterable[Address]) -> str:
    """One paragraph a thread, outermost call first; the actors with what they have been at and for how long."""
    actors = [address.actor for address in list(addresses)]
    working = {actor.thread_id: _work(actor) for actor in actors if isinstance(actor, Supervised)}
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(thread_id, 'unknown')}{working.get(thread_id, '')}:\n{''.join(traceback.format_stack(frame))}"
        for thread_id, frame in sys._current_frames().items()
    )


def _work(actor: Supervised) -> str:
    letter, since = actor.inbox.current, actor.inbox.since
    if since is None:
        return ", waiting"
    work = type(letter.message).__name__ if letter is not None else "its cleanup"
    return f", at {work} for {time.monotonic() - since:.1f} s"
