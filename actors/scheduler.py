"""The Scheduler: puts a job into the queue at each tick of each recurring task.

The tick's row and the job are one transaction, so a daemon that dies between them leaves neither, and any daemon may
take any tick. Time is the database's: the clocks of the machines may differ, and are not looked at.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from actors.address import Address
from actors.base import Supervised
from actors.messages import Tick
from metrics import logs
from storage import database as server
from storage import jobs, schedules
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable
from storage.schedules import Task

LOOK_EVERY_S = 60.0
"""At least so often, for the database's clock may be put forward."""
OUTAGE_WAIT_S = 1.0
MIN_WAIT_S = 0.05


class Scheduler(Supervised):
    """`now(connection)` is the time that counts."""

    def __init__(
        self,
        address: Address,
        *,
        database: Database,
        node: str,
        tasks: Sequence[Task],
        now: Callable[[Connection], datetime] = server.now,
    ) -> None:
        super().__init__(address)
        self._database, self._node, self._tasks, self._now = database, node, tasks, now
        self._log = logs.logger(address.name)

    def init(self) -> None:
        self.address.tell_after(0.0, Tick())

    def handle(self, message: Tick) -> None:
        self.address.tell_after(self._look(), message)

    def _look(self) -> float:
        """Take what is due; returns the seconds until the next look."""
        try:
            return min([LOOK_EVERY_S, *(self._see_to(task) for task in self._tasks)])
        except DatabaseUnavailable:
            return OUTAGE_WAIT_S

    def _see_to(self, task: Task) -> float:
        """One task's latest tick, if nobody has taken it; returns the seconds until its next."""
        with self._database.transaction() as connection:
            now = self._now(connection)
            tick_at = task.schedule.latest(now)
            is_ours = schedules.take(connection, task.name, tick_at, node=self._node)
            if is_ours:
                jobs.enqueue(
                    connection,
                    task.kind,
                    lane=task.lane,
                    payload=task.payload,
                    unique_key=f"task:{task.name}",
                    correlation_id=f"{task.name}-{tick_at:%Y%m%dT%H%M%SZ}",
                )
        if is_ours:
            self._log.info("a task is due", task=task.name, tick_at=tick_at.isoformat())
        return max(MIN_WAIT_S, (task.schedule.next(now) - now).total_seconds())
