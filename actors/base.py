"""Addresses that outlive their actors, and the base class of everything that is supervised.

An Address is a stable name with a bounded mailbox. Each incarnation of an actor reads it through an Inbox of its own
generation: a message in work when the actor crashes is lost (its job's row is not), the rest wait for the successor. An
incarnation that was fenced, because it hung or was stopped, reads nothing more.
"""

import contextvars
import heapq
import itertools
import threading
import time
import uuid
from collections import deque
from typing import Any

import pykka

from actors.messages import Crash, Exited

CORRELATION: contextvars.ContextVar[str] = contextvars.ContextVar("correlation_id", default="")
READER: contextvars.ContextVar["Inbox | None"] = contextvars.ContextVar("reader", default=None)  # this thread's
EXIT_IN_USE = 3
"""Exit code of a daemon that needs what another one holds."""


class MailboxFull(Exception):
    """The address holds as many messages as it may."""


class AskTimeout(Exception):
    """No answer within the deadline; the message may still be handled."""


class DebugCrash(Exception):
    """An actor did as the debug message asked."""


class Fatal(Exception):
    """The daemon cannot go on: it ends with `exit_code` and says this text."""

    def __init__(self, text: str, *, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Letter:
    """A message on its way, in the shape that Pykka's loop expects (`message`, `reply_to`)."""

    def __init__(self, message: object, reply_to: "pykka.Future[Any] | None" = None) -> None:
        self.message = message
        self.reply_to = reply_to
        self.correlation_id = CORRELATION.get() or uuid.uuid4().hex[:12]


class Address:
    """A stable name and mailbox. Urgent messages overtake the others and are never refused.

    Timers end with the incarnation that set them.
    """

    def __init__(self, name: str, *, capacity: int = 1000, parent: "Address | None" = None) -> None:
        self.name = name
        self.capacity = capacity
        self.parent = parent
        self.incarnation = 1
        self.actor: Supervised | None = None  # the present incarnation, or the last
        self.condition = threading.Condition()
        self._waiting: deque[Letter] = deque()
        self._urgent: deque[Letter] = deque()
        self._timers: list[tuple[float, int, Letter]] = []
        self._sequence = itertools.count()

    @property
    def depth(self) -> int:
        """Messages waiting."""
        return len(self._waiting) + len(self._urgent)

    def tell(self, message: object, *, urgent: bool = False, timeout_s: float = 0.0) -> None:
        """Leave `message`; waits up to `timeout_s` for room, then raises MailboxFull."""
        self._put(Letter(message), urgent=urgent, timeout_s=timeout_s)

    def ask(self, message: object, *, timeout_s: float) -> Any:
        """The answer to `message`, or AskTimeout; what the handler raises is raised here too. Not between actors."""
        future: pykka.Future[Any] = pykka.ThreadingFuture()
        deadline = time.monotonic() + timeout_s
        self._put(Letter(message, future), urgent=False, timeout_s=timeout_s)
        try:
            return future.get(timeout=deadline - time.monotonic())
        except pykka.Timeout:
            raise AskTimeout(f"{self.name} did not answer {type(message).__name__} within {timeout_s} s") from None

    def tell_after(self, delay_s: float, message: object) -> None:
        """Leave `message` in `delay_s` seconds, unless the present incarnation has ended by then.

        From an incarnation that was fenced it is not taken: its successor has set timers of its own.
        """
        reader = READER.get()
        with self.condition:
            if reader is not None and reader.address is self and reader.incarnation != self.incarnation:
                return
            heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._sequence), Letter(message)))
            self.condition.notify_all()

    def fence(self, incarnation: int) -> None:
        """That incarnation reads nothing more and its timers are forgotten; nothing happens if it is not present."""
        with self.condition:
            if incarnation != self.incarnation:
                return
            self.incarnation += 1
            self._timers.clear()
            self.condition.notify_all()

    def take(self, now: float) -> Letter | None:
        """The next letter, with `condition` held; None if none is due."""
        while self._timers and self._timers[0][0] <= now:
            self._urgent.append(heapq.heappop(self._timers)[2])
        lane = self._urgent or self._waiting
        if not lane:
            return None
        self.condition.notify_all()
        return lane.popleft()

    def next_timer_in_s(self, now: float) -> float | None:
        return self._timers[0][0] - now if self._timers else None

    def _put(self, letter: Letter, *, urgent: bool, timeout_s: float) -> None:
        with self.condition:
            if not urgent and not self.condition.wait_for(lambda: len(self._waiting) < self.capacity, timeout_s):
                raise MailboxFull(f"{self.name} holds {self.capacity} messages already")
            (self._urgent if urgent else self._waiting).append(letter)
            self.condition.notify_all()


