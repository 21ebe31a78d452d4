from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.case import Moment
from movies.custom_format import CustomFormat, FormatSet
from movies.decision import RULES, decide, decide_all
from movies.format_condition import ReleaseTitle
from movies.offer import Offer, Protocol
from movies.policy import DelayProfile, Policy, Propers
from movies.ranking import ranked
from movies.release import ParsedRelease, parse_release
from movies.target import Grab, Namesake, Target
from movies.verdict import Reason, Rejection, Verdict
from tests.movies.judging import HD, HOUR, NAME, NOW, OFFER, SINTEL, file_of, judged, reasons

MOMENT = Moment(now=NOW)
PATIENT = Policy(delay_profiles=(DelayProfile(delay_s={Protocol.TORRENT: 3600}),))


def test_a_release_nobody_objects_to_is_accepted() -> None:
    verdict = judged()
    assert verdict.is_accepted
    assert not verdict.is_pending
    assert verdict.until is None


def test_every_reason_is_kept() -> None:
    verdict = judged("Other.Film.2010.CAM.KORSUBS", seeders=0, target=replace(SINTEL, monitored=False))
    assert reasons(verdict) >= {
        Reason.MOVIE_DOES_NOT_MATCH,
        Reason.NOT_MONITORED,
        Reason.QUALITY_NOT_ALLOWED,
        Reason.HARDCODED_SUBS,
        Reason.TOO_FEW_SEEDERS,
    }
    assert not verdict.is_accepted


def test_every_reason_but_unparsable_has_one_rule() -> None:
    assert sorted(rule.reason for rule in RULES) == sorted(set(Reason) - {Reason.UNPARSABLE})


def test_only_what_passes_with_time_is_temporary() -> None:
    temporary = {rule.reason for rule in RULES if rule.kind == "temporary"}
    assert temporary == {Reason.BLOCKED_INDEXER, Reason.MINIMUM_AGE, Reason.DELAY}


def test_every_objection_tells_why() -> None:
    assert all(r.text and r.kind == "permanent" for r in judged("Sintel.2010.CAM", seeders=0).rejections)


def test_a_name_nobody_can_read_is_rejected_with_what_else_speaks_against_it() -> None:
    verdict = judged("Sintel.S01E02.1080p", seeders=0, closed=frozenset({"open"}))
    assert reasons(verdict) == {Reason.UNPARSABLE, Reason.TOO_FEW_SEEDERS, Reason.BLOCKED_INDEXER}
    assert "series" in verdict.rejections[0].text


def test_a_verdict_carries_the_score_of_the_profiles_formats() -> None:
    durian = CustomFormat(name="durian", conditions=(ReleaseTitle(pattern="DURIAN"),))
    target = replace(SINTEL, profile=replace(HD, format_scores={"durian": 7}))
    verdict = judged(target=target, policy=Policy(formats=FormatSet([durian])))
    assert (verdict.score.total, verdict.score.names) == (7, ("durian",))


def rejection(reason: Reason = Reason.DELAY, **facts: object) -> Rejection:
    return Rejection(reason=reason, text="because", **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rejections", "is_pending", "hours"),
    [
        ((), False, None),
        ((rejection(kind="temporary", until=NOW + HOUR),), True, 1),
        ((rejection(kind="temporary", until=NOW + 2 * HOUR), rejection(kind="temporary", until=NOW + HOUR)), True, 2),
        ((rejection(kind="temporary", until=NOW + HOUR), rejection(kind="temporary")), True, None),
        ((rejection(kind="temporary", until=NOW + HOUR), rejection()), False, None),
    ],
)
def test_a_release_is_pending_until_the_last_passing_reason_ends(
    rejections: tuple[Rejection, ...], is_pending: bool, hours: int | None
) -> None:
    verdict = Verdict(offer=OFFER, parsed=parse_release(NAME), rejections=rejections)
    assert verdict.is_pending is is_pending
    assert verdict.until == (None if hours is None else NOW + hours * HOUR)


def offer(guid: str, age_min: float | None, *, title: str = NAME) -> Offer:
    published_at = None if age_min is None else NOW - timedelta(minutes=age_min)
    return replace(OFFER, guid=guid, title=title, published_at=published_at)


def accepted(*offers: Offer, policy: Policy = PATIENT) -> set[str]:
    pairs = [(offer, parse_release(offer.title)) for offer in offers]
    verdicts = decide_all(pairs, SINTEL, policy=policy, moment=MOMENT)
    assert [verdict.offer for verdict in verdicts] == list(offers)
    return {verdict.offer.guid for verdict in verdicts if verdict.is_accepted}


def test_when_the_delay_ends_for_one_release_it_ends_for_those_it_waited_for() -> None:
    better = "Sintel.2010.1080p.BluRay.x264"
    assert accepted(offer("old", 30), offer("new", 1, title=better)) == set()
    assert accepted(offer("old", 61), offer("new", 1, title=better)) == {"old", "new"}


def test_a_release_that_could_not_be_taken_starts_no_delay() -> None:
    assert accepted(offer("camera", 61, title="Sintel.2010.CAM"), offer("new", 1)) == set()


