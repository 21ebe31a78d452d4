import re
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from actors.breaker import BreakerState
from actors.dead_letters import Lost
from metrics.catalogue import (
    BREAKER_OUTCOMES,
    BREAKER_STATES,
    JOB_KINDS,
    JOB_OUTCOMES,
    JOB_STATES,
    TRANSFER_METHODS,
    Catalogue,
)
from storage.jobs import STATES

UNITS = ("_seconds", "_bytes", "_ratio", "_info", "_total")
COUNTS = {
    "understudy_jobs",
    "understudy_actor_groups_parked",
    "understudy_actor_inbox_depth",
    "understudy_actor_zombies",
    "understudy_breaker_state",
    "understudy_dead_letters",
    "understudy_file_helpers_hanging",
    "understudy_backup_failing",
}
"""Gauges that count things or show a state, and so have no unit."""


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(CollectorRegistry())


def samples(catalogue: Catalogue, name: str) -> dict[tuple[str, ...], float]:
    """The values of one metric by its label values, in the labels' alphabetical order."""
    families = text_string_to_metric_families(generate_latest(catalogue.registry).decode())
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def test_every_metric_bears_the_daemons_name_and_a_unit_and_says_what_it_is(catalogue: Catalogue) -> None:
    for family in catalogue.registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert re.fullmatch(r"understudy(_[a-z]+)+", name), name
        assert name.endswith(UNITS) or name in COUNTS, name
        assert family.documentation.endswith("."), name


def test_two_catalogues_share_nothing() -> None:
    one, other = Catalogue(CollectorRegistry()), Catalogue(CollectorRegistry())
    one.downloads_failed.labels(client="a").inc()
    assert samples(other, "understudy_downloads_failed_total") == {}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("understudy_jobs", {(state,) for state in JOB_STATES}),
        ("understudy_jobs_ended_total", {(kind, outcome) for kind in JOB_KINDS for outcome in JOB_OUTCOMES}),
        ("understudy_job_duration_seconds_count", {(kind,) for kind in JOB_KINDS}),
        ("understudy_releases_decided_total", {("accepted",), ("pending",), ("rejected",)}),
        ("understudy_imports_total", {(method,) for method in TRANSFER_METHODS}),
        ("understudy_actor_dead_letters_total", {(reason.value,) for reason in Lost}),
        ("understudy_actor_zombies", {()}),
        ("understudy_actor_groups_parked", {()}),
        ("understudy_database_outages_total", {()}),
    ],
)
def test_every_value_of_a_closed_set_is_there_from_the_start_at_zero(
    catalogue: Catalogue, name: str, labels: set[tuple[str, ...]]
) -> None:
    assert samples(catalogue, name) == dict.fromkeys(labels, 0.0)


@pytest.mark.parametrize(
    ("watch", "name", "labels"),
    [
        (lambda c: c.watch_actor("queue", inbox_depth=int), "understudy_actor_restarts_total", {("queue",)}),
        (lambda c: c.watch_actor("queue", inbox_depth=int), "understudy_actor_inbox_depth", {("queue",)}),
        (lambda c: c.watch_actor("queue", inbox_depth=int), "understudy_actor_handling_seconds_count", {("queue",)}),
        (lambda c: c.watch_breakers(["db"]), "understudy_breaker_state", {("db",)}),
        (
            lambda c: c.watch_breakers(["db"]),
            "understudy_breaker_transitions_total",
            {("db", state) for state in BREAKER_STATES},
        ),
        (
            lambda c: c.watch_breakers(["db"]),
            "understudy_breaker_calls_total",
            {("db", outcome) for outcome in BREAKER_OUTCOMES},
        ),
        (
            lambda c: c.watch_indexers(["x"], outcomes=("ok", "error"), refusals=()),
            "understudy_indexer_requests_total",
            {("x", "ok"), ("x", "error")},
        ),
        (
            lambda c: c.watch_indexers(["x"], outcomes=(), refusals=("too large",)),
            "understudy_indexer_answers_refused_total",
            {("x", "too large")},
        ),
        (lambda c: c.watch_reasons(["sample"]), "understudy_release_rejections_total", {("sample",)}),
        (lambda c: c.watch_clients(["qbit"]), "understudy_downloads_failed_total", {("qbit",)}),
    ],
)
def test_what_the_configuration_names_is_there_at_zero_once_it_is_watched(
    catalogue: Catalogue, watch: Callable[[Catalogue], None], name: str, labels: set[tuple[str, ...]]
) -> None:
    assert samples(catalogue, name) == {}
    watch(catalogue)
    assert samples(catalogue, name) == dict.fromkeys(labels, 0.0)


def test_watching_again_keeps_what_was_counted(catalogue: Catalogue) -> None:
    catalogue.watch_actor("queue", inbox_depth=int)
    catalogue.restarts.labels(actor="queue").inc()
    catalogue.watch_actor("queue", inbox_depth=int)
    assert samples(catalogue, "understudy_actor_restarts_total") == {("queue",): 1.0}


def test_the_closed_sets_are_those_of_the_program() -> None:
    assert JOB_STATES == STATES
    assert tuple(state.value for state in BreakerState) == BREAKER_STATES


def test_the_depth_of_an_inbox_is_what_it_is_when_it_is_asked_for(catalogue: Catalogue) -> None:
    waiting: list[str] = []
    catalogue.watch_actor("queue", inbox_depth=lambda: len(waiting))
    waiting.append("a message")
    assert samples(catalogue, "understudy_actor_inbox_depth") == {("queue",): 1.0}
