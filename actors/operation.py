"""A long operation as others see it: what it is at, how far that is, how fast, and how long it will take."""

import time
from collections import deque
from collections.abc import Callable

from storage.jobs import Claim
from storage.progress import Progress
from storage.progress_writer import ProgressWriter

RATE_OVER_S = 10.0
SAMPLE_EVERY_S = 0.5


class Meter:
    """The rate of a number that grows, over the last ten seconds."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()

    def rate_s(self, done: int) -> float:
        """Per second, now that it is `done`; 0 until it can be known."""
        now = self._clock()
        samples = self._samples
        if not samples or now - samples[-1][0] >= SAMPLE_EVERY_S:
            samples.append((now, done))
        while len(samples) > 1 and now - samples[1][0] >= RATE_OVER_S:
            samples.popleft()
        since, before = samples[0]
        return max(0, done - before) / (now - since) if now > since else 0.0


class Operation:
    """Shows the progress of one job's work. It ends with the job, by `progress.end_job` in that transaction."""

    def __init__(
        self,
        name: str,
        *,
        claim: Claim,
        writer: ProgressWriter,
        step: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._claim, self._writer, self._clock = name, claim, writer, clock
        self.begin(step)

    def begin(self, step: str) -> None:
        """`step` is what it is at now, a word for people."""
        self._step, self._meter = step, Meter(clock=self._clock)
        self._writer.show(Progress(operation=self._name, movie_id=self._claim.movie_id, step=step, claim=self._claim))

    def moved(self, done_bytes: int, total_bytes: int) -> None:
        """So many bytes of this step are done; a total of 0 is unknown."""
        rate_s = self._meter.rate_s(done_bytes)
        self._writer.show(
            Progress(
                operation=self._name,
                movie_id=self._claim.movie_id,
                step=self._step,
                done_bytes=done_bytes,
                total_bytes=total_bytes,
                rate_bytes_s=round(rate_s),
                eta_s=eta_s(total_bytes - done_bytes, rate_s),
                claim=self._claim,
            )
        )

    def counted(self, done_count: int, total_count: int) -> None:
        """So many of this step's things are done; a total of 0 is unknown."""
        rate_s = self._meter.rate_s(done_count)
        self._writer.show(
            Progress(
                operation=self._name,
                movie_id=self._claim.movie_id,
                step=self._step,
                done_count=done_count,
                total_count=total_count,
                rate_count_s=round(rate_s),
                eta_s=eta_s(total_count - done_count, rate_s),
                claim=self._claim,
            )
        )


def eta_s(remaining: int, rate_s: float) -> int | None:
    """Whole seconds until the rest is done; None where it is unknown."""
    return round(remaining / rate_s) if remaining >= 0 and rate_s > 0 else None
