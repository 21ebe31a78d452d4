from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.forms import MovieForm, ReleaseForm
from config.policy import policy_of
from config.targets import NoProfile, target_of, wanting
from movies.availability import Availability
from movies.offer import IndexerFlag, Offer, Protocol
from movies.quality import QUALITIES, Revision
from movies.target import ExistingFile, Target
from tests.config.remedies import config_of

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CONFIG = config_of(
    {
        "profiles": {"own": {"qualities": ["WEBDL-1080p"], "formats": {"x265": -50}}},
        "formats": {"x265": {"conditions": [{"type": "release_title", "regex": "x265"}]}},
        "wanted": {
            "own": {"titles": ["Sintel (2010)", "The General"], "tags": ["kids"], "minimum_availability": "announced"},
            "sd": {"tmdb": [653], "imdb": ["tt0013442"]},
        },
    }
)


def target(**movie: Any) -> Target:
    return target_of(MovieForm.model_validate(movie), CONFIG, policy_of(CONFIG), now=NOW)


def block(**movie: Any) -> str | None:
    found = wanting(MovieForm.model_validate(movie), CONFIG)
    return found and found[0]


def test_a_movie_is_found_in_the_table_that_names_it() -> None:
    assert block(title="SINTEL!", year=2010) == "own"
    assert block(title="Sintel", year=2011) is None
    assert block(title="The General", year=1926) == "own", "that table says no year"
    assert block(title="Nosferatu", tmdb_id=653) == "sd"
    assert block(title="Nosferatu", imdb_id="tt0013442") == "sd"
    assert block(title="Nosferatu", tmdb_id=654) is None


def test_what_the_table_says_holds_where_the_movie_says_nothing() -> None:
    sintel = target(title="Sintel", year=2010)
    assert (sintel.profile.name, sintel.tags, sintel.minimum_availability) == (
        "own",
        frozenset({"kids"}),
        Availability.ANNOUNCED,
    )
    own = target(title="Sintel", year=2010, profile="sd", tags=[], minimum_availability="released")
    assert (own.profile.name, own.tags, own.minimum_availability) == ("sd", frozenset(), Availability.RELEASED)


def test_a_movie_without_a_profile_is_refused() -> None:
    with pytest.raises(NoProfile, match=r"profile is missing, .* there are any, sd, "):
        target(title="Nosferatu")
    with pytest.raises(NoProfile, match=r'no profile is called "owm"; did you mean "own"\?'):
        target(title="Nosferatu", profile="owm")


def test_what_it_has_is_judged_by_todays_formats_and_profile() -> None:
    sintel = target(
        title="Sintel",
        year=2010,
        file={"title": "Sintel.2010.PROPER.1080p.WEB-DL.x265-GRP", "at": "3d", "size": "1GiB"},
    )
    assert sintel.file == ExistingFile(
        quality=QUALITIES["WEBDL-1080p"],
        revision=Revision(version=2),
        score=-50,
        formats=("x265",),
        release_group="GRP",
        size_bytes=2**30,
        imported_at=NOW - timedelta(days=3),
    )


def test_a_grab_without_a_time_was_made_just_now() -> None:
    sintel = target(
        title="Sintel", year=2010, grabs=["Sintel.2010.WEB-DL", {"title": "Sintel.2010", "at": "2026-04-30"}]
    )
    assert [grab.grabbed_at for grab in sintel.grabs] == [NOW, datetime(2026, 4, 30, tzinfo=UTC)]


def test_releases_are_remembered_by_name_or_hash() -> None:
    sintel = target(
        title="Sintel", year=2010, imported=["AB" * 20], replaced=["Sintel.2010-GRP"], blocklist=["Sintel 2010"]
    )
    assert "ab" * 20 in sintel.imported
    assert "sintel2010grp" in sintel.replaced
    assert "sintel2010" in sintel.blocklist


def test_an_offer_has_what_its_form_says() -> None:
    form = {
        "title": "Sintel.2010",
        "indexer": "open",
        "protocol": "usenet",
        "size": 5,
        "published_at": "2026-05-01T12:00:00+02:00",
        "infohash": "AB" * 20,
        "flags": ["internal"],
    }
    assert ReleaseForm.model_validate(form).offer(NOW) == Offer(
        indexer="open",
        guid="Sintel.2010",
        title="Sintel.2010",
        protocol=Protocol.USENET,
        size_bytes=5,
        published_at=datetime(2026, 5, 1, 10, tzinfo=UTC),
        infohash="ab" * 20,
        flags=frozenset({IndexerFlag.INTERNAL}),
    )
