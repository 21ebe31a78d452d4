from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.custom_format import FormatScore
from movies.offer import IndexerFlag, IndexerTerms, Protocol
from movies.policy import DelayProfile, Policy, Propers
from movies.ranking import rank_key, ranked, what_decides
from movies.release import ParsedRelease
from movies.rules.size import MIB
from movies.verdict import Verdict
from tests.movies.judging import HD, NAME, NOW, OFFER, SINTEL, judged

POLICY = Policy(
    terms={"first": IndexerTerms(priority=1), "last": IndexerTerms(priority=50)},
    delay_profiles=(DelayProfile(preferred=Protocol.USENET),),
)
BLURAY = "Sintel.2010.1080p.BluRay.x264"
PROPER = "Sintel.2010.PROPER.1080p.WEB-DL"
ALIKE = judged(size_bytes=900 * MIB)


def guids(*verdicts: Verdict, policy: Policy = POLICY) -> list[str]:
    return [verdict.offer.guid for verdict in ranked(verdicts, SINTEL, policy=policy, now=NOW)]


def offered(**facts: object) -> Verdict:
    return replace(ALIKE, offer=replace(ALIKE.offer, **facts))  # type: ignore[arg-type]


FREE, HALF, NUKED = IndexerFlag.FREELEECH, IndexerFlag.HALFLEECH, IndexerFlag.NUKED

BETTER: list[tuple[str, Verdict, Verdict]] = [
    ("quality", judged(BLURAY, guid="good"), judged(PROPER)),
    ("revision", judged("Sintel.2010.REAL.PROPER.1080p.WEB-DL", guid="good"), judged(PROPER)),
    ("revision", judged(PROPER, guid="good"), replace(ALIKE, score=FormatScore(total=900))),
    (
        "format score",
        replace(offered(guid="good"), score=FormatScore(total=1)),
        offered(protocol=Protocol.USENET),
    ),
    (
        "format score",
        offered(guid="good"),
        replace(offered(protocol=Protocol.USENET), score=FormatScore(total=-1)),
    ),
    ("preferred protocol", offered(guid="good", protocol=Protocol.USENET), offered(indexer="first")),
    ("indexer priority", offered(guid="good", indexer="first"), offered(indexer="last", flags=frozenset({FREE}))),
    ("indexer flags", offered(guid="good", flags=frozenset({HALF})), offered(seeders=9000)),
    ("indexer flags", offered(guid="good", flags=frozenset({FREE})), offered(flags=frozenset({HALF}))),
    ("indexer flags", offered(guid="good"), offered(flags=frozenset({NUKED, FREE, IndexerFlag.INTERNAL}))),
    ("seeders", offered(guid="good", seeders=100), offered(seeders=10, leechers=90_000)),
    ("peers", offered(guid="good", leechers=900), offered(size_bytes=1425 * MIB)),
    ("size", offered(guid="good", size_bytes=1400 * MIB), offered(size_bytes=300 * MIB)),
    ("size", offered(guid="good", size_bytes=1 * MIB), offered(size_bytes=None)),
    (
        "size",
        judged(BLURAY, guid="good", size_bytes=9_000 * MIB),
        judged(BLURAY, size_bytes=2_000 * MIB),
    ),
    ("guid", offered(guid="0"), ALIKE),
    ("name", offered(title="A"), ALIKE),
]


@pytest.mark.parametrize(("criterion", "good", "other"), BETTER)
def test_one_thing_counts_before_the_next(criterion: str, good: Verdict, other: Verdict) -> None:
    for verdicts in ((good, other), (other, good)):
        assert ranked(verdicts, SINTEL, policy=POLICY, now=NOW) == [good, other]
    assert what_decides(good, other, SINTEL, policy=POLICY, now=NOW) == criterion


def test_between_an_offer_and_itself_nothing_decides() -> None:
    assert what_decides(ALIKE, ALIKE, SINTEL, policy=POLICY, now=NOW) == "nothing"


