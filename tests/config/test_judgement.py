"""What decisions read from a configuration: profiles, formats and the policy, from the file and from the guides."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from config.loading import load
from config.policy import policy_of
from config.schema import Config
from movies.availability import Availability
from movies.custom_format import CustomFormat, score_of
from movies.format_condition import HasModifier, Language, ReleaseTitle, SizeWithin
from movies.format_facts import FormatFacts
from movies.offer import IndexerFlag, IndexerTerms, Protocol
from movies.policy import DEFAULT_POLICY, DelayProfile, Propers, ReleaseProfile
from movies.quality import SIZE_BOUNDS, Modifier, SizeBounds
from tests.config.documents import written
from tests.config.guides import FORMAT_ID, PROFILE, PROFILE_ID, write_guides

GUIDES_PROFILE = f'[profiles.x]\ntrash_id = "{PROFILE_ID}"\n'
HAS_X265 = '[formats.x265]\nconditions = [{ type = "release_title", regex = "x265" }]\n'


def configured(folder: Path, text: str) -> Config:
    return load(written(folder, text))


@pytest.fixture
def guides(tmp_path: Path) -> Path:
    return write_guides(tmp_path / "trash-guides")


def test_an_empty_file_is_the_usual_policy(tmp_path: Path) -> None:
    assert policy_of(configured(tmp_path, "")) == DEFAULT_POLICY


def test_what_is_selected_comes_from_the_file(tmp_path: Path) -> None:
    text = """
[selection]
propers = "do_not_prefer"
proper_age = "1d"
repacks = false
hardcoded_subs = true
maximum_size = "1GiB"
min_free = "1MiB"
minimum_age = "30m"
retention = "1000d"
grab_cooldown = "1h"
[[indexers]]
name = "one"
url = "http://x"
priority = 5
minimum_seeders = 3
required_flags = ["freeleech"]
tags = ["open"]
"""
    policy = policy_of(configured(tmp_path, text))
    assert (policy.propers, policy.proper_age) == (Propers.DO_NOT_PREFER, timedelta(days=1))
    assert (policy.allows_repacks, policy.allows_hardcoded_subs) == (False, True)
    assert (policy.maximum_size_bytes, policy.minimum_free_bytes) == (2**30, 2**20)
    assert (policy.minimum_age_s, policy.retention_days) == (1800, 1000)
    assert policy.grab_cooldown == timedelta(hours=1)
    terms = IndexerTerms(
        priority=5, minimum_seeders=3, required_flags=frozenset({IndexerFlag.FREELEECH}), tags=frozenset({"open"})
    )
    assert policy.terms == {"one": terms}


def test_delays_and_restrictions_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """
[[delays]]
tags = ["a", "b"]
protocols = ["usenet"]
preferred = "usenet"
usenet = "2h"
bypass_highest_quality = true
bypass_score = 100
[[delays]]
torrent = "30m"
[[restrictions]]
required = ["1080p", '/x26[45]/']
indexer = "one"
[[restrictions]]
ignored = ["cam"]
tags = ["a"]
[[indexers]]
name = "one"
url = "http://x"
"""
    policy = policy_of(configured(tmp_path, text))
    first, second = policy.delay_profiles
    assert first == DelayProfile(
        tags=frozenset({"a", "b"}),
        enabled=frozenset({Protocol.USENET}),
        preferred=Protocol.USENET,
        delay_s={Protocol.TORRENT: 0, Protocol.USENET: 7200},
        bypass_highest_quality=True,
        bypass_score=100,
    )
    assert second == DelayProfile(delay_s={Protocol.TORRENT: 1800, Protocol.USENET: 0})
    assert policy.release_profiles == (
        ReleaseProfile(required=("1080p", "/x26[45]/"), indexer="one"),
        ReleaseProfile(ignored=("cam",), tags=frozenset({"a"})),
    )


def test_tags_and_availability_go_with_the_wanted_movie(tmp_path: Path) -> None:
    text = '[wanted.hd]\ntmdb = [1]\ntitles = ["x (2010)"]\ntags = ["a"]\nminimum_availability = "in_cinemas"'
    movies = [movie for _, movie in configured(tmp_path, text).wanted_movies()]
    assert [movie.tags for movie in movies] == [("a",), ("a",)]
    assert {movie.minimum_availability for movie in movies} == {Availability.IN_CINEMAS}


def test_sizes_are_the_files_over_the_guides_over_the_usual_ones(tmp_path: Path, guides: Path) -> None:
    text = (
        '[sizes]\ntrash = "movie"\n"bluray-1080p" = { preferred = 200 }\nDVD = { min = 1, preferred = inf, max = inf }'
    )
    bounds = policy_of(configured(tmp_path, text)).size_bounds
    assert bounds["Bluray-1080p"] == SizeBounds(minimum=50.8, preferred=200, maximum=2000)
    assert bounds["DVD"] == SizeBounds(minimum=1, preferred=None, maximum=None)
    assert bounds["SDTV"] == SIZE_BOUNDS["SDTV"]


def test_a_profile_scores_formats_and_says_how_much_is_enough(tmp_path: Path) -> None:
    text = f"""{HAS_X265}
