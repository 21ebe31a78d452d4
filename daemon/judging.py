"""How this daemon judges releases: by its configuration, and by what it sees of its indexers and roots."""

from collections.abc import Callable

from actors.breaker import Breaker
from actors.health import HealthBoard
from actors.judge import Judge
from config.policy import policy_of
from config.schema import Config
from metrics import logs
from metrics.catalogue import Catalogue
from storage.acquisition import indexer_lane

MAX_PATTERN = 120
"""As much of a pattern as a person needs to find it again."""


def make_judge(config: Config, *, metrics: Catalogue, health: HealthBoard, breaker: Callable[[str], Breaker]) -> Judge:
    """`breaker` by dependency."""

    def closed_indexers() -> frozenset[str]:
        names = [indexer.name for indexer in config.indexers]
        return frozenset(name for name in names if not breaker(indexer_lane(name)).would_permit())

    def timed_out(pattern: str) -> None:
        metrics.format_timeouts.inc()
        short = pattern if len(pattern) <= MAX_PATTERN else f"{pattern[:MAX_PATTERN]}..."
        text = f"the pattern {short} takes too long with some release names and counts as no match there: simplify it"
        if health.set(f"pattern:{short}", text):
            logs.logger("judge").warning("a pattern takes too long", pattern=short)

    return Judge(
        profiles=config.all_profiles,
        policy=policy_of(config, on_timeout=timed_out),
        closed_indexers=closed_indexers,
        free_bytes=metrics.last_free_bytes,
    )
