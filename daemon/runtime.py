"""What the parts of a running daemon share: made once, handed to each."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actors.base import Address
from actors.breaker import Breaker, Transition
from actors.health import HealthBoard
from actors.messages import WakeUp
from config.schema import Config
from daemon.spawner import Spawner
from metrics import logs
from metrics.catalogue import BREAKER_STATES, Catalogue
from storage.data_folder import DataFolder
from storage.database import Connection, Database
from supervisor import Supervisor

VERSION = "0.1.0"


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
    root: Callable[[], Supervisor | None] = lambda: None

    def address(self, name: str) -> Address:
        """The one address of that name, made when first asked for."""
        return self.addresses.setdefault(name, Address(name))

    def breaker(self, dependency: str) -> Breaker:
        """The one breaker of that dependency, made when first asked for."""
        if dependency not in self.breakers:
            settings = self.config.breaker
            is_database = dependency == "database"
            self.breakers[dependency] = Breaker(
                dependency,
                failures=settings.failures,
                wait_s=min(0.5, settings.wait) if is_database else settings.wait,
                max_wait_s=2.0 if is_database else max(settings.wait, settings.max_wait),
                on_transition=self._breaker_changed,
            )
            self.metrics.watch_breakers([dependency])
        return self.breakers[dependency]

    def _breaker_changed(self, transition: Transition) -> None:
        state, dependency = transition.state.value, transition.dependency
        self.metrics.breaker_state.labels(dependency=dependency).set(BREAKER_STATES.index(state))
        self.metrics.breaker_transitions.labels(dependency=dependency, to=state).inc()
        log = logs.logger("breakers")
        is_news = state == "closed" or transition.opened_count == 1
        line = log.debug if not is_news else log.warning if state == "open" else log.info
        line(
            "a breaker changed",
            dependency=dependency,
            state=state,
            retry_in_s=transition.retry_in_s and round(transition.retry_in_s, 1),
            reason=transition.reason,
        )
        self.address("queue").tell(WakeUp(), urgent=True)