def test_a_release_of_unknown_age_waits_for_nothing() -> None:
    assert accepted(offer("ageless", None), offer("new", 1)) == {"ageless"}


def test_releases_are_decided_together_as_alone_where_nothing_waits() -> None:
    offers = [offer("a", 1), offer("b", 500, title="Sintel.2010.CAM"), offer("c", None, title="x")]
    alone = [decide(one, parse_release(one.title), SINTEL, moment=MOMENT) for one in offers]
    assert decide_all([(one, parse_release(one.title)) for one in offers], SINTEL, moment=MOMENT) == alone


QUALITIES = ["CAM", "WEBDL-1080p", "Bluray-1080p", "Remux-2160p"]
FILES = st.builds(file_of, st.sampled_from(QUALITIES), imported_at=st.none() | st.datetimes(timezones=st.just(UTC)))
GRABS = st.builds(
    Grab,
    quality=st.sampled_from([file_of(name).quality for name in QUALITIES]),
    grabbed_at=st.datetimes(timezones=st.just(UTC)),
)
TARGETS = st.builds(
    replace,
    st.just(SINTEL),
    year=st.none() | st.integers(),
    tmdb_id=st.none() | st.integers(),
    imdb_id=st.none() | st.text(),
    tags=st.sampled_from([frozenset(), frozenset({"kids"})]),
    in_cinemas_on=st.none() | st.dates(),
    digital_on=st.none() | st.dates(),
    file=st.none() | FILES,
    queued=st.lists(FILES, max_size=2).map(tuple),
    grabs=st.lists(GRABS, max_size=2).map(tuple),
    free_bytes=st.none() | st.integers(),
    delayed_since=st.none() | st.just(NOW - HOUR),
    namesakes=st.lists(st.builds(Namesake, titles=st.just(("Sintel",)), year=st.integers(2009, 2011))).map(tuple),
)
OFFERS = st.builds(
    replace,
    st.just(OFFER),
    title=st.sampled_from([NAME, f"{NAME}.iso", "Sintel.2010.REPACK.HC.2160p.WEB-DL", ""]) | st.text(),
    protocol=st.sampled_from(Protocol),
    size_bytes=st.none() | st.integers(-(2**63), 2**63),
    seeders=st.none() | st.integers(),
    published_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    infohash=st.none() | st.text(),
    tmdb_id=st.none() | st.integers(),
    imdb_id=st.none() | st.text(),
)
STRICT = Policy(
    maximum_size_bytes=1,
    minimum_age_s=60,
    retention_days=3,
    delay_profiles=(
        DelayProfile(tags=frozenset({"kids"}), enabled=frozenset()),
        DelayProfile(delay_s=dict.fromkeys(Protocol, 9)),
    ),
)


@given(OFFERS, TARGETS, st.sampled_from([Policy(), STRICT, PATIENT]))
def test_whatever_is_offered_there_is_a_verdict_with_reasons_once_each(
    offer: Offer, target: Target, policy: Policy
) -> None:
    verdict = decide(offer, parse_release(offer.title), target, policy=policy, moment=MOMENT)
    found = [rejection.reason for rejection in verdict.rejections]
    assert len(found) == len(set(found))
    assert all(rejection.text for rejection in verdict.rejections)
    assert all(rejection.kind == "temporary" for rejection in verdict.rejections if rejection.until)
    assert verdict.until is None or verdict.until > NOW


SCENE = [
    f"Sintel.2010.{repair}{source}.x264-{group}"
    for repair in ("", "PROPER.", "REPACK.")
    for source in ("720p.HDTV", "1080p.WEB-DL", "1080p.WEBRip", "1080p.BluRay", "1080p.BluRay.REMUX")
    for group in ("DURIAN", "OTHER")
]
SCORED = Policy(
    formats=FormatSet(
        [
            CustomFormat(name="durian", conditions=(ReleaseTitle(pattern="DURIAN"),)),
            CustomFormat(name="web", conditions=(ReleaseTitle(pattern="WEB"),)),
        ]
    )
)


@given(
    st.lists(st.sampled_from(SCENE), min_size=1, unique=True),
    st.sampled_from(Propers),
    st.integers(-5, 5),
    st.integers(-5, 5),
    st.integers(-5, 20),
)
def test_a_film_that_is_bettered_as_long_as_it_can_be_comes_to_rest(
    names: list[str], propers: Propers, durian: int, web: int, cutoff_score: int
) -> None:
    profile = replace(
        HD,
        format_scores={"durian": durian, "web": web},
        cutoff_score=cutoff_score,
        minimum_score=-10,
        cutoff="Remux-1080p",
    )
    target, policy, taken = replace(SINTEL, profile=profile), replace(SCORED, propers=propers), set[str]()
    offers = [(offer(name, 60, title=name), parse_release(name)) for name in names]
    while best := ranked(decide_all(offers, target, policy=policy, moment=MOMENT), target, policy=policy, now=NOW):
        release = best[0].parsed
        assert isinstance(release, ParsedRelease)
        assert best[0].offer.title not in taken
        taken.add(best[0].offer.title)
        file = file_of(
            release.quality.name, release.revision, score=best[0].score.total, release_group=release.release_group
        )
        target = replace(target, file=file)
    assert taken
