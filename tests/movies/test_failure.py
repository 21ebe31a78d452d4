"""Retry by reason: the taxonomy, what the general policy changes of it, and the waits that come of it."""

from dataclasses import replace

import pytest

from movies.failure import (
    BAD_PAYLOAD,
    DEFAULT,
    OUTSIDE,
    PERMANENT,
    POISON,
    TAXONOMY,
    UNKNOWN_KIND,
    ReasonChange,
    RetryPolicy,
    taxonomy,
)

HOUR_S = 3600.0
WHOLE = taxonomy(DEFAULT)


def waits_s(policy: RetryPolicy, *, jitter: float = 1.0) -> list[float]:
    """Every wait until the attempts are spent."""
    waits, attempt = [], 1
    while not policy.is_spent(attempt):
        waits.append(policy.delay_s(attempt, jitter=jitter))
        attempt += 1
    return waits


@pytest.mark.parametrize(
    ("reason", "hours"),
    [
        ("connection timeout", [2, 4, 8, 16]),
        ("network error", [1, 2, 4]),
        ("server error", [0.5, 1]),
        ("authentication failed", [6]),
        ("rate limited", [1, 1]),
        ("parse error", [4, 8]),
        ("download stalled", [2, 4, 8]),
        ("download client error", [1, 2, 4]),
        ("corrupted download", [6, 6]),
        ("hash mismatch", [4]),
        ("disk full", [0.5] * 9),
        ("permission denied", [2]),
        ("release purged", [7 * 24]),
        ("import: file transfer", [0.5] * 4),
        ("import: directory creation", [1, 1]),
        ("import: name unparsable", [12]),
        ("import: media info unreadable", [6, 6]),
        ("import: file exists", []),
        ("gone", []),
        (UNKNOWN_KIND, []),
        (BAD_PAYLOAD, []),
        (POISON, []),
    ],
)
def test_every_reason_has_its_own_waits(reason: str, hours: list[float]) -> None:
    assert waits_s(WHOLE.of(reason)) == [hour * HOUR_S for hour in hours]


def test_a_reason_without_waits_of_its_own_has_the_general_ones() -> None:
    assert waits_s(WHOLE.of("crash")) == waits_s(WHOLE.of("never heard of")) == [10, 20, 40]


def test_a_share_of_each_wait_is_left_to_chance() -> None:
    assert waits_s(WHOLE.of("server error"), jitter=0.0) == [0.25 * HOUR_S, 0.5 * HOUR_S]
    assert waits_s(replace(DEFAULT, jitter_ratio=0.0), jitter=0.0) == [10, 20, 40]


def test_a_wait_grows_to_the_cap_and_a_first_wait_that_is_longer_stays() -> None:
    assert waits_s(RetryPolicy(base_s=10, cap_s=25)) == [10, 20, 25]
    assert waits_s(RetryPolicy(base_s=10, cap_s=5)) == [10, 10, 10]


def test_a_delay_that_the_other_side_asks_for_is_kept_to_the_second() -> None:
    assert DEFAULT.delay_s(3, jitter=0.3, retry_after_s=7.0) == 7.0
    assert DEFAULT.delay_s(3, jitter=0.3, retry_after_s=0.0) == 0.0


def test_a_base_that_is_given_holds_for_every_reason_and_leaves_their_attempts() -> None:
    policy = taxonomy(DEFAULT, base_s=0.1)
    for reason, default in TAXONOMY.items():
        assert policy.of(reason).retries == default.retries
    assert waits_s(policy.of("server error")) == [0.1, 0.2]
    assert waits_s(policy.of("authentication failed")) == [0.1]
    assert waits_s(policy.of("crash")) == waits_s(policy) == [0.1, 0.2, 0.4]


def test_retries_that_are_given_hold_for_every_reason_but_the_permanent_ones() -> None:
    policy = taxonomy(DEFAULT, retries=1)
    assert {policy.of(reason).retries for reason, default in TAXONOMY.items() if default is not PERMANENT} == {1}
    assert {policy.of(reason).retries for reason, default in TAXONOMY.items() if default is PERMANENT} == {0}
    assert waits_s(policy.of("server error")) == [0.5 * HOUR_S]


def test_a_reasons_own_change_goes_before_all() -> None:
    own = {"server error": ReasonChange(base_s=1.0), "gone": ReasonChange(retries=2), "crash": ReasonChange(growth=3.0)}
    policy = taxonomy(DEFAULT, base_s=0.1, retries=3, own=own)
    assert waits_s(policy.of("server error")) == [1, 2, 4]
    assert waits_s(policy.of("gone")) == [10, 20]
    assert waits_s(policy.of("crash")) == pytest.approx([0.1, 0.3, 0.9])
    assert waits_s(policy.of("network error")) == [0.1, 0.2, 0.4]


def test_what_comes_from_outside_is_in_the_taxonomy() -> None:
    assert TAXONOMY.keys() >= OUTSIDE
    assert not any(TAXONOMY[reason] is PERMANENT for reason in OUTSIDE)
