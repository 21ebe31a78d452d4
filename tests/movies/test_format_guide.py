"""The guides' documents, read into formats, groups, profiles and sizes."""

import contextlib
import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.errors import BadFormat, BadRegex
from movies.format_condition import (
    Condition,
    Edition,
    FromSource,
    HasFlag,
    HasModifier,
    HasResolution,
    Language,
    ReleaseGroup,
    ReleaseTitle,
    SizeWithin,
    YearWithin,
)
from movies.format_guide import guide_format, guide_group, guide_profile, guide_sizes
from movies.language_ids import LANGUAGE_IDS
from movies.languages import LANGUAGE_WORDS, ORIGINAL
from movies.offer import IndexerFlag
from movies.quality import Modifier, SizeBounds, Source
from tests.config.guides import FILES, FORMAT_ID, GROUP_ID, ON_ID, PROFILE, PROFILE_ID, custom_format, title

CONDITIONS: list[tuple[str, dict[str, Any], Condition]] = [
    ("ReleaseTitle", {"value": "x265"}, ReleaseTitle(pattern="x265")),
    ("Edition", {"value": "cut"}, Edition(pattern="cut")),
    ("ReleaseGroup", {"value": "^(FCK)$"}, ReleaseGroup(pattern="^(FCK)$")),
    ("Language", {"value": 4}, Language(language="German")),
    ("Language", {"value": -2, "exceptLanguage": True}, Language(language="Original", excepted=True)),
    ("Language", {"value": 30, "exceptLanguage": False}, Language(language="Portuguese (Brazil)")),
    ("IndexerFlag", {"value": 32}, HasFlag(flag=IndexerFlag.INTERNAL)),
    ("Source", {"value": 9}, FromSource(source=Source.BLURAY)),
    ("Resolution", {"value": 2160}, HasResolution(resolution=2160)),
    ("QualityModifier", {"value": 5}, HasModifier(modifier=Modifier.REMUX)),
    ("Size", {"min": 1, "max": 2.5}, SizeWithin(minimum_bytes=2**30, maximum_bytes=5 * 2**29)),
    ("Year", {"min": 1980, "max": 1989}, YearWithin(first=1980, last=1989)),
]


def specification(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"name": "x", "implementation": f"{kind}Specification", "negate": True, "required": True, "fields": fields}


@pytest.mark.parametrize(("kind", "fields", "expected"), CONDITIONS)
def test_every_kind_of_condition_is_read(kind: str, fields: dict[str, Any], expected: Condition) -> None:
    document = custom_format("x", "X", specification(kind, fields))
    (condition,) = guide_format(document).format.conditions
    assert condition == type(expected)(**{**vars(expected), "negated": True, "required": True})


def test_the_guides_numbers_stand_for_the_languages_that_names_tell() -> None:
    assert set(LANGUAGE_IDS.values()) == {ORIGINAL, *LANGUAGE_WORDS.values()}


def test_a_score_is_that_of_the_set_or_the_default_one_or_nothing() -> None:
    read = guide_format(custom_format("x", "X", title("x"), default=5, mine=-7))
    assert [read.score("mine"), read.score("other")] == [-7, 5]
    assert guide_format(custom_format("x", "X", title("x"))).score("mine") == 0


def test_a_group_has_the_formats_that_it_requires_or_switches_on() -> None:
    group = guide_group(FILES["cf-groups/unwanted.json"])
    assert group.is_default
    assert group.formats == (FORMAT_ID, ON_ID)
    assert group.profiles == {PROFILE_ID}
    assert not guide_group(FILES["cf-groups/optional.json"]).is_default


def test_a_profile_has_the_allowed_qualities_best_first_and_the_best_of_its_cutoffs_group() -> None:
    profile = guide_profile(PROFILE)
    assert profile.qualities == (("Bluray-1080p",), ("WEBRip-1080p", "WEBDL-1080p"))
    assert profile.cutoff == "WEBRip-1080p"
    assert (profile.cutoff_score, profile.score_increment, profile.language) == (10000, 1, "Original")
    assert profile.formats == (GROUP_ID,)
    assert profile.score_set == "mine"
    assert guide_profile({**PROFILE, "language": "Any"}).language is None


def test_sizes_are_by_quality() -> None:
    bounds = SizeBounds(minimum=50.8, preferred=1999, maximum=2000)
    assert guide_sizes(FILES["quality-size/movie.json"]) == {"Bluray-1080p": bounds}


@pytest.mark.parametrize(
    "part",
    [
        specification("Codec", {"value": "x"}),
        specification("ReleaseTitle", {}),
        specification("ReleaseTitle", {"value": 5}),
        specification("Language", {"value": 999}),
        specification("Source", {"value": True}),
        specification("Size", {"min": "1", "max": 2}),
        {**title("x"), "fields": [1]},
        {**title("x"), "negate": "no"},
    ],
)
def test_a_condition_of_another_shape_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(BadFormat):
        guide_format(custom_format("x", "X", part))


def test_a_pattern_that_does_not_compile_is_refused() -> None:
    with pytest.raises(BadRegex, match="no regular expression"):
        guide_format(custom_format("x", "X", title("(")))


@pytest.mark.parametrize(
    "changed",
    [
        {"cutoff": "Remux-1080p"},
        {"cutoff": "Unknown"},
        {"language": "Klingon"},
        {"items": [{"name": "Bluray-4320p", "allowed": True}]},
        {"items": [5]},
        {"items": [{"name": "WEB 1080p", "allowed": True, "items": 5}]},
        {"minFormatScore": "0"},
        {"formatItems": []},
    ],
)
def test_a_profile_of_another_shape_or_that_contradicts_itself_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(BadFormat):
        guide_profile({**PROFILE, **changed})


@pytest.mark.parametrize(
    "changed", [{"min": 2001}, {"max": -1}, {"max": math.inf}, {"max": math.nan}, {"max": 10**400}]
)
def test_sizes_that_no_release_can_have_are_refused(changed: dict[str, Any]) -> None:
    row = {"quality": "Bluray-1080p", "min": 50.8, "preferred": 1999, "max": 2000}
    with pytest.raises(BadFormat):
        guide_sizes({"qualities": [row | changed]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
READERS = [
    (guide_format, FILES["cf/x265-hd.json"]),
    (guide_group, FILES["cf-groups/unwanted.json"]),
    (guide_profile, PROFILE),
    (guide_sizes, FILES["quality-size/movie.json"]),
]


@given(st.sampled_from(READERS), st.data(), JSON)
def test_whatever_a_document_holds_it_is_read_or_refused(reader: Any, data: st.DataObject, value: Any) -> None:
    read, document = reader
    document = copy.deepcopy(document)
    inner: Any = document
    key = data.draw(st.sampled_from(sorted(inner)))
    while isinstance(inner[key], dict | list) and inner[key] and data.draw(st.booleans()):
        inner = inner[key]
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
    inner[key] = value
    with contextlib.suppress(BadFormat, BadRegex):
        read(document)
