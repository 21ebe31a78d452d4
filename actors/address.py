"""Addresses: stable names with bounded mailboxes that outlive the actors who read them.

Each incarnation of an actor reads its address through an Inbox of its own. A message in work when the actor crashes is
lost (its job's row is not), the rest wait for the successor in their order. An incarnation that was fenced, because it
hung or was stopped, reads nothing more. Every message ends once: it is refused, handled, or a dead letter.
"""

import contextvars
import heapq
import itertools
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pykka

from actors.clock import SYSTEM, Clock
from actors.dead_letters import DeadLetters, Lost
from actors.messages import Terminated
from metrics import logs
from metrics.logs import CORRELATION

Overflow = Literal["refuse", "drop_oldest", "drop_newest"]
WhileDown = Literal["wait", "refuse"]

READER: contextvars.ContextVar["Inbox | None"] = contextvars.ContextVar("reader", default=None)
"""The inbox that this thread reads."""
PROCESS, NUMBERS = secrets.token_hex(3), itertools.count(1)
"""What new correlation ids are made of."""


class MailboxFull(Exception):
    """The address holds as many messages as it may."""


class AddressDown(Exception):
    """Nobody reads the address: for good, or for now and its mailbox does not keep messages meanwhile."""


class AskTimeout(Exception):
    """No answer within the deadline; the message may still be handled."""


@dataclass(frozen=True, kw_only=True)
class Mailbox:
    """How an address keeps what waits.

    When `capacity` messages wait already, "refuse" raises MailboxFull in the sender, "drop_oldest" and "drop_newest"
    make a dead letter of the one or the other. While no actor reads, messages "wait", or "refuse" raises AddressDown.
    """

    capacity: int = 1000
    overflow: Overflow = "refuse"
    while_down: WhileDown = "wait"

    def __post_init__(self) -> None:
        for key, value, known in (
            ("overflow", self.overflow, get_args(Overflow)),
            ("while_down", self.while_down, get_args(WhileDown)),
        ):
            if value not in known:
                raise ValueError(f"a mailbox's {key} is one of {', '.join(known)}, not {value!r}")
        if self.capacity < 1:
            raise ValueError(f"a mailbox holds one message or more, not {self.capacity}")


class Reply(pykka.ThreadingFuture[Any]):
    """The answer to an ask. The first counts, for a supervisor may answer in the place of an actor that hangs."""

    def set(self, value: Any = None) -> None:
        try:
            super().set(value)
        except queue.Full:
            return  # suppress() would be nicer, and is dear in what every question passes

    def set_exception(self, exc_info: Any = None) -> None:
        with suppress(queue.Full):
            super().set_exception(exc_info)


class Letter:
    """A message on its way, in the shape that Pykka's loop expects (`message`, `reply_to`).

    By default it belongs to what its sender works on, or starts something new; "" belongs to nothing.
    """

    __slots__ = ("correlation_id", "message", "reply_to")

    def __init__(self, message: object, reply_to: Reply | None = None, correlation_id: str | None = None) -> None:
        self.message = message
        self.reply_to = reply_to
        if correlation_id is None:
            correlation_id = CORRELATION.get() or f"{PROCESS}-{next(NUMBERS)}"
        self.correlation_id = correlation_id


