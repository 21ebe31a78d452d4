"""Messages that nobody will handle: counted, the last of them kept to be looked at, the first of them logged."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from actors.clock import SYSTEM, Clock
from metrics import logs

KEPT = 100
LOGGED = 10
SILENCE_S = 300.0
"""So many are logged; then no more for this long, as in Pekko: a flood must not become a flood of lines."""


class Lost(StrEnum):
    """Why a message is a dead letter."""

    CRASHED = "crashed"  # its handler raised; it is not handled again
    HUNG = "hung"  # its handler overran the deadline
    ABANDONED = "abandoned"  # its handler did not end when the actor was stopped
    OVERFLOW = "overflow"  # the mailbox was full, and its policy is to drop
    STOPPED = "stopped"  # it waited for an actor that has ended for good
    GONE = "gone"  # it was sent to one that has


TOLD_BY_THE_EXIT = (Lost.CRASHED, Lost.HUNG, Lost.ABANDONED)
"""The supervisor's log line of the actor's end names the message."""


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One lost message. `at` is monotonic time; `error` says what the handler raised, "" if it was not that.

    The exception itself is in the exit report: kept here, its frames would keep actors that are gone.
    """

    target: str
    message: object
    correlation_id: str
    reason: Lost
    at: float
    error: str = ""


class DeadLetters:
    """Where addresses put what they cannot deliver; any thread may. `on_letter` hears of each.

    What `on_letter` raises is logged: it is called in the sender's thread and in those of actors that end.
    """

    def __init__(
        self,
        *,
        on_letter: Callable[[DeadLetter], None] = lambda letter: None,
        clock: Clock = SYSTEM,
        kept: int | None = KEPT,
    ) -> None:
        self._on_letter, self._clock = on_letter, clock
        self._lock = threading.Lock()
        self._recent: deque[DeadLetter] = deque(maxlen=kept)
        self._log = logs.logger("dead_letters")
        self._logged, self._silent_until = 0, 0.0
        self.count = 0

    def recent(self) -> list[DeadLetter]:
        """The last ones, oldest first."""
        with self._lock:
            return list(self._recent)

    def add(
        self, target: str, message: object, *, correlation_id: str, reason: Lost, error: BaseException | None = None
    ) -> None:
        letter = DeadLetter(
            target=target,
            message=message,
            correlation_id=correlation_id,
            reason=reason,
            at=self._clock(),
            error=repr(error) if error is not None else "",
        )
        with self._lock:
            self.count += 1
            self._recent.append(letter)
            is_logged = self._is_logged(letter.at)
        if is_logged and reason not in TOLD_BY_THE_EXIT:
            self._log.warning(
                "a message was lost",
                target=target,
                message_type=type(message).__name__,
                correlation_id=correlation_id,
                reason=reason.value,
            )
        try:
            self._on_letter(letter)
        except BaseException:  # noqa: BLE001  # who watches must not change what it watches
            if is_logged:
                self._log.exception("a hook failed", hook="on_letter")

    def describe(self) -> Iterable[dict[str, object]]:
        """The last ones as plain facts, for people."""
        now = self._clock()
        return [
            {
                "target": letter.target,
                "message_type": type(letter.message).__name__,
                "correlation_id": letter.correlation_id,
                "reason": letter.reason.value,
                "age_s": round(now - letter.at, 3),
                "error": letter.error or None,
            }
            for letter in self.recent()
        ]

    def _is_logged(self, now: float) -> bool:
        if self._logged == LOGGED:
            if now < self._silent_until:
                return False
            self._logged = 0
        self._logged += 1
        if self._logged == LOGGED:
            self._silent_until = now + SILENCE_S
        return True
