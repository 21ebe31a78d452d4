"""A circuit breaker as a pure state machine: whether a dependency is called now, judged by how its last calls went.

The supervisor makes one per dependency and hands it to the actor that calls it. Thread-safe, without a thread or timer
of its own: time and chance come in, and whatever is due happens with the next question. Follows resilience4j.
"""

import contextlib
import math
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Literal, Self

from actors.breaker_events import (
    BY_HAND,
    BreakerEvent,
    BreakerOpen,
    Called,
    EventQueue,
    Exceeded,
    Ignored,
    IllegalTransition,
    NotPermitted,
    Reset,
    SavedBreaker,
    Transition,
)
from actors.breaker_settings import (
    CLOSED,
    DISABLED,
    FORCED_OPEN,
    HALF_OPEN,
    METRICS_ONLY,
    OPEN,
    BreakerSettings,
    BreakerState,
    Outage,
)
from actors.breaker_window import UNKNOWN_RATE, BreakerMetrics, CountWindow

__all__ = [  # with what its users need of the modules beside it
    "Breaker",
    "BreakerEvent",
    "BreakerMetrics",
    "BreakerOpen",
    "BreakerSettings",
    "BreakerState",
    "Called",
    "Exceeded",
    "Ignored",
    "IllegalTransition",
    "NotPermitted",
    "Outage",
    "Permit",
    "Reset",
    "SavedBreaker",
    "Transition",
]


class Permit:
    """One call's way through its breaker: `with breaker.call() as permit:`."""

    __slots__ = ("_breaker", "_failure", "_is_unused", "is_over", "period", "started_at_s")

    def __init__(self, breaker: "Breaker") -> None:
        self._breaker = breaker
        self._failure: str | None = None
        self._is_unused = False
        self.is_over = False
        self.period = 0
        self.started_at_s = 0.0

    def report(self, result: object) -> None:
        """What the dependency answered: by the settings it may be a failure without an exception."""
        if self._breaker.settings.is_failure(result):
            self._failure = "its answer counts as a failure"

    def release(self) -> None:
        """The dependency was not called after all: the permission goes back, and nothing is counted."""
        self._is_unused = True

    def __enter__(self) -> Self:
        self._breaker._begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        settings = self._breaker.settings
        if self._is_unused:
            self._breaker._give_back(self, None)
        elif isinstance(error, settings.ignored):
            self._breaker._give_back(self, error)
        elif isinstance(error, settings.recorded):
            retry_after_s = error.retry_after_s if isinstance(error, Outage) else None
            self._breaker._end(self, str(error) or type(error).__name__, retry_after_s)
        elif error is None or isinstance(error, Exception):
            self._breaker._end(self, self._failure, None)
        else:
            self._breaker._give_back(self, error)