class Inbox:
    """One incarnation's view of an Address, put in the place of Pykka's own queue."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.incarnation = address.incarnation
        self._control: deque[Any] = deque()
        self.current: Letter | None = None
        self.since: float | None = None

    def put(self, envelope: Any) -> None:
        """Only Pykka's own stop message comes this way; it overtakes everything."""
        with self.address.condition:
            self._control.append(envelope)
            self.address.condition.notify_all()

    def empty(self) -> bool:
        """Pykka drains what this calls non-empty when an actor ends: the mailbox is not its to drain."""
        return not self._control

    def get(self) -> Any:
        address = self.address
        with address.condition:
            self.current = self.since = None
            while not self._control:
                now, wait_s = time.monotonic(), None
                if self.incarnation == address.incarnation:
                    letter = address.take(now)
                    if letter is not None:
                        self.current, self.since = letter, now
                        return letter
                    wait_s = address.next_timer_in_s(now)
                address.condition.wait(wait_s)
            return self._control.popleft()


class Supervised(pykka.ThreadingActor):
    """An actor with `init()`, `handle(message)` and `cleanup(reason)`; any exception of the first two ends it.

    The constructor takes its dependencies by keyword and does no I/O; `init` runs in the actor's own thread.
    """

    use_daemon_thread = True

    def __init__(self, address: Address) -> None:
        super().__init__()
        self.address = address
        address.actor = self
        self.inbox = Inbox(address)
        self.actor_inbox = self.inbox  # Pykka's loop needs put, get and empty only
        self.actor_ref.actor_inbox = self.inbox
        self.ready: pykka.Future[None] = pykka.ThreadingFuture()
        self.gone = threading.Event()
        self.reason: BaseException | None = None
        self.born = time.monotonic()
        self.thread_id: int | None = None
        self._is_initialised = False

    def init(self) -> None:
        """Before the first message."""

    def handle(self, message: Any) -> Any:
        raise NotImplementedError

    def cleanup(self, reason: BaseException | None) -> None:
        """After the last message; `reason` None means an orderly stop. Not called when `init` failed."""

    def interrupt(self) -> None:
        """Called from another thread when this actor must stop: cut what its handler may be waiting for."""

    def on_start(self) -> None:
        READER.set(self.inbox)
        try:
            self.thread_id = threading.get_ident()
            self.init()
            self._is_initialised = True
            self.ready.set(None)
        except BaseException as error:  # noqa: BLE001  # a SystemExit would stop every actor of the process
            self._end(error)
            contained = self._contained(error)
            self.ready.set_exception((type(contained), contained, error.__traceback__))

    def on_receive(self, message: Any) -> Any:
        letter = self.inbox.current
        CORRELATION.set(letter.correlation_id if letter else "")
        try:
            if isinstance(message, Crash):
                raise DebugCrash(message.reason)
            return self.handle(message)
        except BaseException as error:  # the same
            self._end(error)
            if isinstance(error, Exception):
                raise
            raise self._contained(error) from error

    def on_stop(self) -> None:
        self._end(None)

    def _contained(self, error: BaseException) -> Exception:
        """`error` as others may see it: a SystemExit ends this actor, not who waits for it."""
        return error if isinstance(error, Exception) else RuntimeError(f"{self.address.name} ended by {error!r}")

    def _end(self, reason: BaseException | None) -> None:
        if self.gone.is_set():
            return
        self.actor_stopped.set()
        pykka.ActorRegistry.unregister(self.actor_ref)
        if self._is_initialised:
            try:
                self.cleanup(reason)
            except BaseException as error:  # noqa: BLE001  # the same
                reason = reason or error
        self.reason = reason
        letter = self.inbox.current
        self.gone.set()
        if self._is_initialised and self.address.parent is not None:
            report = Exited(
                child=self.address.name,
                incarnation=self.inbox.incarnation,
                reason=reason,
                message=letter.message if letter else None,
                correlation_id=CORRELATION.get(),
            )
            self.address.parent.tell(report, urgent=True)
