"""Actors that do as their messages say and write down what befalls them, alone and in trees."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from actors.base import Address, Supervised
from actors.messages import Exited, RestartDue, Tick
from supervisor import Child, Supervisor
from tests.until import until

START_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Do:
    """To a Probe: call this with yourself."""

    action: Callable[["Probe"], Any]


class Probe(Supervised):
    """`journal` receives "NAME began" and "NAME ended", the latter with the reason's type if it was a crash."""

    def __init__(
        self, address: Address, *, journal: list[str], on_init: Callable[["Probe"], Any] = lambda probe: None
    ) -> None:
        super().__init__(address)
        self.journal = journal
        self.interrupted = 0
        self._on_init = on_init

    def init(self) -> None:
        self._on_init(self)
        self.journal.append(f"{self.address.name} began")

    def handle(self, message: Do) -> Any:
        return message.action(self)

    def cleanup(self, reason: BaseException | None) -> None:
        why = f" by {type(reason).__name__}" if reason is not None else ""
        self.journal.append(f"{self.address.name} ended{why}")

    def interrupt(self) -> None:
        self.interrupted += 1


def note(word: str) -> Do:
    """Have the probe write `word` into its journal."""
    return Do(action=lambda probe: probe.journal.append(word))


def fail(error: BaseException) -> Do:
    def action(probe: Probe) -> None:
        raise error

    return Do(action=action)


def leave() -> Do:
    """Have the probe end by itself, in order."""
    return Do(action=lambda probe: probe.stop())


class Switch:
    """An `on_init` that fails while it is on."""

    def __init__(self) -> None:
        self.is_on = False

    def __call__(self, probe: Probe) -> None:
        if self.is_on:
            raise OSError("no socket")


class Hang:
    """A message that hangs until `end()`."""

    def __init__(self) -> None:
        self.entered, self._end = threading.Event(), threading.Event()
        self.message = Do(action=self.wait)

    def wait(self, probe: object = None) -> None:
        self.entered.set()
        self._end.wait(START_S)

    def end(self) -> None:
        self._end.set()


class QuickAddress(Address):
    """A supervisor's address whose timers are due at once; `delays_s` are the restart delays that were asked for.

    While `is_holding`, restarts wait for `release()`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.delays_s: list[float] = []
        self.is_holding = False
        self._held: list[object] = []

    def tell_after(self, delay_s: float, message: object) -> None:
        if isinstance(message, RestartDue):
            self.delays_s.append(delay_s)
            if self.is_holding:
                self._held.append(message)
                return
        super().tell_after(0.01 if isinstance(message, Tick) else 0.0, message)

    def release(self) -> None:
        self.is_holding = False
        for message in self._held:
            self.tell(message, urgent=True)


class Clock:
    """The monotonic clock, moved by `ahead_s`; or standing still at `stopped_at_s`."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.stopped_at_s: float | None = None

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s if self.stopped_at_s is None else self.stopped_at_s


class Tree:
    """A root over probes and groups of them. `reports` and `restarted` are what its callbacks were told."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.reports: list[Exited] = []
        self.on_exit: Callable[[Exited], None] = self.reports.append
        self.restarted: list[str] = []
        self.clock = Clock()
        self.jitter = 0.0
        self.addresses: dict[str, Address] = {}
        self.root_address = QuickAddress("root")

    def probe(self, name: str, *, on_init: Callable[[Probe], Any] = lambda probe: None, **options: Any) -> Child:
        self.addresses[name] = Address(name, capacity=options.get("capacity", 1000))
        return Child(name=name, actor=Probe, arguments={"journal": self.journal, "on_init": on_init}, **options)

    def group(
        self,
        name: str,
        children: Sequence[Child],
        *,
        intensity: int = 1,
        on_exit: Callable[[Exited], None] | None = None,
        **options: Any,
    ) -> Child:
        """A supervisor under the root, parked when its children crash more often than `intensity`."""
        self.addresses[name] = QuickAddress(name)
        arguments = self.arguments(children, intensity=intensity) | ({"on_exit": on_exit} if on_exit else {})
        return Child(name=name, actor=Supervisor, arguments=arguments, is_parked_on_escalation=True, **options)

    def arguments(self, children: Sequence[Child], *, intensity: int = 5) -> dict[str, Any]:
        return {
            "children": children,
            "addresses": {child.name: self.addresses[child.name] for child in children},
            "intensity": intensity,
            "period_s": 30.0,
            "on_exit": self.on_exit,
            "on_restart": self.restarted.append,
            "clock": self.clock,
            "chance": lambda: self.jitter,
        }

    def start(self, *children: Child, intensity: int = 5) -> "Tree":
        """Returns when all have started; raises what kept one from it."""
        Supervisor.start(self.root_address, **self.arguments(children, intensity=intensity))
        self.root.ready.get(timeout=START_S)
        return self

    @property
    def root(self) -> Supervisor:
        assert isinstance(self.root_address.actor, Supervisor)
        return self.root_address.actor

    def tell(self, name: str, message: Do) -> None:
        self.addresses[name].tell(message)

    def ask(self, name: str, action: Callable[[Probe], Any] = lambda probe: probe.inbox.incarnation) -> Any:
        """What `action` gives; by default the incarnation that answers."""
        return self.addresses[name].ask(Do(action=action), timeout_s=START_S)

    def crash(self, name: str) -> None:
        self.tell(name, fail(ValueError("a bug")))

    def stop(self) -> None:
        root = self.root_address.actor
        if root is not None and root.thread_id is not None and not root.gone.is_set():
            self.root.actor_ref.stop(block=False)
            assert self.root.gone.wait(START_S), "the tree did not stop"

    def facts(self, name: str) -> dict[str, Any]:
        """What the root says of its child."""
        return next(child for child in self.root.describe() if child["name"] == name)

    def crash_and_await_restart(self, name: str) -> None:
        restarts = len(self.restarted)
        self.crash(name)
        until(lambda: len(self.restarted) > restarts)
        self.ask(name)
