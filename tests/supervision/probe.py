"""Actors that do as their messages say and write down what befalls them, alone and in trees whose time stands still."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.address import Address, Mailbox
from actors.base import Supervised
from actors.child import Child, Policy
from actors.dead_letters import DeadLetter, DeadLetters
from actors.exits import ExitReport, Hooks
from actors.restarts import Backoff
from supervisor import Supervisor
from tests.supervision.manual_clock import ManualClock
from tests.until import until

START_S = 10.0
AT_ONCE = Backoff(min_s=0.0)


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
        self.hanging: Hang | None = None
        self.is_leaving = False
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
        if self.hanging is not None and self.hanging.is_interruptible:
            self.hanging.end()


def note(word: str) -> Do:
    """Have the probe write `word` into its journal."""
    return Do(action=lambda probe: probe.journal.append(word))


def fail(error: BaseException) -> Do:
    def action(probe: Probe) -> None:
        raise error

    return Do(action=action)


def leave() -> Do:
    """Have the probe end by itself, in order."""

    def action(probe: Probe) -> None:
        probe.is_leaving = True
        probe.stop()

    return Do(action=action)


class Switch:
    """An `on_init` that fails with `error` while it is on."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.is_on = False
        self.error = error or OSError("no socket")

    def __call__(self, probe: Probe) -> None:
        if self.is_on:
            raise self.error


class Hang:
    """A message that hangs until `end()`, or until its actor is interrupted, and then may fail with `error`."""

    def __init__(self, error: BaseException | None = None, *, is_interruptible: bool = False) -> None:
        self.entered, self._end = threading.Event(), threading.Event()
        self.is_interruptible = is_interruptible
        self.message = Do(action=self.wait)
        self._error = error

    def wait(self, probe: Probe | None = None) -> None:
        if probe is not None:
            probe.hanging = self
        self.entered.set()
        self._end.wait(START_S)
        if probe is not None:
            probe.hanging = None
        if self._error is not None:
            raise self._error

    @property
    def is_over(self) -> bool:
        return self._end.is_set()

    def end(self) -> None:
        self._end.set()