[profiles.x]
qualities = ["SDTV"]
formats = {{ x265 = 100 }}
minimum_score = 10
score_increment = 5
language = "german"
"""
    profile = configured(tmp_path, text).all_profiles["x"]
    assert profile.format_scores == {"x265": 100}
    assert (profile.minimum_score, profile.cutoff_score, profile.score_increment) == (10, 10, 5)
    assert profile.language == "German"


@pytest.mark.parametrize(("written_as", "language"), [("any", None), ("original", "Original"), ("Dutch", "Dutch")])
def test_a_profiles_language(written_as: str, language: str | None, tmp_path: Path) -> None:
    text = f'[profiles.x]\nqualities = ["SDTV"]\nlanguage = "{written_as}"'
    assert configured(tmp_path, text).all_profiles["x"].language == language


def test_formats_keep_their_conditions(tmp_path: Path) -> None:
    text = """
[formats."Small, original"]
conditions = [
  { type = "language", language = "original", required = true },
  { type = "size", max = "1GiB", negate = true },
]
"""
    (found,) = policy_of(configured(tmp_path, text)).formats.formats
    conditions = (Language(language="Original", required=True), SizeWithin(maximum_bytes=2**30, negated=True))
    assert found == CustomFormat(name="Small, original", conditions=conditions)


def test_a_profile_of_the_guides_comes_with_its_formats_and_those_of_groups_that_are_on(
    tmp_path: Path, guides: Path
) -> None:
    config = configured(tmp_path, GUIDES_PROFILE)
    profile = config.all_profiles["x"]
    assert profile.groups == (("Bluray-1080p",), ("WEBRip-1080p", "WEBDL-1080p"))
    assert (profile.cutoff, profile.cutoff_score, profile.language) == ("WEBRip-1080p", 10000, "Original")
    assert profile.format_scores == {"Repack": 6, "x265 (HD)": -9}
    assert set(config.all_formats) == {"Repack", "x265 (HD)", "On"}
    score = score_of(FormatFacts(title="Sintel.2010.REPACK.x265"), profile, policy_of(config).formats)
    assert (score.total, set(score.names)) == (-3, {"Repack", "x265 (HD)"})


def test_the_files_own_keys_win_over_those_of_the_guides(tmp_path: Path, guides: Path) -> None:
    text = f"""{GUIDES_PROFILE}qualities = ["Remux-1080p", "Bluray-1080p"]
upgrade = false
formats = {{ "x265 (HD)" = 0, Repack = 7, x265 = 1 }}
cutoff_score = 50
language = "any"
{HAS_X265}
"""
    profile = configured(tmp_path, text).all_profiles["x"]
    assert profile.format_scores == {"Repack": 7, "x265": 1}
    assert (profile.cutoff, profile.upgrade, profile.cutoff_score, profile.language) == ("Remux-1080p", False, 50, None)


def test_a_format_of_the_file_stands_in_for_the_guides_one_of_its_name(tmp_path: Path, guides: Path) -> None:
    text = GUIDES_PROFILE + HAS_X265.replace("[formats.x265]", '[formats."x265 (HD)"]')
    assert configured(tmp_path, text).all_formats["x265 (HD)"].conditions == (ReleaseTitle(pattern="x265"),)


def test_a_format_of_the_guides_may_have_another_name(tmp_path: Path, guides: Path) -> None:
    config = configured(tmp_path, f'[formats.mine]\ntrash_id = "{FORMAT_ID}"')
    (found,) = config.all_formats.values()
    assert found.name == "mine"
    assert found.conditions == (
        ReleaseTitle(pattern="[xh]265", required=True),
        HasModifier(modifier=Modifier.REMUX, negated=True, required=True),
    )


def test_the_guides_may_be_a_clone_of_their_repository_anywhere(tmp_path: Path) -> None:
    write_guides(tmp_path / "clone" / "docs" / "json" / "radarr")
    text = f'[trash_guides]\npath = "clone"\n{GUIDES_PROFILE}'
    assert "x265 (HD)" in configured(tmp_path, text).all_formats


def test_the_guides_are_read_when_the_file_is_read_and_only_then(tmp_path: Path, guides: Path) -> None:
    config = configured(tmp_path, GUIDES_PROFILE)
    file = guides / "quality-profiles" / "hd-bluray-web.json"
    file.write_text(json.dumps({**PROFILE, "cutoffFormatScore": 5}))
    assert config.all_profiles["x"].cutoff_score == 10000
    assert load(tmp_path / "config.toml").all_profiles["x"].cutoff_score == 5


def test_guides_that_nothing_names_are_not_read(tmp_path: Path, guides: Path) -> None:
    (guides / "cf" / "repack.json").write_text("no JSON")
    assert configured(tmp_path, "").all_formats == {}


def test_patterns_that_run_out_of_time_are_told_wherever_they_stand(tmp_path: Path) -> None:
    endless = "(a|aa)+$"
    text = f"""[formats.x]
conditions = [{{ type = "release_title", regex = "{endless}" }}]
[[restrictions]]
ignored = ["/{endless}/"]
"""
    told: list[str] = []
    policy = policy_of(configured(tmp_path, text), on_timeout=told.append)
    name = "a" * 80 + "!"
    assert policy.formats.matching(FormatFacts(title=name)) == ()
    (restriction,) = policy.release_profiles
    assert restriction.found(restriction.ignored, name) is None
    assert told == [endless, endless]
