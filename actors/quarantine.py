"""When to begin a job that lost its workers twice: alone, so that it takes no others along if it was the cause.

Others are held back while one is due, until nothing is in work, and while it is in work itself; but never for longer
than a moment at a time, since what kills its worker mostly does so at once, and an import may take hours.
"""

from collections.abc import Callable, Collection
from enum import Enum, auto

from movies.movie import JobId

HELD_BACK_S = 5.0
MISSED_S = 60.0
"""Before others are held back again for one whose own lane was busy all that time."""


class Turn(Enum):
    """Who may be claimed now."""

    OTHERS = auto()
    SUSPECT = auto()
    NOBODY = auto()


class Quarantine:
    """Asked before each claim, told what came of it."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._alone: JobId | None = None
        self._held_until: float | None = None
        self._missed_until = 0.0

    def turn(self, *, is_due: bool, working: Collection[JobId]) -> Turn:
        """`is_due`: whether one of the suspects is; `working`: the jobs in work."""
        if self._alone is not None:
            if self._alone in working and self.wait_s() > 0:
                return Turn.NOBODY
            self._alone = self._held_until = None
            if working:
                return Turn.OTHERS  # once, before others are held back again
        if not is_due or self._clock() < self._missed_until:
            self._held_until = None
            return Turn.OTHERS
        if self._held_until is None:
            self._held_until = self._clock() + HELD_BACK_S
        return Turn.NOBODY if working and self.wait_s() > 0 else Turn.SUSPECT

    def began(self, job_id: JobId) -> None:
        """A suspect was claimed."""
        self._alone, self._held_until = job_id, self._clock() + HELD_BACK_S

    def missed(self) -> None:
        """It was a suspect's turn, and none could be claimed."""
        self._held_until, self._missed_until = None, self._clock() + MISSED_S

    def wait_s(self) -> float:
        """Until others are held back no more; 0 if they are not."""
        return max(0.0, self._held_until - self._clock()) if self._held_until is not None else 0.0