class Tree:
    """A root over probes and groups of them, whose time stands still.

    By default restarts are due at once. `reports`, `restarted` and `dead_letters` are what its hooks were told.
    """

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.reports: list[ExitReport] = []
        self.restarted: list[str] = []
        self.clock = ManualClock()
        self.on_letter: Callable[[DeadLetter], None] = lambda letter: None
        self.dead_letters = DeadLetters(on_letter=lambda letter: self.on_letter(letter), clock=self.clock, kept=None)
        self.chance = 0.0
        self.hangs: list[Hang] = []
        self.hooks = Hooks(
            on_exit=self.reports.append, on_restart=self.restarted.append, chance=lambda: self.chance, zombie_limit=None
        )
        self.addresses: dict[str, Address] = {}
        self.root_address = self.address("root")

    def address(self, name: str, mailbox: Mailbox | None = None) -> Address:
        """The address of that name, made when first asked for."""
        if name not in self.addresses:
            made = Address(name, mailbox=mailbox, clock=self.clock, dead_letters=self.dead_letters)
            self.addresses[name] = made
        return self.addresses[name]

    def probe(self, name: str, *, on_init: Callable[[Probe], Any] = lambda probe: None, **options: Any) -> Child:
        arguments = {"journal": self.journal, "on_init": on_init}
        default: dict[str, Any] = {"actor": Probe, "arguments": arguments, "backoff": AT_ONCE}
        return Child(name=name, **default | options)

    def group(self, name: str, children: Sequence[Child], *, policy: Policy | None = None, **options: Any) -> Child:
        """A supervisor under the root."""
        default: dict[str, Any] = {"arguments": self.arguments(children, policy or Policy()), "backoff": AT_ONCE}
        return Child(name=name, actor=Supervisor, **default | options)

    def arguments(self, children: Sequence[Child], policy: Policy) -> dict[str, Any]:
        addresses = {child.name: self.address(child.name) for child in children}
        return {"children": children, "addresses": addresses, "policy": policy, "hooks": self.hooks}

    def start(self, *children: Child, **policy: Any) -> "Tree":
        """Returns when all have started; raises what kept one from it."""
        Supervisor.start(self.root_address, **self.arguments(children, Policy(**policy)))
        self.root.ready.get(timeout=START_S)
        return self

    @property
    def root(self) -> Supervisor:
        assert isinstance(self.root_address.actor, Supervisor)
        return self.root_address.actor

    def change_hooks(self, **hooks: Any) -> None:
        """Before the start."""
        self.hooks = replace(self.hooks, **hooks)

    def tell(self, name: str, message: Do) -> None:
        self.address(name).tell(message)

    def ask(self, name: str, action: Callable[[Probe], Any] = lambda probe: probe.inbox.incarnation) -> Any:
        """What `action` gives; by default the incarnation that answers."""
        return self.address(name).ask(Do(action=action), timeout_s=START_S)

    def crash(self, name: str, error: BaseException | None = None) -> None:
        self.tell(name, fail(error or ValueError("a bug")))

    def crash_and_await_restart(self, name: str) -> None:
        before = self.facts(name)["incarnation"]
        self.crash(name)
        self.until_state(name, "running", after=before)

    def crash_down(self, name: str) -> None:
        """Returns when its supervisor knows, and the back-off runs."""
        before = self.facts(name)["incarnation"]
        self.crash(name)
        self.until_state(name, "restarting", after=before)

    def settle(self) -> None:
        """Returns when nothing moves any more, unless time goes on or somebody lets go who hangs."""
        pause = threading.Event()
        for _ in range(100):  # most often it takes less than a millisecond
            if is_still(self.root):
                return
            pause.wait(0.0003)
        until(lambda: is_still(self.root), what="the tree to settle")

    def hang(self, name: str, error: BaseException | None = None, *, is_interruptible: bool = False) -> Hang:
        """Returns when the child is at it."""
        hang = Hang(error, is_interruptible=is_interruptible)
        self.hangs.append(hang)
        self.tell(name, hang.message)
        assert hang.entered.wait(START_S)
        return hang

    def states(self, *names: str) -> list[str]:
        return [self.facts(name)["state"] for name in names]

    def incarnations(self, *names: str) -> list[int]:
        """Which are left in the end; each must answer."""
        self.settle()
        return [self.ask(name) for name in names]

    def until_state(self, name: str, state: str, *, after: int = 0) -> None:
        """Wait until a child is in `state`, in an incarnation later than `after`."""

        def is_so() -> bool:
            if not self.has(name):  # its group is down
                return False
            facts = self.facts(name)
            return facts["state"] == state and bool(facts["incarnation"] > after)

        until(is_so, what=f"{name} to be {state}")

    def facts(self, name: str) -> dict[str, Any]:
        """What the tree says of that child, wherever it is."""
        return next(child for child in walk(self.root.describe()) if child["name"] == name)

    def has(self, name: str) -> bool:
        return any(child["name"] == name for child in walk(self.root.describe()))

    def stop(self) -> None:
        """In order; whoever hangs is let go first."""
        for hang in self.hangs:
            hang.end()
        self.halt()

    def halt(self) -> None:
        root = self.root_address.actor
        if isinstance(root, Supervisor) and root.thread_id is not None and not root.gone.is_set():
            root.actor_ref.stop(block=False)
            assert root.gone.wait(START_S), "the tree did not stop"


def is_still(actor: Supervised) -> bool:
    """Whether it and all below it wait for messages or hang; from the leaves up, for that is how news travels."""
    if isinstance(actor, Supervisor):
        below = [running.actor for running in list(actor.running.values())]
        if not all(child is None or is_still(child) for child in below):
            return False
    if isinstance(actor, Probe) and actor.hanging is not None and not actor.hanging.is_over:
        return True
    inbox, address = actor.inbox, actor.address
    due_in_s = address.next_timer_in_s(address.clock())
    is_busy = inbox.current is not None or not inbox.empty() or address.depth > 0
    is_ending = actor.actor_stopped.is_set() or (isinstance(actor, Probe) and actor.is_leaving)
    return (
        actor.gone.is_set()
        if actor.address.parent is None and is_ending
        else not (is_busy or is_ending or (due_in_s is not None and due_in_s <= 0))
    )


def walk(children: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The children and all below them."""
    for child in children:
        yield child
        yield from walk(child["children"])
