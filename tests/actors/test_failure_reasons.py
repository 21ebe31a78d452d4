"""Every reason that an actor gives for a failure is a word of the taxonomy, and every kind of job is known."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.dependency import failure_of, reason_of
from clients import errors
from clients.errors import BadAnswer, BadAnswerReason, ClientError, RateLimited
from metrics.catalogue import JOB_KINDS
from movies.failure import TAXONOMY
from movies.files import NoFilmReason
from movies.job import KINDS

REPOSITORY = Path(__file__).parents[2]
FAILING = {"Failed", "failed", "_failed"}


def given_reasons() -> Iterator[str]:
    """The literal `reason=` of every call that fails a job or an acquisition."""
    for path in sorted((REPOSITORY / "actors").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for keyword in node.keywords:
                if name in FAILING and keyword.arg == "reason" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)


def test_the_reasons_in_the_actors_are_in_the_taxonomy() -> None:
    found = set(given_reasons())
    assert found >= {"download stalled", "permission denied", "release refused", "unknown kind"}
    assert found - TAXONOMY.keys() == set()


def test_what_may_be_wrong_with_a_download_is_in_the_taxonomy() -> None:
    assert {f"import: {reason.value}" for reason in NoFilmReason} <= TAXONOMY.keys()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.Unavailable("503"), "server error"),
        (errors.Unreachable("refused"), "network error"),
        (RateLimited("429"), "rate limited"),
        (errors.AuthenticationFailed("401"), "authentication failed"),
        (BadAnswer("no XML", reason=BadAnswerReason.NOT_XML), "parse error"),
        (errors.Refused("unsafe"), "indexer refused"),
        (errors.Gone("404"), "gone"),
    ],
)
def test_what_a_client_says_has_its_word(error: ClientError, reason: str) -> None:
    assert reason_of(error) == reason
    assert reason in TAXONOMY


def test_a_retry_after_is_passed_on() -> None:
    assert failure_of(RateLimited("429", retry_after_s=42.0)).retry_after_s == 42.0
    assert failure_of(RateLimited("429")).retry_after_s is None


def test_the_metrics_know_every_kind() -> None:
    assert set(JOB_KINDS) >= KINDS.keys()
