"""The base class of everything that is supervised: an actor that reads an Address and reports its end."""

import threading
from typing import Any, assert_never

import pykka

from actors.address import READER, Address, Inbox
from actors.dead_letters import Lost
from actors.messages import Crash, Exited
from metrics.logs import CORRELATION

EXIT_IN_USE, EXIT_ZOMBIES = 3, 71
"""Exit codes of a daemon that needs what another one holds, and of one in which too many threads hang."""


class DebugCrash(Exception):
    """An actor did as the debug message asked."""


class Fatal(Exception):
    """The daemon cannot go on: it ends with `exit_code` and says this text."""

    def __init__(self, text: str, *, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Shutdown(Exception):
    """Raised by an actor that ends in order and by its own wish; only a permanent child is started again."""


class Ignore(Exception):
    """Raised by `init` when there is nothing to do: the child is not started, and that is no failure."""


class Supervised(pykka.ThreadingActor):
    """An actor with `init()`, `handle(message)` and `cleanup(reason)`; any exception of the first two ends it.

    The constructor takes its dependencies by keyword and does no I/O; `init` runs in the actor's own thread.
    """

    use_daemon_thread = True
    KIND = "actor"

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
        self.born = address.clock()
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

    def describe(self) -> list[dict[str, Any]]:
        """The children as plain facts, for people; none for an actor that is no supervisor. Any thread may ask."""
        return []

    def exited(self, reason: BaseException | None) -> Exited:
        """How this incarnation's end is reported, with the message that was in work."""
        letter = self.inbox.lost or self.inbox.current
        return Exited(
            child=self.address.name,
            incarnation=self.inbox.incarnation,
            reason=reason,
            message=letter.message if letter is not None else None,
            correlation_id=letter.correlation_id if letter is not None else "",
        )

    def on_start(self) -> None:
        READER.set(self.inbox)
        try:
            self.thread_id = threading.get_ident()
            threading.current_thread().name = self.address.name
            self.init()
            self._is_initialised = True
            self.inbox.begin()
            self.ready.set(None)
        except BaseException as error:  # noqa: BLE001  # a SystemExit would stop every actor of the process
            self._end(error)
            contained = self._contained(error)
            self.ready.set_exception((type(contained), contained, error.__traceback__))

    def on_receive(self, message: Any) -> Any:
        letter = self.inbox.current
        if letter is not None:
            CORRELATION.set(letter.correlation_id)
        try:
            if isinstance(message, Crash):
                _crash(message)
            answer = self.handle(message)
        except BaseException as error:  # the same
            self._end(error)
            if isinstance(error, Exception):
                raise
            raise self._contained(error) from error
        self.inbox.finish()
        return answer

    def on_stop(self) -> None:
        self._end(None)

    def _contained(self, error: BaseException) -> Exception:
        """`error` as others may see it: a SystemExit ends this actor, not who waits for it."""
        return error if isinstance(error, Exception) else RuntimeError(f"{self.address.name} ended by {error!r}")

    def _end(self, reason: BaseException | None) -> None:
        self.actor_stopped.set()
        pykka.ActorRegistry.unregister(self.actor_ref)
        if self._is_initialised:
            self.inbox.since = self.inbox.since or self.address.clock()  # a cleanup can hang, too
            self.inbox.go_on()
            try:
                self.cleanup(reason)
            except BaseException as error:  # noqa: BLE001  # the same
                reason = reason or error
        self.reason = reason
        self.inbox.end()
        if reason is not None and not isinstance(reason, Shutdown):
            self.inbox.lose(Lost.CRASHED, self._contained(reason))
        self.gone.set()
        if self._is_initialised and self.address.parent is not None:
            self.address.parent.tell(self.exited(reason), urgent=True)


def _crash(message: Crash) -> None:
    match message.how:
        case "exception":
            raise DebugCrash("asked to crash")
        case "system_exit":
            raise SystemExit("asked to crash")
        case "keyboard_interrupt":
            raise KeyboardInterrupt
        case "hang":
            threading.Event().wait()
        case _:
            assert_never(message.how)