class Breaker:
    """One dependency's breaker. `on_event` is told what happens in its order, outside of the lock, never twice at once.

    A result counts only in the state in which its call was permitted. When it comes while the breaker is open it joins
    the metrics; then only a longer delay that the dependency asks for has an effect: it prolongs the wait.
    """

    def __init__(
        self,
        dependency: str,
        settings: BreakerSettings = BreakerSettings(),  # noqa: B008  # frozen
        *,
        on_event: Callable[[BreakerEvent], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.dependency, self.settings = dependency, settings
        self._clock, self._chance = clock, chance
        self._lock = threading.Lock()
        self._events = EventQueue(on_event)
        self._running: OrderedDict[Permit, None] = OrderedDict()  # oldest first; only where calls have a time limit
        self._state = CLOSED
        self._period = 0  # counts the states, so that a result is not taken for one of a later state
        self._window = settings.new_window()
        self._exceeded: set[str] = set()  # what this state has said already
        self._failure = ""  # the last one, in its own words
        self._reason = ""
        self._opened_count = 0
        self._retry_at_s = 0.0  # of OPEN
        self._due_at_s = math.inf  # when time alone ends this state
        self._permits = 0  # left in HALF_OPEN, elsewhere without meaning

    def call(self) -> Permit:
        """Around a call to the dependency, as `with breaker.call():`; raises BreakerOpen instead of calling."""
        return Permit(self)

    def tick(self) -> None:
        """Do what time alone brings. Every other method does so too: this is for an automatic breaker, and for show."""
        with self._now():
            pass

    @property
    def state(self) -> BreakerState:
        with self._now():
            return self._state

    @property
    def reason(self) -> str:
        """Why it is in its state; empty when it closed by itself."""
        with self._now():
            return self._reason

    def would_permit(self) -> bool:
        """Whether a call would go through now; takes no permission."""
        with self._now() as now_s:
            return self._refused_for_s(now_s) is None

    def retry_in_s(self) -> float:
        """Until the next call may go through; 0 unless OPEN."""
        with self._now() as now_s:
            return self._open_for_s(now_s)

    def metrics(self) -> BreakerMetrics:
        with self._now() as now_s:
            return self._window.metrics(now_s)

    def describe(self) -> dict[str, object]:
        """Its state as plain facts, for people; a rate of too few calls is None."""
        with self._now() as now_s:
            metrics = self._window.metrics(now_s)
            rates = {"failure_rate": metrics.failure_rate, "slow_rate": metrics.slow_rate}
            return {
                "dependency": self.dependency,
                "state": self._state.value,
                "retry_in_s": round(self._open_for_s(now_s), 1),
                "reason": self._reason,
                **{key: None if rate == UNKNOWN_RATE else round(rate, 3) for key, rate in rates.items()},
                "calls": metrics.calls,
                "not_permitted": metrics.not_permitted,
                "opened_count": self._opened_count,
            }

    def transition_to(self, state: BreakerState, *, reason: str = BY_HAND) -> None:
        """Put it in that state by hand; silent if it is there already. IllegalTransition from CLOSED to HALF_OPEN."""
        with self._now() as now_s:
            if state is self._state:
                return
            if state is HALF_OPEN and self._state is CLOSED:
                raise IllegalTransition(f"{self.dependency}: a closed breaker cannot be half open; open it first")
            if state is OPEN:
                self._open(now_s, reason)
            else:
                self._enter(state, now_s, reason)

    def reset(self) -> None:
        """Close it by hand, whatever its state, and forget all it has counted."""
        with self._now() as now_s:
            self._enter(CLOSED, now_s)
            self._events.add(Reset(dependency=self.dependency))

    def saved(self) -> SavedBreaker:
        with self._now() as now_s:
            return SavedBreaker(
                state=self._state,
                retry_in_s=self._open_for_s(now_s),
                opened_count=self._opened_count,
                reason=self._reason,
            )

    def restore(self, saved: SavedBreaker) -> None:
        """Go on from where another run ended: a half-open one has lost its calls and is OPEN with no wait left."""
        with self._now() as now_s:
            self._opened_count = saved.opened_count
            self._retry_at_s = now_s + (saved.retry_in_s if saved.state is OPEN else 0.0)
            self._enter(OPEN if saved.state is HALF_OPEN else saved.state, now_s, saved.reason)

    @contextlib.contextmanager
    def _now(self) -> Iterator[float]:
        """The time, under the lock and after what it has brought; what happened is told afterwards."""
        try:
            with self._lock:
                yield self._advanced()
        finally:
            self._events.tell()

    def _advanced(self) -> float:
        now_s = self._clock()
        if self._running or now_s >= self._due_at_s:
            self._advance(now_s)
        return now_s

    def _advance(self, now_s: float) -> None:
        """Calls that ran out of time before the state did, the end of the state, the other calls."""
        self._expire_calls(min(now_s, self._due_at_s), now_s)
        if now_s >= self._due_at_s:
            if self._state is OPEN:
                self._enter(HALF_OPEN, now_s, self._reason)
            elif self.settings.half_open_expired is OPEN:
                self._open(now_s, f"half open for {self.settings.half_open_wait_s:g} s without enough results")
            else:
                self._enter(CLOSED, now_s)
        self._expire_calls(now_s, now_s)

    def _expire_calls(self, until_s: float, now_s: float) -> None:
        limit_s = self.settings.call_timeout_s
        while limit_s is not None and self._running:
            oldest = next(iter(self._running))
            if oldest.started_at_s + limit_s > until_s:
                break
            del self._running[oldest]
            oldest.is_over = True
            self._record(oldest, now_s, f"no answer within {limit_s:g} s", None, duration_s=limit_s)

    def _begin(self, permit: Permit) -> None:
        with self._lock:
            refusal = self._admit(permit, self._advanced())
        self._events.tell()
        if refusal is not None:
            raise refusal

    def _admit(self, permit: Permit, now_s: float) -> BreakerOpen | None:
        if self._state is not CLOSED:
            wait_s = self._refused_for_s(now_s)
            if wait_s is not None:
                self._window.not_permitted += 1
                self._events.add(NotPermitted(dependency=self.dependency, retry_in_s=wait_s))
                return BreakerOpen(self.dependency, retry_in_s=wait_s, state=self._state, reason=self._reason)
            if self._state is OPEN:
                self._enter(HALF_OPEN, now_s, self._reason)
            self._permits -= 1
        permit.period, permit.started_at_s = self._period, now_s
        if self.settings.call_timeout_s is not None:
            self._running[permit] = None
        return None

    def _end(self, permit: Permit, failure: str | None, retry_after_s: float | None) -> None:
        with self._lock:
            now_s = self._advanced()
            if not permit.is_over:
                self._running.pop(permit, None)
                self._record(permit, now_s, failure, retry_after_s, duration_s=now_s - permit.started_at_s)
        self._events.tell()

    def _give_back(self, permit: Permit, error: BaseException | None) -> None:
        with self._now():
            if permit.is_over:
                return
            self._running.pop(permit, None)
            if permit.period == self._period:
                self._permits += 1
            if error is not None and self._state is not DISABLED:
                self._events.add(Ignored(dependency=self.dependency, reason=str(error) or type(error).__name__))

    def _record(
        self, permit: Permit, now_s: float, failure: str | None, retry_after_s: float | None, *, duration_s: float
    ) -> None:
        """Count a call that has ended, where it belongs, and draw the consequences."""
        if self._state is DISABLED:
            return
        is_failure, slow_call_s = failure is not None, self.settings.slow_call_s
        is_slow = slow_call_s is not None and duration_s > slow_call_s
        if self._events.is_heard:
            outcome: Literal["success", "error"] = "error" if is_failure else "success"
            self._events.add(
                Called(dependency=self.dependency, outcome=outcome, is_slow=is_slow, duration_s=duration_s)
            )
        is_current = permit.period == self._period
        if is_current or self._state is OPEN:
            self._window.record(now_s, is_failure=is_failure, is_slow=is_slow)
        if is_current:
            self._failure = failure or self._failure
            self._judge(now_s, retry_after_s)
        elif self._state is OPEN and retry_after_s is not None:
            self._wait_until(max(self._retry_at_s, now_s + retry_after_s))

    def _judge(self, now_s: float, retry_after_s: float | None) -> None:
        """Whether what the window shows, or a delay that the dependency asks for, ends this state."""
        settings = self.settings
        self._window.forget(now_s)
        failure_rate, slow_rate = self._window.rates()
        is_failing, is_slow = failure_rate >= settings.failure_rate, slow_rate >= settings.slow_rate
        if is_failing:
            self._exceed("failure_rate", failure_rate)
        if is_slow:
            self._exceed("slow_rate", slow_rate)
        if self._state is METRICS_ONLY:
            return
        if is_failing or retry_after_s is not None:
            self._open(now_s, self._failure, wait_s=retry_after_s)
        elif is_slow:
            self._open(now_s, f"{slow_rate:.0%} of its calls took longer than {settings.slow_call_s:g} s")
        elif self._state is HALF_OPEN and self._window.calls == settings.half_open_calls:
            self._enter(CLOSED, now_s)

    def _exceed(self, what: Literal["failure_rate", "slow_rate"], rate: float) -> None:
        if what not in self._exceeded:
            self._exceeded.add(what)
            self._events.add(Exceeded(dependency=self.dependency, what=what, rate=rate))

    def _open(self, now_s: float, reason: str, *, wait_s: float | None = None) -> None:
        """For `wait_s`, or None: for the next of the growing waits."""
        if wait_s is None:
            wait_s = self.settings.wait_after(self._opened_count) * (1 + self.settings.jitter * self._chance())
        self._opened_count += 1
        self._retry_at_s = now_s + wait_s
        self._enter(OPEN, now_s, reason)

    def _enter(self, state: BreakerState, now_s: float, reason: str = "") -> None:
        """Begin that state anew, with fresh metrics; only an open one keeps in view what has opened it."""
        settings, before = self.settings, self._state
        self._state, self._reason = state, reason
        self._period += 1
        self._exceeded.clear()
        self._due_at_s = math.inf
        if state is OPEN:
            self._wait_until(self._retry_at_s)
        else:
            self._window = settings.new_window()
        if state is HALF_OPEN:
            self._permits = settings.half_open_calls
            self._window = CountWindow(self._permits, minimum_calls=self._permits)
            self._due_at_s = now_s + (settings.half_open_wait_s or math.inf)
        elif state is CLOSED:
            self._opened_count = 0
        if state is not before:
            self._events.add(
                Transition(
                    dependency=self.dependency,
                    before=before,
                    state=state,
                    opened_count=self._opened_count,
                    retry_in_s=self._open_for_s(now_s) if state is OPEN else None,
                    reason=reason,
                )
            )

    def _wait_until(self, at_s: float) -> None:
        self._retry_at_s = at_s
        if self.settings.is_automatic:
            self._due_at_s = at_s

    def _open_for_s(self, now_s: float) -> float:
        return max(0.0, self._retry_at_s - now_s) if self._state is OPEN else 0.0

    def _refused_for_s(self, now_s: float) -> float | None:
        """How long a call would be refused; None: it would go through."""
        if self._state is OPEN:
            return self._open_for_s(now_s) or None
        if self._state is HALF_OPEN and self._permits == 0:
            return min(self.settings.wait_s, self._due_at_s - now_s)
        return self.settings.max_wait_s if self._state is FORCED_OPEN else None
