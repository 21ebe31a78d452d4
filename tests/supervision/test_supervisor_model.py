"""Random crashes, hangs, stops, messages and waits: the supervisor and a model without threads agree at every step."""

import threading
from typing import Any

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.address import Address
from actors.base import Shutdown, Supervised
from actors.child import Child, ChildError, ChildRequest, DeleteChild, Policy, RestartChild, StartChild, TerminateChild
from actors.restarts import Backoff
from tests.supervision.probe import START_S, Do, Hang, Probe, Tree, fail, leave
from tests.supervision.supervision_model import (
    CHECK_S,
    DEADLINE_S,
    GROUP_DELAY_S,
    INTENSITY,
    MAX_DELAY_S,
    PERIOD_S,
    STABLE_S,
    Model,
)
from tests.until import until

NAMES = ["a", "b", "c", "d", "e", "f"]
DELAYS_S = {name: 0.71 + 0.137 * number for number, name in enumerate(NAMES)}  # no two restarts at the same time
ENDS = ["crash", "crash", "leave", "shutdown"]
RESTARTS = st.sampled_from(["permanent", "permanent", "transient", "temporary"])


class Gone(threading.Event):
    """Of a probe: patient with who is busy, while who hangs is given up at once."""

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self._probe = probe

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set() if self._probe.hanging is not None else super().wait(START_S)


class Patient(Probe):
    def __init__(self, address: Address, **arguments: Any) -> None:
        super().__init__(address, **arguments)
        self.gone = Gone(self)


