"""Custom formats: ten kinds of conditions, how they add up to a match, and matches to a score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.custom_format import CustomFormat, FormatScore, FormatSet, score_of
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
from movies.format_facts import FormatFacts, format_facts, spoken_languages
from movies.offer import IndexerFlag, Offer
from movies.profile import Profile
from movies.quality import QUALITIES, UNKNOWN, Modifier, Source
from movies.release import ParsedRelease

GIB = 2**30
FACTS = FormatFacts(
    title="Sintel.2010.Extended.1080p.BluRay.x265-DUSTiN",
    quality=QUALITIES["Remux-1080p"],
    edition="Extended",
    languages=("German", "Original"),
    original_language="English",
    release_group="DUSTiN",
    year=2010,
    size_bytes=8 * GIB,
    flags=frozenset({IndexerFlag.FREELEECH}),
)
NOTHING = FormatFacts(title="Sintel")


def matches(*conditions: Condition, facts: FormatFacts = FACTS) -> bool:
    return FormatSet([CustomFormat(name="x", conditions=conditions)]).matching(facts) == ("x",)


MET: list[Condition] = [
    ReleaseTitle(pattern=r"[XH]265\b"),
    Edition(pattern="^extended"),
    ReleaseGroup(pattern="^(FCK|dustin)$"),
    Language(language="German"),
    Language(language="English"),
    Language(language="Original"),
    Language(language="German", excepted=True),
    HasFlag(flag=IndexerFlag.FREELEECH),
    FromSource(source=Source.BLURAY),
    HasResolution(resolution=1080),
    HasModifier(modifier=Modifier.REMUX),
    SizeWithin(minimum_bytes=8 * GIB - 1, maximum_bytes=8 * GIB),
    SizeWithin(minimum_bytes=1),
    YearWithin(first=2010, last=2010),
    YearWithin(first=2010),
    YearWithin(last=2010),
]
NOT_MET: list[Condition] = [
    ReleaseTitle(pattern="x264"),
    Edition(pattern="uncut"),
    ReleaseGroup(pattern="^dust$"),
    Language(language="French"),
    HasFlag(flag=IndexerFlag.NUKED),
    FromSource(source=Source.WEBDL),
    HasResolution(resolution=720),
    HasModifier(modifier=Modifier.NONE),
    SizeWithin(minimum_bytes=8 * GIB, maximum_bytes=9 * GIB),
    SizeWithin(minimum_bytes=0, maximum_bytes=8 * GIB - 1),
    YearWithin(first=2011),
    YearWithin(last=2009),
]


@pytest.mark.parametrize("condition", MET)
def test_a_condition_that_is_met(condition: Condition) -> None:
    assert matches(condition)
    assert not matches(negated(condition))


@pytest.mark.parametrize("condition", NOT_MET)
def test_a_condition_that_is_not_met(condition: Condition) -> None:
    assert not matches(condition)
    assert matches(negated(condition))


def negated(condition: Condition) -> Condition:
    return type(condition)(**{**vars(condition), "negated": True})


@pytest.mark.parametrize(
    "condition",
    [
        Edition(pattern="."),
        ReleaseGroup(pattern="."),
        HasFlag(flag=IndexerFlag.INTERNAL),
        SizeWithin(),
        YearWithin(),
    ],
)
def test_what_nobody_knows_of_a_release_meets_no_condition_about_it(condition: Condition) -> None:
    assert not matches(condition, facts=NOTHING)


def test_the_files_name_may_meet_what_the_releases_name_does_not() -> None:
    facts = FormatFacts(title="Sintel", file_name="sintel.x265.mkv")
    assert matches(ReleaseTitle(pattern="x265"), facts=facts)
    assert not matches(ReleaseTitle(pattern="x265", negated=True), facts=facts)


def test_a_release_that_tells_no_language_is_in_the_movies_own_or_else_in_english() -> None:
    assert spoken_languages((), original="French") == ("French",)
    assert spoken_languages((), original=None) == ("English",)
    assert spoken_languages(("German", "Original"), original="French") == ("German", "French")
    assert spoken_languages(("French", "Original"), original="French") == ("French",)
    assert spoken_languages(("German", "Original"), original=None) == ("German", "Original")


def test_while_the_movies_own_language_is_unknown_every_release_is_taken_to_be_in_it() -> None:
    facts = FormatFacts(title="x", languages=("German",))
    assert matches(Language(language="Original"), facts=facts)
    assert not matches(Language(language="Original", negated=True), facts=facts)
    assert not matches(Language(language="Original", excepted=True), facts=facts)


YES, NO = HasResolution(resolution=1080), HasResolution(resolution=720)
YES_REQUIRED, NO_REQUIRED = HasResolution(resolution=1080, required=True), HasResolution(resolution=720, required=True)
OTHER_YES, OTHER_NO = FromSource(source=Source.BLURAY), FromSource(source=Source.TV)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ((YES, NO), True),
        ((NO, NO), False),
        ((YES_REQUIRED, NO), True),
        ((NO_REQUIRED, YES), False),
        ((YES_REQUIRED, NO_REQUIRED), False),
        ((YES, OTHER_YES), True),
        ((YES, OTHER_NO), False),
        ((YES, NO, OTHER_NO, OTHER_YES), True),
        ((YES, OTHER_YES, NO_REQUIRED), False),
        ((HasResolution(resolution=720, negated=True, required=True), NO), True),
        ((HasResolution(resolution=1080, negated=True, required=True), YES), False),
    ],
)
def test_for_each_kind_all_that_are_required_and_at_least_one_must_be_met(
    conditions: tuple[Condition, ...], expected: bool
) -> None:
    assert matches(*conditions) is expected


CONDITIONS = st.builds(
    lambda condition, negated, required: type(condition)(
        **{**vars(condition), "negated": negated, "required": required}
    ),
    st.sampled_from(MET + NOT_MET),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(CONDITIONS, min_size=1, max_size=8), st.sampled_from([FACTS, NOTHING]))
def test_a_match_is_what_its_definition_says(conditions: list[Condition], facts: FormatFacts) -> None:
    met = [(type(one), one.required, matches(one, facts=facts)) for one in conditions]
    kinds = {kind for kind, _, _ in met}
    expected = all(
        all(is_met for other, required, is_met in met if other is kind and required)
        and any(is_met for other, _, is_met in met if other is kind)
        for kind in kinds
    )
    assert matches(*conditions, facts=facts) is expected


FORMATS = FormatSet(
    [
        CustomFormat(name="x265", conditions=(ReleaseTitle(pattern="x265"),)),
        CustomFormat(name="remux", conditions=(HasModifier(modifier=Modifier.REMUX),)),
        CustomFormat(name="x264", conditions=(ReleaseTitle(pattern="x264"),)),
    ]
)


def profile(**scores: int) -> Profile:
    return Profile(name="hd", groups=(("Remux-1080p",),), cutoff="Remux-1080p", format_scores=scores)


def test_scores_of_the_formats_that_match_add_up() -> None:
    score = score_of(FACTS, profile(x265=-50, remux=20, x264=1000), FORMATS)
    assert score == FormatScore(total=-30, names=("x265", "remux"))


def test_a_format_the_profile_does_not_score_is_not_named_and_one_that_is_gone_is_worth_nothing() -> None:
    assert score_of(FACTS, profile(remux=20, gone=5), FORMATS) == FormatScore(total=20, names=("remux",))
    assert score_of(FACTS, profile(), FORMATS) == FormatScore()


def test_all_formats_of_a_set_are_asked_unless_some_are_picked() -> None:
    assert FORMATS.matching(FACTS) == ("x265", "remux")
    assert FORMATS.matching(FACTS, {"x265", "x264"}) == ("x265",)


def test_a_pattern_that_runs_out_of_time_is_not_found_and_is_told() -> None:
    told: list[str] = []
    slow = CustomFormat(name="slow", conditions=(ReleaseTitle(pattern="(a|aa)+$"),))
    formats = FormatSet([slow], on_timeout=told.append, timeout_s=0.01)
    assert formats.matching(FormatFacts(title="a" * 60 + "!")) == ()
    assert told == ["(a|aa)+$"]


def test_a_format_without_conditions_or_with_a_broken_pattern_is_refused() -> None:
    with pytest.raises(BadFormat):
        CustomFormat(name="x", conditions=())
    with pytest.raises(BadRegex):
        matches(ReleaseTitle(pattern="("))


def test_sets_are_equal_when_their_formats_are() -> None:
    assert FormatSet(FORMATS.formats) == FORMATS
    assert hash(FormatSet(FORMATS.formats)) == hash(FORMATS)
    assert FormatSet() != FORMATS
    assert FORMATS.names == ("x265", "remux", "x264")


def test_facts_come_from_the_offer_and_its_name() -> None:
    offer = Offer(indexer="i", guid="g", title="x" * 600, size_bytes=5, flags=frozenset({IndexerFlag.SCENE}))
    parsed = ParsedRelease(title="Sintel", titles=("Sintel",), year=2010, release_group="G", languages=("French",))
    facts = format_facts(offer, parsed, original_language="Dutch")
    assert facts == FormatFacts(
        title="x" * 512,
        year=2010,
        release_group="G",
        languages=("French",),
        original_language="Dutch",
        size_bytes=5,
        flags=offer.flags,
    )


OPTIONAL_TEXT = st.none() | st.text(max_size=9)
ANY_FACTS = st.builds(
    FormatFacts,
    title=st.text(max_size=20),
    file_name=OPTIONAL_TEXT,
    quality=st.sampled_from(list(QUALITIES.values())),
    edition=OPTIONAL_TEXT,
    languages=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    original_language=OPTIONAL_TEXT,
    release_group=OPTIONAL_TEXT,
    year=st.none() | st.integers(),
    size_bytes=st.none() | st.integers(),
    flags=st.frozensets(st.sampled_from(IndexerFlag)),
)


@given(ANY_FACTS)
def test_facts_that_were_kept_are_read_back_as_they_were(facts: FormatFacts) -> None:
    assert FormatFacts.from_json(facts.as_json()) == facts


def test_kept_facts_of_another_version_are_read_as_far_as_they_are_known() -> None:
    facts = FormatFacts.from_json({"title": "x", "quality": "Bluray-4320p", "flags": ["golden", "scene"], "new": 1})
    assert facts == FormatFacts(title="x", quality=UNKNOWN, flags=frozenset({IndexerFlag.SCENE}))
