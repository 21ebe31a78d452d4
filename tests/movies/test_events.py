"""Events: every kind is written and read alike, and what another version wrote breaks no reader."""

from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.events import KINDS, DownloadFailed, Happening, ReleaseChosen, Unrecognised, kind_of, payload_of, read
from movies.movie import DownloadId


def made(what: type[Happening]) -> Happening:
    """One of that kind, with facts of the right types."""
    values: dict[str, Any] = {}
    for field in fields(what):
        hint = get_type_hints(what)[field.name]
        hint = getattr(hint, "__supertype__", hint)
        values[field.name] = get_args(hint)[0] if get_args(hint) else {int: 7, str: "text"}[hint]
    return what(**values)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_as_it_was_written(kind: str) -> None:
    happened = made(KINDS[kind])
    assert kind_of(happened) == kind
    assert read(kind, payload_of(happened)) == happened


def test_every_event_has_a_kind_and_every_kind_an_event() -> None:
    assert set(get_args(Happening)) == set(KINDS.values())
    assert len(KINDS) == len(get_args(Happening))


def test_the_facts_are_stored_under_their_names() -> None:
    failed = DownloadFailed(download_id=DownloadId(3), client="builtin", reason="stalled", error="no byte for 30 m")
    assert payload_of(failed) == {
        "download_id": 3,
        "client": "builtin",
        "reason": "stalled",
        "error": "no byte for 30 m",
    }


def test_a_kind_that_is_unknown_is_told_as_such() -> None:
    assert read("movie.renamed", {"to": "x"}) == Unrecognised(kind="movie.renamed", payload={"to": "x"})


def test_a_fact_that_a_newer_version_added_is_left_out() -> None:
    payload = {"title": "t", "indexer": "i", "attempt": 2, "score": 5}
    assert read("release.chosen", payload) == ReleaseChosen(title="t", indexer="i", attempt=2)


@pytest.mark.parametrize(
    "payload",
    [
        {"title": "t", "indexer": "i"},
        {"title": "t", "indexer": "i", "attempt": "2"},
        {"title": "t", "indexer": "i", "attempt": True},
        {"title": None, "indexer": "i", "attempt": 2},
    ],
)
def test_facts_that_are_missing_or_of_another_type_are_not_passed_on(payload: dict[str, Any]) -> None:
    assert read("release.chosen", payload) == Unrecognised(kind="release.chosen", payload=payload)


def test_a_word_that_is_none_of_those_expected_is_not_passed_on() -> None:
    payload = {"reason": "r", "error": "e", "attempt": 1, "outcome": "gone"}
    assert isinstance(read("acquisition.failed", payload), Unrecognised)


@given(
    kind=st.sampled_from(sorted(KINDS)),
    payload=st.dictionaries(
        st.sampled_from(["title", "node", "attempt", "error", "path", "x"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=3),
    ),
)
def test_no_payload_breaks_a_reader(kind: str, payload: dict[str, Any]) -> None:
    read(kind, payload)