class Address:
    """A stable name and mailbox. Urgent messages overtake the others and are never refused.

    Timers end with the incarnation that set them. `on_handled(message, duration_s)` hears of each message that was
    handled; what it raises is logged, for who watches must not change what is watched.
    """

    def __init__(
        self,
        name: str,
        *,
        mailbox: Mailbox | None = None,
        parent: "Address | None" = None,
        clock: Clock = SYSTEM,
        dead_letters: DeadLetters | None = None,
        on_handled: Callable[[object, float], None] | None = None,
    ) -> None:
        self.name, self.parent, self.clock = name, parent, clock
        self.mailbox = mailbox or Mailbox()
        self.dead_letters = dead_letters or DeadLetters(clock=clock)
        self.on_handled = on_handled
        self.incarnation = 1
        self.actor: pykka.Actor | None = None  # the present incarnation, or the last
        self.is_read = False  # an actor has started and not ended
        self.is_closed = False  # the last actor has ended for good
        self.restarts, self.last_error = 0, ""  # of all its incarnations, also across those of their supervisor
        self.lock = threading.Lock()  # held while letters come, go and end
        self._arrived, self._room = threading.Condition(self.lock), threading.Condition(self.lock)
        self._is_awaited, self._senders_waiting = False, 0  # to notify is dear, and most often nobody waits
        self._waiting: deque[Letter] = deque()
        self._urgent: deque[Letter] = deque()
        self._timers: list[tuple[float, int, Letter]] = []
        self._sequence = itertools.count()
        self._watchers: dict[Address, None] = {}

    @property
    def depth(self) -> int:
        """Messages waiting."""
        return len(self._waiting) + len(self._urgent)

    def tell(
        self, message: object, *, urgent: bool = False, timeout_s: float = 0.0, correlation_id: str | None = None
    ) -> None:
        """Leave `message`; waits up to `timeout_s` for room, then does as the mailbox says.

        To an address that is closed it is a dead letter. `correlation_id` is that of the message in work, or a new one.
        Raises MailboxFull or AddressDown.
        """
        self._put(Letter(message, None, correlation_id), urgent=urgent, timeout_s=timeout_s)

    def ask(self, message: object, *, timeout_s: float) -> Any:
        """The answer to `message`, or AskTimeout; what the handler raises is raised here too. Not between actors.

        Raises AddressDown at once when nobody will ever answer.
        """
        reply, give_up_at = Reply(), time.monotonic() + timeout_s
        letter = Letter(message, reply)
        if timeout_s > 0:
            self._put(letter, urgent=False, timeout_s=timeout_s)
        try:
            return reply.get(timeout=give_up_at - time.monotonic())
        except pykka.Timeout:
            raise AskTimeout(
                f"{self.name} did not answer {type(message).__name__} within {timeout_s} s "
                f"(correlation id {letter.correlation_id})"
            ) from None

    def tell_after(self, delay_s: float, message: object) -> None:
        """Leave `message` in `delay_s` seconds, unless the present incarnation has ended by then.

        From an incarnation that was fenced it is not taken: its successor has set timers of its own.
        """
        reader, letter = READER.get(), Letter(message, correlation_id="")
        with self.lock:
            is_fenced = reader is not None and reader.address is self and reader.is_fenced
            if not is_fenced and not self.is_closed:
                heapq.heappush(self._timers, (self.clock() + delay_s, next(self._sequence), letter))
                self.wake()

    def watch(self, watcher: "Address") -> None:
        """Have `watcher` told Terminated once, when this address is closed; at once if it is. A restart is no end."""
        with self.lock:
            if not self.is_closed:
                self._watchers[watcher] = None
                return
        watcher.tell(Terminated(name=self.name), urgent=True)

    def fence(self, incarnation: int) -> None:
        """That incarnation reads nothing more and its timers are forgotten; nothing happens if it is not present."""
        with self.lock:
            if incarnation != self.incarnation:
                return
            self.incarnation += 1
            self._timers.clear()
            self.wake()
            self.end_reading()

    def close(self) -> None:
        """Nobody will read it any more: what waits becomes dead letters, watchers are told, asks are answered."""
        with self.lock:
            left, watchers = [*self._urgent, *self._waiting], self._watchers
            self._urgent.clear()
            self._waiting.clear()
            self._timers.clear()
            self._watchers = {}
            self.is_closed = True
            self._room.notify_all()
        for letter in left:
            self._lose(letter, Lost.STOPPED)
        for watcher in watchers:
            watcher.tell(Terminated(name=self.name), urgent=True)

    def reopen(self) -> None:
        """It will be read again."""
        self.is_closed = False

    def take(self, now: float) -> Letter | None:
        """The next letter, with `lock` held; None if none is due."""
        if self._urgent:
            return self._urgent.popleft()
        if self._timers and self._timers[0][0] <= now:
            return heapq.heappop(self._timers)[2]
        if not self._waiting:
            return None
        if self._senders_waiting:
            self._room.notify()
        return self._waiting.popleft()

    def next_timer_in_s(self, now: float) -> float | None:
        return self._timers[0][0] - now if self._timers else None

    def wait(self, timeout_s: float | None) -> None:
        """Until `wake` or `timeout_s` seconds have passed, with `lock` held."""
        self._is_awaited = True
        self.clock.wait(self._arrived, timeout_s)

    def wake(self) -> None:
        """Have the readers look again, with `lock` held."""
        if self._is_awaited:
            self._is_awaited = False
            self._arrived.notify_all()

    def end_reading(self) -> None:
        """Nobody reads for now, with `lock` held."""
        self.is_read = False
        self._room.notify_all()

    def _put(self, letter: Letter, *, urgent: bool, timeout_s: float) -> None:
        dropped = None
        with self.lock:
            if not urgent and not self._has_place():
                dropped = self._make_room(letter, timeout_s)
            is_closed = self.is_closed
            if not is_closed and dropped is not letter:
                (self._urgent if urgent else self._waiting).append(letter)
                self.wake()
        if dropped is not None:
            self._lose(dropped, Lost.OVERFLOW)
        if is_closed:
            self._lose(letter, Lost.GONE)

    def _has_place(self) -> bool:
        """Whether a sender need not wait, with `lock` held. Raises AddressDown."""
        if self.is_closed:
            return True
        if not self.is_read and self.mailbox.while_down == "refuse":
            raise AddressDown(f"{self.name} is down, and does not keep messages meanwhile")
        return len(self._waiting) < self.mailbox.capacity

    def _make_room(self, letter: Letter, timeout_s: float) -> Letter | None:
        """Wait for a place, with `lock` held; returns which letter is dropped if none comes, or raises MailboxFull."""
        if timeout_s > 0:
            self._senders_waiting += 1
            try:
                if self._room.wait_for(self._has_place, timeout_s):
                    return None
            finally:
                self._senders_waiting -= 1
        if self.mailbox.overflow == "refuse":
            raise MailboxFull(f"{self.name} holds {self.mailbox.capacity} messages already")
        return self._waiting.popleft() if self.mailbox.overflow == "drop_oldest" else letter

    def _lose(self, letter: Letter, reason: Lost) -> None:
        if letter.reply_to is not None:
            error: Exception = AddressDown(f"{self.name} has ended")
            if reason is Lost.OVERFLOW:
                error = MailboxFull(f"{self.name} dropped the message: it holds {self.mailbox.capacity} already")
            letter.reply_to.set_exception((type(error), error, None))
        self.dead_letters.add(self.name, letter.message, correlation_id=letter.correlation_id, reason=reason)


