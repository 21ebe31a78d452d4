"""Time that stands still until a test moves it."""

import threading

from actors.clock import Clock


class ManualClock(Clock):
    """Begins at 1,000 s. Whoever waits on it is woken by `advance()`."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._lock = threading.Lock()
        self._waited_on: set[threading.Condition] = set()

    def __call__(self) -> float:
        return self._now

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait as if time went by only in `advance()`; may return too early, as a condition may."""
        with self._lock:
            is_known = condition in self._waited_on
            self._waited_on.add(condition)
        if is_known:  # else an advance() may just have missed it, so its caller must look at the time again
            condition.wait()

    def advance(self, by_s: float) -> None:
        self.move_to(self._now + by_s)

    def move_to(self, now: float) -> None:
        self._now = now
        with self._lock:
            conditions = list(self._waited_on)
        for condition in conditions:
            with condition:
                condition.notify_all()
