"""Replay: what a new configuration makes of old decisions, and nothing that only time has changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from api.judging import Criteria
from commands.replay import Difference, differences, since_when
from movies.offer import IndexerTerms
from movies.policy import Policy
from movies.profile import Profile

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BLURAY, WEB = "Sintel.2010.1080p.BluRay.x264-A", "Sintel.2010.1080p.WEB-DL.H264-B"
TARGET: dict[str, Any] = {
    "movie_id": 1,
    "title": "Sintel",
    "alternative_titles": [],
    "year": 2010,
    "tmdb_id": None,
    "imdb_id": None,
    "profile": "hd",
    "root": "/library",
    "tags": [],
    "minimum_availability": "released",
    "runtime_min": None,
    "original_language": None,
    "in_cinemas_on": None,
    "physical_on": None,
    "digital_on": None,
    "added_at": None,
    "is_monitored": True,
    "file": None,
    "downloads": [],
    "blocklist": [],
}


def release(number: int, title: str) -> dict[str, Any]:
    return {
        "id": number,
        "indexer": "one",
        "guid": title,
        "title": title,
        "protocol": "torrent",
        "infohash": None,
        "size_bytes": 2**30,
        "seeders": 5,
        "leechers": None,
        "flags": [],
        "tmdb_id": None,
        "imdb_id": None,
        "published_at": "2026-11-20T12:00:00+00:00",
    }


DECISION = {
    "id": 1,
    "movie_id": 1,
    "target": TARGET,
    "closed_indexers": [],
    "judged": [release(1, BLURAY), release(2, WEB)],
    "ranking": [1, 2],
    "taken": 1,
    "decided_at": "2026-11-21T12:00:00+00:00",
}


def criteria(*qualities: str, **policy: Any) -> Criteria:
    profile = Profile(name="hd", groups=tuple((name,) for name in qualities), cutoff=qualities[0])
    return Criteria({"hd": profile}, Policy(**{"terms": {"one": IndexerTerms()}} | policy))


BOTH = criteria("Bluray-1080p", "WEBDL-1080p")


def test_the_same_configuration_makes_no_difference() -> None:
    assert list(differences(DECISION, BOTH, criteria("Bluray-1080p", "WEBDL-1080p"))) == []


def test_another_order_of_qualities_makes_another_choice() -> None:
    (difference,) = differences(DECISION, BOTH, criteria("WEBDL-1080p", "Bluray-1080p"))
    assert difference == Difference(movie="Sintel (2010)", release="(the choice)", before=BLURAY, after=WEB)


def test_a_release_that_is_no_longer_allowed_is_named_with_its_reason() -> None:
    choice, release = differences(DECISION, BOTH, criteria("WEBDL-1080p"))
    assert (choice.before, choice.after) == (BLURAY, WEB)
    assert (release.release, release.before, release.after) == (BLURAY, "accepted", "rejected: quality_not_allowed")


def test_a_smaller_maximum_leaves_nothing_to_take() -> None:
    choice, *releases = differences(DECISION, BOTH, criteria("Bluray-1080p", "WEBDL-1080p", maximum_size_bytes=2**20))
    assert choice.after == "nothing"
    assert {one.after for one in releases} == {"rejected: maximum_size"}


def test_nothing_is_taken_from_an_indexer_that_is_configured_no_more() -> None:
    (choice,) = differences(DECISION, BOTH, criteria("Bluray-1080p", "WEBDL-1080p", terms={}))
    assert (choice.before, choice.after) == (BLURAY, "nothing")


def test_a_profile_that_is_gone_is_said_to_be() -> None:
    (choice,) = differences(DECISION, BOTH, Criteria({}, Policy()))
    assert choice.after == "its profile is not configured"
    assert list(differences(DECISION, Criteria({}, Policy()), Criteria({}, Policy()))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:00:00+02:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ],
)
def test_how_far_back_is_a_duration_or_a_time(text: str, expected: datetime) -> None:
    assert since_when(text, now=NOW) == expected


def test_anything_else_ends_the_command() -> None:
    with pytest.raises(typer.Exit):
        since_when("yesterday", now=NOW)