@pytest.mark.parametrize(("hours", "older"), [(0.9, 1), (24, 25), (168, 169), (24 * 20, 24 * 500)])
def test_of_posts_the_newer_comes_first_before_the_size(hours: float, older: float) -> None:
    good = offered(guid="good", protocol=Protocol.USENET, published_at=NOW - timedelta(hours=hours))
    other = offered(protocol=Protocol.USENET, published_at=NOW - timedelta(hours=older), size_bytes=1425 * MIB)
    assert guids(good, other) == ["good", "1"]
    assert what_decides(good, other, SINTEL, policy=POLICY, now=NOW) == "age"


def test_posts_of_about_one_age_are_alike() -> None:
    ages = [offered(guid=str(h), protocol=Protocol.USENET, published_at=NOW - timedelta(hours=h)) for h in (30, 90)]
    assert len({rank_key(verdict, SINTEL, policy=POLICY, now=NOW)[:-3] for verdict in ages}) == 1


def test_seeders_and_age_are_not_compared_across_protocols() -> None:
    verdict = offered(protocol=Protocol.USENET, seeders=9000)
    assert rank_key(verdict, SINTEL, policy=POLICY, now=NOW) == rank_key(
        offered(protocol=Protocol.USENET), SINTEL, policy=POLICY, now=NOW
    )


def test_a_handful_of_seeders_more_makes_no_difference() -> None:
    assert guids(offered(guid="a", seeders=11), offered(guid="b", seeders=14)) == ["a", "b"]


def test_a_group_of_qualities_is_equal() -> None:
    rip = judged("Sintel.2010.1080p.WEBRip", guid="rip", seeders=900)
    assert guids(judged(guid="dl", seeders=1), rip) == ["rip", "dl"]


def test_revisions_count_only_where_they_are_preferred() -> None:
    policy = replace(POLICY, propers=Propers.DO_NOT_PREFER)
    assert guids(judged(PROPER, guid="b"), judged(guid="a"), policy=policy) == ["a", "b"]
    policy = replace(POLICY, propers=Propers.DO_NOT_UPGRADE)
    assert guids(judged(PROPER, guid="b"), judged(guid="a"), policy=policy) == ["b", "a"]


def test_offers_that_are_alike_rank_by_indexer_and_guid() -> None:
    alike = [offered(guid="b"), offered(guid="a"), offered(guid="z", indexer="earlier")]
    assert guids(*alike) == guids(*alike[::-1]) == ["z", "a", "b"]


def test_rejected_releases_are_not_ranked() -> None:
    assert guids(judged(seeders=0)) == []


def test_a_name_nobody_can_read_comes_last() -> None:
    unread = replace(ALIKE, parsed=judged("S01E01").parsed, offer=OFFER)
    assert guids(unread, offered(guid="good", seeders=1)) == ["good", "1"]


NAMES = [NAME, "Sintel.2010.1080p.BluRay.x264", "Sintel.2010.720p.HDTV", "Sintel.2010.REPACK.1080p.WEBRip", "S01E01"]
VERDICTS = st.builds(
    judged,
    st.sampled_from(NAMES),
    guid=st.text("abc", min_size=1, max_size=4),
    protocol=st.sampled_from(Protocol),
    seeders=st.none() | st.integers(0, 5000),
    leechers=st.none() | st.integers(0, 5000),
    size_bytes=st.none() | st.integers(-1, 2**64),
    indexer=st.sampled_from(["first", "last", "other"]),
    flags=st.frozensets(st.sampled_from(IndexerFlag)),
    published_at=st.none() | st.just(NOW) | st.just(NOW - timedelta(days=9)),
)


@given(st.lists(VERDICTS, max_size=8, unique_by=lambda verdict: verdict.offer.guid), st.randoms(use_true_random=False))
def test_the_ranking_does_not_depend_on_the_order_of_arrival(verdicts: list[Verdict], random: Random) -> None:
    shuffled = random.sample(verdicts, len(verdicts))
    order = ranked(shuffled, SINTEL, policy=POLICY, now=NOW)
    assert order == ranked(verdicts, SINTEL, policy=POLICY, now=NOW)
    ranks = [HD.rank(v.parsed.quality) or 0 for v in order if isinstance(v.parsed, ParsedRelease)]
    assert ranks == sorted(ranks, reverse=True)
