"""One timer of an actor: however often it is set, the earliest time wanted is the one that counts."""

from collections.abc import Callable

from actors.address import Address
from actors.messages import Tick


class Ticker:
    """Tells `address` a Tick. A Tick that an earlier one overtook is not due any more: the actor asks `is_due()`."""

    def __init__(self, address: Address, *, clock: Callable[[], float]) -> None:
        self._address, self._clock = address, clock
        self._due_at: float | None = None

    def set(self, delay_s: float) -> None:
        """In `delay_s` seconds, unless one comes sooner anyway."""
        due_at = self._clock() + delay_s
        if self._due_at is None or due_at < self._due_at:
            self._due_at = due_at
            self._address.tell_after(delay_s, Tick())

    def is_due(self) -> bool:
        """Whether the Tick in hand is the one that was set; the next is then to be set."""
        if self._due_at is not None and self._clock() < self._due_at:
            return False
        self._due_at = None
        return True
