"""The retries of the file: general, by reason, and the examples that show the defaults."""

import re
from pathlib import Path

import pytest

from config.loading import load
from movies.failure import DEFAULT, PERMANENT, TAXONOMY, taxonomy
from tests.config.documents import COMMITTED, FULL, mistakes_in, written


def test_an_empty_file_has_the_taxonomy(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")).retry.policy == taxonomy(DEFAULT)


def test_a_base_of_the_file_is_every_reasons(tmp_path: Path) -> None:
    policy = load(written(tmp_path, '[retry]\nbase = "100ms"\n')).retry.policy
    assert policy.of("download stalled").delay_s(1, jitter=1.0) == 0.1
    assert policy.of("download stalled").retries == 3
    assert policy.of("parse error").retries == 2


def test_a_reasons_own_table_goes_before(tmp_path: Path) -> None:
    text = '[retry]\nbase = "100ms"\njitter = 0.0\n[retry.reasons."download stalled"]\nbase = "2h"\nretries = 1\n'
    policy = load(written(tmp_path, text)).retry.policy
    assert policy.of("download stalled").delay_s(1, jitter=0.0) == 7200
    assert policy.of("download stalled").retries == 1
    assert policy.of("parse error").delay_s(1, jitter=0.0) == 0.1


def test_the_examples_are_the_defaults(tmp_path: Path) -> None:
    examples = re.search(r"^\[retry\.reasons\]\n(?:.+\n)+", FULL, re.MULTILINE)
    assert examples is not None
    config = load(written(tmp_path, examples[0]))
    assert config.retry.policy == taxonomy(DEFAULT)
    own = {reason for reason, default in TAXONOMY.items() if default is not DEFAULT and default is not PERMANENT}
    assert set(config.retry.reasons) == own


def test_the_committed_file_limits_no_kind() -> None:
    assert load(COMMITTED).queue.limits == {}


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('[retry.reasons."download staled"]\nretries = 1', 'unknown reason "download staled": did you mean'),
        ("[queue]\nlimits = { imports = 1 }", 'unknown kind of job "imports": did you mean "import"?'),
        ("[queue]\nlimits = { import = 0 }", "greater than or equal to 1"),
        ('[retry.reasons."parse error"]\ngrowth = 0.5', "greater than or equal to 1"),
        ("[retry]\njitter = 1.5", "less than or equal to 1"),
    ],
)
def test_a_mistake_is_named(text: str, mistake: str, tmp_path: Path) -> None:
    (found,) = mistakes_in(written(tmp_path, text))
    assert mistake in found