class Comparison(RuleBasedStateMachine):
    """Children a to d from the start; all may come and go."""

    @initialize(
        strategy=st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
        restarts=st.lists(RESTARTS, min_size=1, max_size=4),
    )
    def begin(self, strategy: Any, restarts: list[str]) -> None:
        self.tree = Tree()
        self.words: dict[object, str] = {}
        self.handled: list[tuple[str, int, str]] = []
        self.hanging: dict[str, tuple[Hang, Supervised]] = {}
        static = list(zip(NAMES, restarts, DELAYS_S.values(), strict=False))
        policy = Policy(strategy=strategy, intensity=INTENSITY, period_s=PERIOD_S, check_every_s=CHECK_S)
        children = [self.child(name, restart) for name, restart, _ in static]
        backoff = Backoff(min_s=GROUP_DELAY_S, max_s=GROUP_DELAY_S)
        group = self.tree.group("group", children, policy=policy, backoff=backoff, shutdown_s=START_S, deadline_s=None)
        self.model = Model(strategy, static)
        self.tree.start(group, intensity=10**9)

    def child(self, name: str, restart: Any) -> Child:
        backoff = Backoff(min_s=DELAYS_S[name], max_s=MAX_DELAY_S, stable_after_s=STABLE_S)
        options: dict[str, Any] = {"restart": restart, "backoff": backoff, "deadline_s": DEADLINE_S}
        return self.tree.probe(name, on_init=self.on_init, actor=Patient, shutdown_s=START_S, **options)

    def on_init(self, probe: Probe) -> None:
        if probe.address.name in self.model.failing:
            raise OSError("no socket")

    def word(self, message: Do) -> tuple[str, Do]:
        """How the model calls the message, and itself."""
        word = self.words[message] = f"{len(self.words)}"
        return word, message

    def note(self) -> tuple[str, Do]:
        def action(probe: Probe) -> None:
            self.handled.append((probe.address.name, probe.inbox.incarnation, word))

        word, message = self.word(Do(action=action))
        return word, message

    def idle(self) -> list[str]:
        return [name for name, member in self.model.members.items() if member.is_idle]

    def has_mail(self) -> bool:
        return any(self.model.mail.values())

    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        known = sorted(self.tree.addresses.keys() & set(NAMES))
        # while a start may fail, only to who is idle: what waits may be handled before the group stops again, or not
        name = self.draw(data, self.idle() if self.model.failing else known)
        word, message = self.note()
        self.tree.tell(name, message)
        self.tree.settle()
        self.model.send(name, word)

    @rule(data=st.data(), how=st.sampled_from(ENDS), after=st.integers(0, 2), times=st.integers(1, 4))
    def end(self, data: st.DataObject, how: str, after: int, times: int) -> None:
        """By a message between others, which all wait until it hangs no more; again as soon as it is back."""
        name = self.draw(data, self.idle())
        self.end_once(name, how, 0 if self.model.failing else after)
        for _ in range(times - 1):
            self.pass_time(self.model.next_due())
            self.pass_time(self.model.next_due())
            if name in self.idle():
                self.end_once(name, how, 0 if self.model.failing else after)

    def end_once(self, name: str, how: str, after: int) -> None:
        hang = self.tree.hang(name)
        before, message = self.note()
        self.tree.tell(name, message)
        ends = {"crash": fail(ValueError("a bug")), "leave": leave(), "shutdown": fail(Shutdown("enough"))}
        word, message = self.word(ends[how])
        self.tree.tell(name, message)
        notes = [self.note() for _ in range(after)]
        for _, message in notes:
            self.tree.tell(name, message)
        hang.end()
        self.tree.settle()
        self.model.send(name, before)
        self.model.mail[name] += [word for word, _ in notes]
        self.model.end(name, how, word)
        self.agrees()

    @rule(data=st.data())
    def hang(self, data: st.DataObject) -> None:
        name = self.draw(data, self.idle())
        actor = self.tree.address(name).actor
        assert isinstance(actor, Supervised)
        hang = self.tree.hang(name)
        word, _ = self.word(hang.message)
        self.hanging[word] = hang, actor
        self.model.hang(name, word)

    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        word = self.draw(data, sorted(self.hanging))
        hang, actor = self.hanging.pop(word)
        hang.end()
        until(lambda: actor.gone.is_set() or not actor.inbox.is_fenced)
        if actor.inbox.is_fenced:
            assert threading.Event.wait(actor.gone, START_S)
        else:
            until(lambda: isinstance(actor, Probe) and actor.hanging is None)
        self.tree.settle()
        self.model.let_go(word)

    @rule(by_s=st.sampled_from([1.0, 3.0, 7.0, 25.0]))
    def wait(self, by_s: float) -> None:
        self.pass_time(self.model.now + by_s)

    def pass_time(self, end: float) -> None:
        """From one thing that is due to the next."""
        while self.model.now < end:
            now = min(end, self.model.next_due())
            self.tree.clock.move_to(now)
            self.tree.settle()
            self.model.run_until(now)
            self.agrees()

    @rule(name=st.none() | st.sampled_from(NAMES))
    def break_init(self, name: str | None) -> None:
        """From now on the child cannot start; or all can again."""
        if name is None:
            self.model.failing.clear()
        else:
            assume(not self.has_mail())
            self.model.failing.add(name)

    @rule(how=st.sampled_from(["add", "terminate", "delete", "restart", "force"]), name=st.sampled_from(NAMES),
          restart=RESTARTS)  # fmt: skip
    def change(self, how: str, name: str, restart: str) -> None:
        model = self.model
        assume(model.is_up)
        requests: dict[str, tuple[ChildRequest, Any]] = {
            "add": (StartChild(child=self.child(name, restart)), lambda: model.add(name, restart, DELAYS_S[name])),
            "terminate": (TerminateChild(name=name), lambda: model.terminate(name)),
            "delete": (DeleteChild(name=name), lambda: model.delete(name)),
            "restart": (RestartChild(name=name), lambda: model.restart(name)),
            "force": (RestartChild(name=name, is_forced=True), lambda: model.force(name)),
        }
        is_static = name in [static for static, _, _ in model.static]
        assume(how != "add" or not is_static or name in model.members)  # it would have two addresses
        request, expected = requests[how]
        answer = self.tree.address("group").ask(request, timeout_s=START_S)
        self.tree.settle()
        if isinstance(answer, Address):
            self.tree.addresses[answer.name] = answer
        assert (type(answer).__name__ if isinstance(answer, ChildError) else "ok") == expected()
        model.read_mail()

    def draw(self, data: st.DataObject, choices: list[str]) -> str:
        assume(choices)
        return data.draw(st.sampled_from(choices))

    @invariant()
    def agrees(self) -> None:
        tree, model = self.tree, self.model
        group = tree.facts("group")
        assert group["state"] == ("running" if model.is_up else "restarting")
        facts = ("name", "state", "incarnation", "inbox")
        assert [tuple(child[fact] for fact in facts) for child in group["children"]] == [
            (member.name, member.state, model.incarnations[member.name], len(model.mail.get(member.name, [])))
            for member in model.members.values()
        ]
        assert [child["name"] for child in group["children"] if child["message"]] == [
            member.name for member in model.members.values() if member.hang is not None
        ]
        assert tree.journal == [f"{name} {what}" for name, what in model.journal]
        for name in NAMES:
            assert [one for one in self.handled if one[0] == name] == [one for one in model.handled if one[0] == name]
        letters = [
            (letter.target, self.words[letter.message], letter.reason.value)
            for letter in tree.dead_letters.recent()
            if letter.target in NAMES
        ]
        assert letters == model.dead
        assert tree.hooks.zombies.count() == len(model.zombies)
        known = tree.addresses.keys() & set(NAMES)
        assert {name for name in known if tree.address(name).is_closed} == model.closed & known

    def teardown(self) -> None:
        if hasattr(self, "tree"):
            self.tree.stop()


TestComparison = Comparison.TestCase
TestComparison.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=30)  # 1,000 of all