class Inbox:
    """One incarnation's view of an Address, put in the place of Pykka's own queue."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.incarnation = address.incarnation
        self.current: Letter | None = None  # in work
        self.since: float | None = None  # when that began, or the cleanup of an actor that ends with none
        self.silent_since: float | None = None  # since then nothing is known of it
        self.lost: Letter | None = None  # was in work when the actor crashed or was given up
        self._control: list[Any] = []  # a list, for of a deque the first 600 bytes are never used

    @property
    def is_fenced(self) -> bool:
        return self.incarnation != self.address.incarnation

    def begin(self) -> None:
        """The actor has initialised itself."""
        with self.address.lock:
            if not self.is_fenced:
                self.address.is_read = True

    def end(self) -> None:
        """The actor reads no more."""
        with self.address.lock:
            self.since = self.silent_since = None
            if not self.is_fenced:
                self.address.end_reading()

    def put(self, envelope: Any) -> None:
        """Only Pykka's own stop message comes this way; it overtakes everything."""
        with self.address.lock:
            self._control.append(envelope)
            self.address.wake()

    def empty(self) -> bool:
        """Pykka drains what this calls non-empty when an actor ends: the mailbox is not its to drain."""
        return not self._control

    def get(self) -> Any:
        address = self.address
        with address.lock:
            while not self._control:
                now, wait_s = address.clock(), None
                if self.incarnation == address.incarnation:
                    letter = address.take(now)
                    if letter is not None:
                        self.current, self.since, self.silent_since = letter, now, now
                        return letter
                    wait_s = address.next_timer_in_s(now)
                address.wait(wait_s)
            return self._control.pop(0)

    def go_on(self) -> None:
        """What is in work takes long and does not hang: its deadline begins anew."""
        with self.address.lock:
            if self.since is not None:
                self.silent_since = self.address.clock()

    def finish(self) -> None:
        """The message in work is handled, unless the actor was given up meanwhile: then it is lost already."""
        address, since = self.address, self.since
        letter = self._settle()
        if letter is None or since is None or address.on_handled is None:
            return
        try:
            address.on_handled(letter.message, address.clock() - since)
        except BaseException:  # noqa: BLE001  # who watches must not change what it watches
            logs.logger(address.name).exception("a hook failed", hook="on_handled")

    def lose(self, reason: Lost, error: BaseException) -> None:
        """The message in work is a dead letter; who asked for its answer gets `error`."""
        letter = self._settle()
        if letter is None:
            return
        self.lost = letter
        if letter.reply_to is not None:
            letter.reply_to.set_exception((type(error), error, error.__traceback__))
        self.address.dead_letters.add(
            self.address.name, letter.message, correlation_id=letter.correlation_id, reason=reason, error=error
        )

    def _settle(self) -> Letter | None:
        """The message in work, to who asks first: the actor that ends it, or the supervisor that gives it up."""
        with self.address.lock:
            letter, self.current = self.current, None
            self.since = self.silent_since = None
            return letter
