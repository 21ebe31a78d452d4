"""Actors that were given up and whose threads still hang: Python can end no thread, so they are counted."""

import threading

from actors.base import Supervised


class Zombies:
    """One for a whole tree; any thread may ask. An actor whose thread comes back is none any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hanging: list[Supervised] = []

    def add(self, actor: Supervised) -> None:
        with self._lock:
            if actor not in self._hanging:
                self._hanging.append(actor)

    def count(self, name: str | None = None) -> int:
        """How many hang now, of the actor of that name or of all."""
        with self._lock:
            self._hanging = [actor for actor in self._hanging if not actor.gone.is_set()]
            return sum(name is None or actor.address.name == name for actor in self._hanging)
