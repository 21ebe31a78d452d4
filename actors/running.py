"""A child of a supervisor as it is now, and how people are told of it."""

from dataclasses import dataclass
from typing import Any, Literal

from actors.address import Address
from actors.base import Supervised
from actors.child import Child
from actors.restarts import Intensity
from actors.zombies import Zombies

State = Literal["running", "restarting", "parked", "stopped"]


@dataclass
class Running:
    """What a supervisor knows of one child. Only the supervisor's thread changes it."""

    child: Child
    address: Address
    is_dynamic: bool = False  # started by request, so forgotten when its supervisor ends
    state: State = "stopped"
    actor: Supervised | None = None
    ticket: int | None = None  # of the restart that is due
    crashes: int = 0  # since it was last stable
    intensity: Intensity | None = None  # of a child that is parked for it; other children's is their supervisor's

    def describe(self, zombies: Zombies) -> dict[str, Any]:
        """Plain facts, for people; may be called from any thread."""
        actor, clock = self.actor, self.address.clock
        letter, since = (actor.inbox.current, actor.inbox.since) if actor is not None else (None, None)
        return {
            "name": self.child.name,
            "kind": self.child.actor.KIND,
            "state": self.state,
            "incarnation": self.address.incarnation,
            "restarts": self.address.restarts,
            "inbox": self.address.depth,
            "message": type(letter.message).__name__ if letter is not None else None,
            "message_age_s": round(clock() - since, 3) if since is not None else None,
            "deadline_s": self.child.deadline_s,
            "zombies": zombies.count(self.child.name),
            "breaker": self.child.breaker.describe() if self.child.breaker is not None else None,
            "last_error": self.address.last_error,
            "children": actor.describe() if actor is not None else [],
        }
