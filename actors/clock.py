"""Time as the actors see it: monotonic seconds, and waiting for something until a time; tests pass one they move."""

import threading
import time


class Clock:
    """Call it for the monotonic time in seconds."""

    def __call__(self) -> float:
        return time.monotonic()

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait on `condition`, which is held; returns when it is notified or `timeout_s` seconds have passed."""
        condition.wait(timeout_s)


SYSTEM = Clock()
