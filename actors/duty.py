"""A standing duty as one actor holds it: taken when it is free, renewed while the actor lives, given up at its end.

It is the actor that does the work who renews, so that one that hangs loses its duty to another node.
"""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from metrics import logs
from storage import duties
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable, Fenced

LEASE_S = 15.0
RENEW_EVERY_S = 5.0
LOOK_EVERY_S = 0.5
"""How soon a duty that another node gave up is taken here."""
GIVE_UP_LIMIT_S = 1.0


class Duty:
    """Used by its actor's thread alone, which asks again after `look_in_s` at the latest."""

    def __init__(
        self,
        name: str,
        *,
        database: Database,
        node: str,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._lease_s, self._renew_every_s = lease_s, min(RENEW_EVERY_S, lease_s / 3)
        self._database, self._node, self._clock = database, node, clock
        self._token = uuid.uuid4()
        self._is_held = False
        self._next_look = 0.0
        self._log = logs.logger("duties")

    @property
    def is_held(self) -> bool:
        """Whether it was ours at the last look."""
        return self._is_held

    @property
    def look_in_s(self) -> float:
        """When to ask `hold` again at the latest."""
        return max(0.0, self._next_look - self._clock())

    def hold(self) -> bool:
        """Whether the duty is ours now; takes or renews it when that is due. Raises DatabaseUnavailable."""
        now = self._clock()
        if now < self._next_look:
            return self._is_held
        was_held, self._next_look = self._is_held, now + LOOK_EVERY_S
        with self._database.transaction() as connection:
            if not was_held:
                is_ours = duties.take(connection, self.name, node=self._node, token=self._token, lease_s=self._lease_s)
            else:
                is_ours = duties.renew(connection, self.name, token=self._token, lease_s=self._lease_s)
        self._is_held = is_ours
        if is_ours:
            self._next_look = now + self._renew_every_s
        if is_ours and not was_held:
            self._log.info("a duty was taken", duty=self.name, node=self._node)
        if was_held and not is_ours:
            self._log.warning("a duty was lost to another node", duty=self.name, node=self._node)
        return is_ours

    def require(self, connection: Connection) -> None:
        """It stays ours until this transaction ends. Raises Fenced when it is another's: then it is lost."""
        try:
            duties.require(connection, self.name, token=self._token)
        except Fenced:
            self._is_held = False
            raise

    def give_up(self) -> None:
        """Let another node have it now. While the database is away, that happens when it runs out."""
        self._next_look = self._clock() + LOOK_EVERY_S
        if self._is_held:
            self._is_held = False
            with suppress(DatabaseUnavailable), self._database.transaction(limit_s=GIVE_UP_LIMIT_S) as connection:
                duties.give_up(connection, self.name, token=self._token)
