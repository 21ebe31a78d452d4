"""Wakes an actor from other threads: one WakeUp in its mailbox stands for all that came meanwhile."""

from actors.address import Address, MailboxFull
from actors.messages import WakeUp


class Waker:
    """Tells `address` a WakeUp, and no other until the actor says `seen()`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._is_told = False

    def wake(self) -> None:
        if not self._is_told:
            self._is_told = True
            try:
                self._address.tell(WakeUp())
            except MailboxFull:
                self._is_told = False

    def seen(self) -> None:
        """The WakeUp is in hand. Said before the actor reads, so that what comes while it reads wakes it again."""
        self._is_told = False
