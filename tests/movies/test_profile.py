import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.errors import BadProfile, UnknownQuality
from movies.profile import BUILTIN_PROFILES, Profile
from movies.quality import QUALITIES, Quality

HD = Profile(
    name="hd", groups=(("Bluray-1080p",), ("WEBDL-1080p", "WEBRip-1080p"), ("HDTV-1080p",)), cutoff="WEBRip-1080p"
)
ANY_QUALITY = st.sampled_from(list(QUALITIES.values()))


def test_the_first_group_ranks_highest() -> None:
    assert HD.rank(QUALITIES["Bluray-1080p"]) == 3
    assert HD.rank(QUALITIES["HDTV-1080p"]) == 1


def test_qualities_of_one_group_rank_alike() -> None:
    assert HD.rank(QUALITIES["WEBDL-1080p"]) == HD.rank(QUALITIES["WEBRip-1080p"])


def test_a_quality_that_is_not_listed_has_no_rank() -> None:
    assert HD.rank(QUALITIES["CAM"]) is None


@pytest.mark.parametrize(
    ("name", "meets"), [("Bluray-1080p", True), ("WEBDL-1080p", True), ("HDTV-1080p", False), ("CAM", False)]
)
def test_the_cutoff_is_met_from_its_group_on(name: str, meets: bool) -> None:
    assert HD.meets_cutoff(QUALITIES[name]) is meets


def test_a_better_film_from_before_the_profile_changed_is_left_alone() -> None:
    assert HD.meets_cutoff(QUALITIES["Remux-2160p"])


def test_the_order_of_the_profile_beats_the_ladder() -> None:
    web_first = Profile(name="web", groups=(("WEBDL-720p",), ("Bluray-1080p",)), cutoff="WEBDL-720p")
    assert web_first.is_better(QUALITIES["WEBDL-720p"], than=QUALITIES["Bluray-1080p"])
    assert not web_first.meets_cutoff(QUALITIES["Bluray-1080p"])


def test_a_cutoff_outside_the_groups_is_refused() -> None:
    with pytest.raises(BadProfile, match="cutoff"):
        Profile(name="x", groups=(("DVD",),), cutoff="SDTV")


def test_without_formats_a_profile_asks_for_no_score_and_no_language() -> None:
    assert (HD.format_scores, HD.minimum_score, HD.cutoff_score, HD.score_increment, HD.language) == ({}, 0, 0, 1, None)
    scored = Profile(name="hd", groups=HD.groups, cutoff=HD.cutoff, format_scores={"x265": 5})
    assert scored != HD


def test_a_quality_twice_is_refused() -> None:
    with pytest.raises(BadProfile, match="twice"):
        Profile(name="x", groups=(("DVD",), ("DVD", "SDTV")), cutoff="DVD")


def test_a_misspelt_quality_is_refused() -> None:
    with pytest.raises(UnknownQuality, match="did you mean"):
        Profile(name="x", groups=(("DVDD",),), cutoff="DVDD")


def test_the_usual_profiles_are_built_in() -> None:
    assert set(BUILTIN_PROFILES) == {"any", "sd", "hd-720p", "hd-1080p", "ultra-hd", "hd"}
    assert BUILTIN_PROFILES["hd"].groups[0] == ("Remux-1080p",)
    assert BUILTIN_PROFILES["hd"].groups[-1] == ("HDTV-720p",)


@pytest.mark.parametrize("name", ["Unknown", "BR-DISK", "Raw-HD", "DVD-R"])
def test_no_built_in_profile_takes_what_cannot_be_filed(name: str) -> None:
    assert all(profile.rank(QUALITIES[name]) is None for profile in BUILTIN_PROFILES.values())


@given(st.sampled_from(list(BUILTIN_PROFILES.values())), ANY_QUALITY, ANY_QUALITY)
def test_of_two_qualities_at_most_one_is_better(profile: Profile, one: Quality, other: Quality) -> None:
    assert not (profile.is_better(one, than=other) and profile.is_better(other, than=one))
