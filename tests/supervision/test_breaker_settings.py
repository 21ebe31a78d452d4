"""Settings that make no sense are refused when they are made, with the key, the value and the way out."""

import math
from typing import Any

import pytest

from actors.breaker import Breaker, BreakerSettings
from tests.supervision.breaker_bench import HALF_OPEN

SENSELESS: list[tuple[str, Any]] = [
    *[(key, value) for key in ("failure_rate", "slow_rate") for value in (0.0, -0.5, 1.01, 50.0, math.nan)],
    *[(key, value) for key in ("window_size", "minimum_calls", "half_open_calls") for value in (0, -1)],
    *[
        (key, value)
        for key in ("slow_call_s", "half_open_wait_s", "call_timeout_s", "wait_s")
        for value in (0.0, -1.0, math.inf, math.nan)
    ],
    *[("max_wait_s", value) for value in (0.0, -1.0, 9.9, math.inf, math.nan)],
    *[("growth", value) for value in (0.0, 0.99, -2.0, math.inf, math.nan)],
    *[("jitter", value) for value in (-0.1, 1.1, math.nan)],
    ("window", "calls"),
    ("half_open_expired", HALF_OPEN),
]


@pytest.mark.parametrize(("key", "value"), SENSELESS)
def test_senseless_settings_are_refused_with_key_value_and_way_out_p60(key: str, value: object) -> None:
    settings: dict[str, Any] = {key: value}
    with pytest.raises(ValueError, match=rf"^breaker: {key} is .+; make it .+$") as refusal:
        BreakerSettings(**settings)
    assert repr(value) in str(refusal.value)


def test_the_limits_themselves_are_allowed_p60() -> None:
    BreakerSettings(failure_rate=1.0, slow_rate=1e-9, growth=1.0, jitter=0.0, wait_s=5.0, max_wait_s=5.0)
    BreakerSettings(jitter=1.0, window_size=1, minimum_calls=1, half_open_wait_s=None, slow_call_s=0.001)


def test_a_rate_over_100_percent_is_refused_before_there_is_a_breaker_p60() -> None:
    with pytest.raises(ValueError, match=r"failure_rate is 50; make it a share over 0 and up to 1\.0, which is 100 %"):
        Breaker("x", BreakerSettings(failure_rate=50))


def test_settings_cannot_be_changed_under_a_breaker() -> None:
    with pytest.raises(AttributeError):
        BreakerSettings().wait_s = 1.0  # type: ignore[misc]  # that is the point


def test_a_breaker_that_is_not_set_opens_for_10_s_growing_to_10_min() -> None:
    settings = Breaker("x").settings
    assert [settings.wait_after(n) for n in (0, 1, 2, 5, 6)] == [10, 20, 40, 320, 600]
    assert (settings.jitter, settings.half_open_calls) == (0.2, 1)
