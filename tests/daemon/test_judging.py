"""What the daemon sees of its indexers, roots and patterns comes to those who judge, and to those who look."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from actors.breaker import Breaker, BreakerState
from actors.health import HealthBoard
from actors.judge import Judge
from config.loading import load
from daemon.judging import make_judge
from metrics.catalogue import Catalogue
from movies.custom_format import score_of
from movies.format_facts import FormatFacts

CONFIG = """
[[indexers]]
name = "one"
url = "http://127.0.0.1:1/api"
tags = ["4k"]
[[indexers]]
name = "two"
url = "http://127.0.0.1:2/api"
[profiles.hd]
qualities = ["Bluray-1080p"]
formats = { slow = 5 }
[formats.slow]
conditions = [{ type = "release_title", regex = "(a|aa)+$" }]
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        path = folder / "config.toml"
        path.write_text(CONFIG)
        self.metrics, self.health = Catalogue(CollectorRegistry()), HealthBoard()
        self.breakers: dict[str, Breaker] = {}
        self.judge: Judge = make_judge(load(path), metrics=self.metrics, health=self.health, breaker=self.breaker)

    def breaker(self, dependency: str) -> Breaker:
        return self.breakers.setdefault(dependency, Breaker(dependency))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_an_indexer_whose_breaker_is_open_is_closed_to_those_who_judge(bench: Bench) -> None:
    assert bench.judge.closed_indexers() == frozenset()
    bench.breaker("indexer:two").transition_to(BreakerState.FORCED_OPEN)
    assert bench.judge.closed_indexers() == {"two"}
    bench.breaker("indexer:two").transition_to(BreakerState.CLOSED)
    assert bench.judge.closed_indexers() == frozenset()


def test_every_indexer_of_the_file_has_its_terms(bench: Bench) -> None:
    assert bench.judge.policy.terms.keys() == {"one", "two"}
    assert bench.judge.policy.terms["one"].tags == {"4k"}


def test_the_room_of_a_root_is_what_was_last_seen_of_it(bench: Bench) -> None:
    assert bench.judge.free_bytes("/films") is None
    bench.metrics.free_bytes.labels(root="/films").set(2**40)
    assert bench.judge.free_bytes("/films") == 2**40
    assert bench.judge.free_bytes("/other") is None


def test_a_pattern_that_takes_too_long_is_counted_and_named_in_health(bench: Bench) -> None:
    facts = FormatFacts(title="a" * 60 + "!")
    score = score_of(facts, bench.judge.profiles["hd"], bench.judge.policy.formats)
    assert score.total == 0
    (item,) = bench.health.items()
    assert "(a|aa)+$" in item.text
    assert bench.metrics.registry.get_sample_value("understudy_format_timeouts_total") == 1
