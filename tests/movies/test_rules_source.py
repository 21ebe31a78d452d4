from dataclasses import replace
from datetime import timedelta

import pytest

from movies.custom_format import CustomFormat, FormatSet
from movies.format_condition import ReleaseTitle
from movies.offer import IndexerFlag, IndexerTerms, Protocol
from movies.policy import DelayProfile, Policy
from movies.verdict import Reason, Verdict
from tests.movies.judging import HD, HOUR, NOW, SINTEL, judged, only, reasons

BEST = "Sintel.2010.1080p.BluRay.REMUX"
WAIT = DelayProfile(delay_s={Protocol.TORRENT: 7200})


def test_a_protocol_that_is_not_enabled_is_rejected() -> None:
    policy = Policy(delay_profiles=(DelayProfile(enabled=frozenset({Protocol.USENET})),))
    assert reasons(judged(policy=policy)) == {Reason.PROTOCOL}
    assert judged(policy=policy, protocol=Protocol.USENET).is_accepted


def test_releases_of_a_closed_indexer_are_pending() -> None:
    verdict = judged(closed=frozenset({"open"}))
    assert reasons(verdict) == {Reason.BLOCKED_INDEXER}
    assert verdict.is_pending
    assert verdict.until is None
    assert judged(closed=frozenset({"other"})).is_accepted


def test_too_few_seeders_are_rejected_and_unknown_ones_are_not() -> None:
    strict = Policy(terms={"open": IndexerTerms(minimum_seeders=5)})
    assert reasons(judged(seeders=0)) == {Reason.TOO_FEW_SEEDERS}
    assert judged(seeders=1).is_accepted
    assert reasons(judged(seeders=4, policy=strict)) == {Reason.TOO_FEW_SEEDERS}
    assert judged(seeders=None).is_accepted
    assert judged(seeders=0, protocol=Protocol.USENET).is_accepted


def test_one_of_the_required_flags_is_enough() -> None:
    required = frozenset({IndexerFlag.FREELEECH, IndexerFlag.HALFLEECH})
    policy = Policy(terms={"open": IndexerTerms(required_flags=required)})
    rejection = only(judged(policy=policy, flags=frozenset({IndexerFlag.SCENE})))
    assert (rejection.reason, rejection.text) == (
        Reason.REQUIRED_FLAGS,
        "open does not call it freeleech or halfleech",
    )
    assert judged(policy=policy, flags=frozenset({IndexerFlag.HALFLEECH, IndexerFlag.SCENE})).is_accepted


def post(age: timedelta, policy: Policy, *, protocol: Protocol = Protocol.USENET) -> Verdict:
    return judged(policy=policy, protocol=protocol, published_at=NOW - age)


def test_posts_beyond_the_retention_are_rejected() -> None:
    policy = Policy(retention_days=30)
    assert post(timedelta(days=30), policy).is_accepted
    assert reasons(post(timedelta(days=31), policy)) == {Reason.RETENTION}
    assert post(timedelta(days=31), policy, protocol=Protocol.TORRENT).is_accepted
    assert judged(policy=policy, protocol=Protocol.USENET).is_accepted


def test_young_posts_are_pending_until_they_are_old_enough() -> None:
    policy = Policy(minimum_age_s=1800)
    rejection = only(post(timedelta(minutes=29), policy))
    assert (rejection.reason, rejection.kind) == (Reason.MINIMUM_AGE, "temporary")
    assert rejection.until == NOW + timedelta(minutes=1)
    assert post(timedelta(minutes=30), policy).is_accepted
    assert post(timedelta(minutes=29), policy, protocol=Protocol.TORRENT).is_accepted


def delayed(profile: DelayProfile = WAIT, *, age: timedelta | None = HOUR, name: str = BEST, **more: object) -> Verdict:
    policy = more.pop("policy", Policy(delay_profiles=(profile,)))
    published_at = None if age is None else NOW - age
    return judged(name, policy=policy, published_at=published_at, size_bytes=None, **more)  # type: ignore[arg-type]


def test_a_release_waits_for_something_better() -> None:
    rejection = only(delayed())
    assert (rejection.reason, rejection.kind) == (Reason.DELAY, "temporary")
    assert rejection.until == NOW + HOUR
    assert rejection.text == "it waits for something better until 2026-06-01 13:00 UTC"
    assert delayed(age=2 * HOUR).is_accepted
    assert delayed(protocol=Protocol.USENET).is_accepted


def test_a_release_of_unknown_or_impossible_age_does_not_wait() -> None:
    assert delayed(age=None).is_accepted
    assert delayed(age=-25 * HOUR).is_accepted


def test_a_release_that_an_indexers_clock_dates_ahead_waits_as_if_published_now() -> None:
    assert delayed(age=-24 * HOUR).until == NOW + 2 * HOUR
    assert post(-HOUR, Policy(minimum_age_s=60)).until == NOW + timedelta(minutes=1)


def test_the_wait_counts_from_the_first_release_that_waits() -> None:
    waiting = replace(SINTEL, delayed_since=NOW - 2 * HOUR)
    assert delayed(target=waiting).is_accepted
    assert delayed(target=replace(SINTEL, delayed_since=NOW - 1.5 * HOUR)).until == NOW + 0.5 * HOUR
    assert delayed(target=replace(SINTEL, delayed_since=NOW)).until == NOW + HOUR


def test_the_best_quality_may_be_taken_at_once() -> None:
    hasty = replace(WAIT, bypass_highest_quality=True)
    assert delayed(hasty).is_accepted
    assert delayed(hasty, name="Sintel.2010.1080p.BluRay.x264").is_pending
    assert delayed(replace(hasty, preferred=Protocol.TORRENT)).is_accepted
    assert delayed(replace(hasty, preferred=Protocol.USENET)).is_pending


@pytest.mark.parametrize(("bypass", "is_accepted"), [(10, True), (11, False), (None, False)])
def test_a_high_score_may_be_taken_at_once(bypass: int | None, is_accepted: bool) -> None:
    remux = CustomFormat(name="remux", conditions=(ReleaseTitle(pattern="remux"),))
    policy = Policy(formats=FormatSet([remux]), delay_profiles=(replace(WAIT, bypass_score=bypass),))
    target = replace(SINTEL, profile=replace(HD, format_scores={"remux": 10}))
    assert delayed(policy=policy, target=target).is_accepted is is_accepted


def test_the_first_delay_profile_that_concerns_the_movie_holds() -> None:
    policy = Policy(delay_profiles=(DelayProfile(tags=frozenset({"fast"})), WAIT, DelayProfile()))
    assert delayed(policy=policy).is_pending
    assert delayed(policy=policy, target=replace(SINTEL, tags=frozenset({"fast"}))).is_accepted
