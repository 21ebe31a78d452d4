"""One address and the actors that read it one after the other, without a supervisor, in time that tests move."""

from collections.abc import Callable
from typing import Any

from actors.address import Address, Mailbox
from actors.base import Supervised
from actors.dead_letters import DeadLetters
from tests.supervision.manual_clock import ManualClock
from tests.supervision.probe import START_S, Do, Hang, Probe


class Lone:
    """`handled` receives every message that `on_handled` heard of, and `durations_s` for how long it was in work."""

    def __init__(self, mailbox: Mailbox | None = None) -> None:
        self.clock = ManualClock()
        self.journal: list[str] = []
        self.handled: list[object] = []
        self.durations_s: list[float] = []
        self.dead_letters = DeadLetters(clock=self.clock, kept=None)
        self.address = self.another("a", mailbox)
        self.address.on_handled = self._on_handled
        self._started: list[Supervised] = []
        self._hangs: list[Hang] = []

    def another(self, name: str, mailbox: Mailbox | None = None) -> Address:
        return Address(name, mailbox=mailbox, clock=self.clock, dead_letters=self.dead_letters)

    def launch(
        self,
        actor: type[Probe] = Probe,
        *,
        address: Address | None = None,
        on_init: Callable[[Probe], Any] = lambda probe: None,
    ) -> Probe:
        """It may not have started when this returns."""
        address = address or self.address
        actor.start(address, journal=self.journal, on_init=on_init)
        probe = address.actor
        assert isinstance(probe, Probe)
        self._started.append(probe)
        return probe

    def start(self, actor: type[Probe] = Probe, *, address: Address | None = None) -> Probe:
        """Returns when it reads; that it began is not in the journal."""
        probe = self.launch(actor, address=address)
        probe.ready.get(timeout=START_S)
        self.journal.remove(f"{probe.address.name} began")
        return probe

    def succeed(self) -> Probe:
        """Fence the present incarnation and start the next."""
        self.address.fence(self.address.incarnation)
        return self.start()

    def ask(self, action: Callable[[Probe], Any] = lambda probe: probe.inbox.incarnation) -> Any:
        """What `action` gives; by default the incarnation that answers."""
        return self.address.ask(Do(action=action), timeout_s=START_S)

    def occupy(self) -> Hang:
        """Returns when the actor is busy with it."""
        hang = Hang()
        self._hangs.append(hang)
        self.address.tell(hang.message)
        assert hang.entered.wait(START_S)
        return hang

    def stop(self) -> None:
        for hang in self._hangs:
            hang.end()
        for actor in self._started:
            actor.actor_ref.stop(block=False)
            assert actor.gone.wait(START_S), "an actor did not stop"

    def _on_handled(self, message: object, duration_s: float) -> None:
        self.handled.append(message)
        self.durations_s.append(duration_s)
