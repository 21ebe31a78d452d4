"""A supervisor as dictionaries and lists, without threads: what its tests compare the real one with.

One group under a root that always starts it again. `journal` receives (child, what befell it), `handled` (child,
incarnation, word), `dead` (child, word, reason).
"""

from dataclasses import dataclass, field

INTENSITY, PERIOD_S, DEADLINE_S, CHECK_S, STABLE_S = 3, 30.0, 5.0, 2.0, 20.0
MAX_DELAY_S, GROUP_DELAY_S = 4.0, 8.0


@dataclass
class Member:
    """One child. `alive` is the incarnation that runs."""

    name: str
    restart: str
    min_delay_s: float
    is_dynamic: bool = False
    state: str = "stopped"
    alive: int | None = None
    born: float = 0.0
    crashes: int = 0
    ticket: int = 0
    hang: str | None = None
    since: float = 0.0

    @property
    def is_idle(self) -> bool:
        return self.alive is not None and self.hang is None


class StartFailed(Exception):
    """A child's `init` failed."""


class GroupEnded(Exception):
    """One restart too many."""


@dataclass
class Model:
    strategy: str
    static: list[tuple[str, str, float]]
    now: float = 1000.0
    members: dict[str, Member] = field(default_factory=dict)
    incarnations: dict[str, int] = field(default_factory=dict)
    mail: dict[str, list[str]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    zombies: dict[str, str] = field(default_factory=dict)  # hang -> child
    journal: list[tuple[str, str]] = field(default_factory=list)
    handled: list[tuple[str, int, str]] = field(default_factory=list)
    dead: list[tuple[str, str, str]] = field(default_factory=list)
    timers: list[tuple[float, int]] = field(default_factory=list)  # (due, ticket); ticket 0 is the check
    recent: list[float] = field(default_factory=list)
    is_up: bool = False
    group_due: float = 0.0
    tickets: int = 0
    ended_groups: int = 0

    def __post_init__(self) -> None:
        self.start_group()

    # What tests do to it

    def send(self, name: str, word: str) -> None:
        if name in self.closed:
            self.dead.append((name, word, "gone"))
        else:
            self.mail.setdefault(name, []).append(word)
            self.read_mail()

    def end(self, name: str, how: str, word: str) -> None:
        """The child, which is idle, ends by itself."""
        member = self.members[name]
        self.journal.append((name, {"crash": "ended by ValueError", "leave": "ended"}.get(how, "ended by Shutdown")))
        if how == "crash":
            self.dead.append((name, word, "crashed"))
        self.guarded(lambda: self.ended(member, is_orderly=how != "crash"))

    def hang(self, name: str, hang: str) -> None:
        self.members[name].hang, self.members[name].since = hang, self.now

    def let_go(self, hang: str) -> None:
        if hang in self.zombies:
            self.journal.append((self.zombies.pop(hang), "ended"))
            return
        for member in self.members.values():
            if member.hang == hang:
                member.hang = None
        self.read_mail()

    def add(self, name: str, restart: str, min_delay_s: float) -> str:
        """What is answered: "ok" or an error's name."""
        if name in self.members:
            return "AlreadyPresent" if self.members[name].state == "stopped" else "AlreadyStarted"
        member = Member(name, restart, min_delay_s, is_dynamic=True)
        self.mail[name], self.incarnations[name] = [], 1
        try:
            self.members[name] = member
            self.start(member)
        except StartFailed:
            del self.members[name]
            self.close(name)
            return "DidNotStart"
        return "ok"

    def terminate(self, name: str) -> str:
        if name not in self.members:
            return "NotFound"
        self.halt([name])
        self.close(name)
        if self.members[name].restart == "temporary":
            del self.members[name]
        return "ok"

    def delete(self, name: str) -> str:
        refusal = self.not_stopped(name)
        if refusal is None:
            del self.members[name]
            self.close(name)
        return refusal or "ok"

    def restart(self, name: str) -> str:
        refusal = self.not_stopped(name)
        if refusal is not None:
            return refusal
        try:
            self.start(self.members[name])
        except StartFailed:
            self.close(name)
            return "DidNotStart"
        return "ok"

    def force(self, name: str) -> str:
        if name not in self.members:
            return "NotFound"
        member = self.members[name]
        if member.restart == "temporary":
            return self.not_stopped(name) or self.restart(name)
        self.halt([name])
        member.crashes = 0
        self.plan([name], 0.0)
        self.run_until(self.now)
        return "ok"

    def next_due(self) -> float:
        return min(due for due, _ in self.timers) if self.is_up else self.group_due

    def run_until(self, now: float) -> None:
        """Do what is due then."""
        self.now = now
        while self.next_due() <= now:
            if not self.is_up:
                self.start_group()
                continue
            timer = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.guarded(lambda ticket=timer[1]: self.check() if ticket == 0 else self.due(ticket))

    # What it does

    def not_stopped(self, name: str) -> str | None:
        if name not in self.members:
            return "NotFound"
        member = self.members[name]
        if member.state == "stopped":
            return None
        return "StillRestarting" if member.alive is None else "StillRunning"

    def start_group(self) -> None:
        self.members = {name: Member(name, restart, delay_s) for name, restart, delay_s in self.static}
        self.recent, self.timers, self.is_up = [], [], True
        try:
            for member in self.members.values():
                self.start(member)
        except StartFailed:
            self.end_group()
            return
        self.timers.append((self.now + CHECK_S, 0))
        self.read_mail()

    def end_group(self) -> None:
        self.halt(list(self.members))
        for member in self.members.values():
            if member.is_dynamic:
                self.close(member.name)
        self.members, self.is_up, self.group_due = {}, False, self.now + GROUP_DELAY_S
        self.ended_groups += 1

    def guarded(self, step: object) -> None:
        try:
            step()  # type: ignore[operator]
        except GroupEnded:
            self.end_group()
        self.read_mail()

    def read_mail(self) -> None:
        for member in self.members.values():
            while member.alive is not None and member.hang is None and self.mail.get(member.name):
                self.handled.append((member.name, member.alive, self.mail[member.name].pop(0)))

    def start(self, member: Member) -> None:
        name = member.name
        self.closed.discard(name)
        member.ticket = 0
        if name in self.failing:
            member.state = "stopped"
            self.incarnations[name] += 1
            raise StartFailed
        member.state, member.born, member.hang = "running", self.now, None
        member.alive = self.incarnations.setdefault(name, 1)
        self.journal.append((name, "began"))

    def close(self, name: str) -> None:
        self.dead += [(name, word, "stopped") for word in self.mail.get(name, [])]
        self.mail[name] = []
        self.closed.add(name)

    def halt(self, names: list[str]) -> None:
        for name in reversed(names):
            member = self.members[name]
            if member.alive is not None:
                if member.hang is None:
                    self.journal.append((name, "ended"))
                else:
                    self.abandon(member, "abandoned")
                self.incarnations[name] += 1
            member.state, member.alive, member.ticket = "stopped", None, 0

    def abandon(self, member: Member, reason: str) -> None:
        assert member.hang is not None
        self.dead.append((member.name, member.hang, reason))
        self.zombies[member.hang] = member.name
        member.hang = None

    def ended(self, member: Member, *, is_orderly: bool) -> None:
        name = member.name
        member.alive, member.state = None, "stopped"
        self.incarnations[name] += 1
        if member.restart == "temporary" or (member.restart == "transient" and is_orderly):
            self.close(name)
            if member.restart == "temporary":
                del self.members[name]
            return
        if self.now - member.born > STABLE_S:
            member.crashes = 0
        self.bring_back(member)

    def bring_back(self, member: Member) -> None:
        delay_s = min(MAX_DELAY_S, member.min_delay_s * 2**member.crashes)
        member.crashes += 1
        self.recent = [at for at in self.recent if at >= self.now - PERIOD_S] + [self.now]
        if len(self.recent) > INTENSITY:
            raise GroupEnded
        names = list(self.members)
        group = {
            "one_for_one": [member.name],
            "one_for_all": names,
            "rest_for_one": names[names.index(member.name) :],
        }[self.strategy]
        self.halt(group)
        for name in group:
            if self.members[name].restart == "temporary":
                del self.members[name]
                self.close(name)
        self.plan([name for name in group if name in self.members], delay_s)

    def plan(self, names: list[str], delay_s: float) -> None:
        self.tickets += 1
        for name in names:
            self.members[name].state, self.members[name].ticket = "restarting", self.tickets
        self.timers.append((self.now + delay_s, self.tickets))

    def due(self, ticket: int) -> None:
        for member in [member for member in self.members.values() if member.ticket == ticket]:
            try:
                self.start(member)
            except StartFailed:
                self.bring_back(member)
                return

    def check(self) -> None:
        for member in list(self.members.values()):
            if member.alive is not None and member.hang is not None and self.now - member.since > DEADLINE_S:
                self.abandon(member, "hung")
                self.ended(member, is_orderly=False)
        self.timers.append((self.now + CHECK_S, 0))
