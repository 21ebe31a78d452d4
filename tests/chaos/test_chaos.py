"""The chaos in small: every job has its effect exactly once, whatever happens to its workers.

`.venv/bin/python -P -m tests.chaos.run` is the whole of it.
"""

import os
import secrets

import pytest

from tests.chaos.run import run

JOBS, ALL_JOBS = 3_000, 100_000


@pytest.fixture
def seed() -> int:
    """From UNDERSTUDY_CHAOS_SEED, else a new one each time."""
    return int(os.environ.get("UNDERSTUDY_CHAOS_SEED") or secrets.randbelow(10**6))


def test_every_jobs_effect_happens_exactly_once_through_kills_cuts_restarts_and_clock_jumps(seed: int) -> None:
    print(f"UNDERSTUDY_CHAOS_SEED={seed}")  # shown when it fails
    is_all = os.environ.get("UNDERSTUDY_TESTS") == "all"
    report = run(jobs=ALL_JOBS if is_all else JOBS, seed=seed, limit_s=3600 if is_all else 120)
    assert not report.problems, str(report)
    assert report.done.total() > 5, "something bad was done"
