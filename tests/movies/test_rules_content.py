from dataclasses import replace

import pytest

from movies.custom_format import CustomFormat, FormatSet
from movies.errors import BadRegex
from movies.format_condition import ReleaseTitle
from movies.policy import Policy, ReleaseProfile
from movies.rules.size import MIB
from movies.verdict import Reason
from tests.movies.judging import HD, NAME, SINTEL, judged, only, reasons


def test_a_quality_outside_the_profile_is_rejected() -> None:
    assert reasons(judged("Sintel.2010.DVDRip")) == {Reason.QUALITY_NOT_ALLOWED}


def test_a_score_under_the_profiles_minimum_is_rejected() -> None:
    web = CustomFormat(name="web", conditions=(ReleaseTitle(pattern="WEB-DL"),))
    policy = Policy(formats=FormatSet([web]))
    target = replace(SINTEL, profile=replace(HD, format_scores={"web": 10}, minimum_score=11))
    rejection = only(judged(target=target, policy=policy))
    assert rejection.reason is Reason.CUSTOM_FORMAT_MINIMUM
    assert rejection.text == "its score is 10 (web), 11 is asked for"
    assert judged(target=replace(target, profile=replace(target.profile, minimum_score=10)), policy=policy).is_accepted


@pytest.mark.parametrize(
    ("wanted", "original", "name", "is_accepted"),
    [
        (None, None, "Sintel.2010.German.1080p.WEB-DL", True),
        ("German", None, "Sintel.2010.German.1080p.WEB-DL", True),
        ("German", None, NAME, False),
        ("German", "German", NAME, True),
        ("English", None, NAME, True),
        ("English", "Dutch", NAME, False),
        ("English", "English", "Sintel.2010.German.DL.1080p.WEB-DL", True),
        ("Original", "English", NAME, True),
        ("Original", "English", "Sintel.2010.German.1080p.WEB-DL", False),
        ("Original", "English", "Sintel.2010.German.DL.1080p.WEB-DL", True),
        ("Original", None, "Sintel.2010.German.1080p.WEB-DL", True),
    ],
)
def test_the_profiles_language_must_be_among_the_releases(
    wanted: str | None, original: str | None, name: str, is_accepted: bool
) -> None:
    target = replace(SINTEL, profile=replace(HD, language=wanted), original_language=original)
    assert reasons(judged(name, target=target)) == (set() if is_accepted else {Reason.LANGUAGE})


@pytest.mark.parametrize(
    "title", ["Sintel.2010.COMPLETE.BLURAY", "Sintel.2010.DVD9", "Sintel.2010.1080p.BluRay.x264.iso", f"{NAME}.m2ts"]
)
def test_a_raw_disc_is_rejected(title: str) -> None:
    assert Reason.RAW_DISC in reasons(judged(title))


def test_hardcoded_subtitles_are_rejected_unless_allowed() -> None:
    title = "Sintel.2010.HC.1080p.WEBRip"
    assert reasons(judged(title)) == {Reason.HARDCODED_SUBS}
    assert judged(title, policy=Policy(allows_hardcoded_subs=True)).is_accepted


def test_a_small_sample_is_rejected() -> None:
    assert Reason.SAMPLE in reasons(judged("Sintel.2010.1080p.WEB-DL/sample.mkv", size_bytes=20 * MIB))
    assert Reason.SAMPLE not in reasons(judged("Sintel.2010.1080p.WEB-DL/sample.mkv", size_bytes=70 * MIB))
    assert judged("Sintel.2010.1080p.WEB-DL.Resampled", size_bytes=20 * MIB).is_accepted


@pytest.mark.parametrize(
    ("terms", "is_accepted"),
    [
        ({"ignored": ("durian",)}, False),
        ({"ignored": ("durians", "x265")}, True),
        ({"ignored": (r"/h[. ]?26[45]/",)}, False),
        ({"ignored": (r"/^durian/",)}, True),
        ({"ignored": ("/",)}, True),
        ({"required": ("h264",)}, True),
        ({"required": ("x264", "H264")}, True),
        ({"required": ("x264", "/x26[45]/")}, False),
        ({"required": ("h264",), "ignored": ("web-dl",)}, False),
        ({"ignored": ("durian",), "indexer": "open"}, False),
        ({"ignored": ("durian",), "indexer": "other"}, True),
        ({"ignored": ("durian",), "tags": frozenset({"kids"})}, True),
    ],
)
def test_terms_restrict_names(terms: dict[str, object], is_accepted: bool) -> None:
    profile = ReleaseProfile(**terms)  # type: ignore[arg-type]
    verdict = judged(policy=Policy(release_profiles=(ReleaseProfile(), profile)))
    assert reasons(verdict) == (set() if is_accepted else {Reason.RELEASE_RESTRICTIONS})


def test_a_restriction_with_tags_concerns_the_movies_that_have_one() -> None:
    policy = Policy(release_profiles=(ReleaseProfile(ignored=("durian",), tags=frozenset({"kids"})),))
    assert not judged(policy=policy, target=replace(SINTEL, tags=frozenset({"kids"}))).is_accepted


def test_it_is_said_which_term_decided() -> None:
    policy = Policy(release_profiles=(ReleaseProfile(required=("x264", "/x265/")),))
    assert only(judged(policy=policy)).text == "its name has none of the required terms x264, /x265/"
    policy = Policy(release_profiles=(ReleaseProfile(ignored=("foo", "Durian")),))
    assert only(judged(policy=policy)).text == 'its name has the ignored term "Durian"'


def test_a_term_that_is_no_pattern_is_refused_at_once() -> None:
    with pytest.raises(BadRegex, match=r"\(x26"):
        ReleaseProfile(ignored=("/(x26/",))


def test_a_term_that_takes_too_long_is_not_found_and_told() -> None:
    told: list[str] = []
    profile = ReleaseProfile(ignored=(r"/(a|aa)+$/",), on_timeout=told.append)
    assert profile.found(profile.ignored, "a" * 60 + "b") is None
    assert told == [r"(a|aa)+$"]
