"""What the parts of a running daemon share: made once, handed to each."""

import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.address import Address
from actors.breaker import (
    Breaker,
    BreakerEvent,
    BreakerSettings,
    BreakerState,
    Called,
    NotPermitted,
    SavedBreaker,
    Transition,
)
from actors.dead_letters import DeadLetter, DeadLetters
from actors.health import HealthBoard
from actors.judge import Judge
from actors.messages import WakeUp
from actors.zombies import Zombies
from config.schema import Breaker as BreakerTable
from config.schema import Config
from daemon import tree_health
from daemon.judging import make_judge
from daemon.spawner import Spawner
from metrics import logs
from metrics.catalogue import BREAKER_STATES, Catalogue
from storage import breakers
from storage.data_folder import DataFolder
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailable, Fenced
from storage.progress_writer import ProgressWriter
from supervisor import Supervisor

VERSION = "0.1.0"
DATABASE, DATABASE_WAIT_S, DATABASE_MAX_WAIT_S = "database", 0.5, 2.0
MAX_ZOMBIES = 10
"""More hanging threads than this, and only a new process helps."""


@dataclass
class Runtime:
    """What every part is made from and shares."""

    config: Config
    node: str
    folder: DataFolder
    database: Database
    spawner: Spawner
    metrics: Catalogue
    health: HealthBoard
    api: dict[str, Any]
    on_ready: Callable[[Connection], None]
    is_database_starting: Callable[[], bool] = lambda: False
    has_begun: threading.Event = field(default_factory=threading.Event)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    addresses: dict[str, Address] = field(default_factory=dict)
    zombies: Zombies = field(default_factory=Zombies)
    progress: ProgressWriter = field(init=False)
    judge: Judge = field(init=False)
    root: Callable[[], Supervisor | None] = lambda: None

    def __post_init__(self) -> None:
        self.progress = ProgressWriter(self.database)
        self.judge = make_judge(self.config, metrics=self.metrics, health=self.health, breaker=self.breaker)
        self.dead_letters = DeadLetters(on_letter=self._message_lost)
        self.metrics.zombies.set_function(self.zombies.count)
        self.metrics.parked.set_function(lambda: len(tree_health.parked(self.describe_tree())))

    def spawn_holding_folder(self, argv: Sequence[str], pass_fds: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
        """Start a process that has our ports, and the data folder's lock: should it outlive us, the next daemon waits.

        It does for a moment when a daemon is killed that has just begun.
        """
        held = [] if self.folder.lock_fd is None else [self.folder.lock_fd]
        return self.spawner.spawn(argv, [*pass_fds, *held])

    def describe_tree(self) -> list[dict[str, Any]]:
        """The children of root as plain facts; [] before they are started."""
        root = self.root()
        return root.describe() if root is not None else []

    def address(self, name: str) -> Address:
        """The one address of that name, made when first asked for."""
        if name not in self.addresses:
            seconds = self.metrics.handling_seconds.labels(actor=name)
            made = Address(
                name,
                dead_letters=self.dead_letters,
                on_handled=lambda message, duration_s: seconds.observe(duration_s),
            )
            self.metrics.watch_actor(name, inbox_depth=lambda: made.depth)
            self.addresses[name] = made
        return self.addresses[name]

    def breaker(self, dependency: str) -> Breaker:
        """The one breaker of that dependency, made when first asked for."""
        if dependency not in self.breakers:
            settings = breaker_settings(self.config.breaker, dependency)
            self.breakers[dependency] = Breaker(dependency, settings, on_event=self._breaker_told)
            self.metrics.watch_breakers([dependency])
        return self.breakers[dependency]

    def restore_breakers(self, connection: Connection) -> None:
        """As they were when the last daemon of this node ended; the database's own begins closed."""
        breakers.keep(connection, node=self.node, dependencies=list(self.breakers))
        for row in breakers.listed(connection, node=self.node):
            if row["dependency"] != DATABASE:
                saved = SavedBreaker(
                    state=BreakerState(row["state"]),
                    retry_in_s=row["retry_in_s"],
                    opened_count=row["opened_count"],
                    reason=row["reason"],
                )
                self.breakers[row["dependency"]].restore(saved)

    def _breaker_told(self, event: BreakerEvent) -> None:
        match event:
            case Transition():
                self._breaker_changed(event)
            case Called():
                self.metrics.breaker_calls.labels(dependency=event.dependency, outcome=event.outcome).inc()
            case NotPermitted():
                self.metrics.breaker_calls.labels(dependency=event.dependency, outcome="not_permitted").inc()

    def _breaker_changed(self, transition: Transition) -> None:
        state, dependency = transition.state.value, transition.dependency
        self.metrics.breaker_state.labels(dependency=dependency).set(BREAKER_STATES.index(state))
        self.metrics.breaker_transitions.labels(dependency=dependency, to=state).inc()
        log = logs.logger("breakers")
        is_probing = state == "half_open" or (state == "open" and transition.before is BreakerState.HALF_OPEN)
        line = log.debug if is_probing else log.info if state == "closed" else log.warning
        line(
            "a breaker changed",
            dependency=dependency,
            state=state,
            retry_in_s=transition.retry_in_s and round(transition.retry_in_s, 1),
            reason=transition.reason,
        )
        for name in ("queue", "health_monitor"):
            self.address(name).tell(WakeUp(), urgent=True)

    def _message_lost(self, letter: DeadLetter) -> None:
        self.metrics.dead_letters.labels(reason=letter.reason.value).inc()


def breaker_settings(table: BreakerTable, dependency: str) -> BreakerSettings:
    """As configured, but for what only indexers and clients have.

    An import may take hours and is not slow for it. A root that is away or full is so for every import: one is enough.
    The database is tried again within seconds, since everything depends on it.
    """
    is_root, is_database = dependency.startswith("root:"), dependency == DATABASE
    is_outside = not is_root and not is_database
    wait_s = min(DATABASE_WAIT_S, table.wait) if is_database else table.wait
    return BreakerSettings(
        window="count" if is_root else table.window.kind,
        window_size=1 if is_root else table.window.size,
        minimum_calls=1 if is_root else table.minimum_calls,
        failure_rate=table.failure_rate,
        slow_call_s=table.slow_call if is_outside else None,
        slow_rate=table.slow_rate,
        half_open_calls=table.half_open_calls,
        half_open_wait_s=max(table.wait, table.max_wait) if is_outside else None,
        wait_s=wait_s,
        max_wait_s=DATABASE_MAX_WAIT_S if is_database else max(table.wait, table.max_wait),
        ignored=() if is_database else (DatabaseUnavailable, Fenced),
    )
