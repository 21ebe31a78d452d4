"""What a job must know, by its kind."""

from typing import Any

import pytest

from movies.failure import BAD_PAYLOAD, UNKNOWN_KIND
from movies.job import KINDS, Unfit, require_fit

FACTS: dict[type, Any] = {int: 7, bool: True}


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_with_all_its_facts_can_be_done_also_with_some_of_a_newer_version(kind: str) -> None:
    payload = {name: FACTS[what] for name, what in KINDS[kind].items()}
    require_fit(kind, payload)
    require_fit(kind, {**payload, "added_later": "x"})


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in KINDS[kind]])
def test_a_job_without_one_of_its_facts_cannot(kind: str, name: str) -> None:
    payload = {other: FACTS[what] for other, what in KINDS[kind].items() if other != name}
    with pytest.raises(Unfit, match=f"the payload of this {kind} lacks {name}") as refused:
        require_fit(kind, payload)
    assert refused.value.reason == BAD_PAYLOAD


@pytest.mark.parametrize("value", [None, "7", 7.0, True, [7], {}])
def test_a_number_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(Unfit, match=r"download_id of this add is .*, and no int"):
        require_fit("add", {"download_id": value})


def test_a_number_is_no_truth_value() -> None:
    with pytest.raises(Unfit, match="is_retry of this select is 1, and no bool"):
        require_fit("select", {"movie_id": 1, "is_retry": 1})


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(Unfit, match="unknown kind of job 'transcode'") as refused:
        require_fit("transcode", {})
    assert refused.value.reason == UNKNOWN_KIND
