"""Rules about where a release comes from, and since when: protocol, indexer, age."""

from datetime import datetime, timedelta

from movies.case import Case
from movies.offer import Protocol


def protocol(case: Case) -> str | None:
    profile = case.policy.delay_profile_for(case.target.tags)
    return None if case.offer.protocol in profile.enabled else f"{case.offer.protocol} is not enabled for the movie"


def blocked_indexer(case: Case) -> str | None:
    if case.offer.indexer not in case.moment.closed_indexers:
        return None
    return f"{case.offer.indexer} is left alone for now: its breaker is open"


def unknown_end(case: Case) -> datetime | None:
    """Nobody knows when an indexer will answer again."""
    return None


def too_few_seeders(case: Case) -> str | None:
    offer = case.offer
    if offer.seeders is None or offer.protocol is not Protocol.TORRENT:
        return None
    minimum = case.policy.terms_of(offer.indexer).minimum_seeders
    return None if offer.seeders >= minimum else f"{offer.seeders} seeders, {minimum} are asked for"


def required_flags(case: Case) -> str | None:
    required = case.policy.terms_of(case.offer.indexer).required_flags
    if not required or required & case.offer.flags:
        return None
    return f"{case.offer.indexer} does not call it {' or '.join(sorted(required))}"


def retention(case: Case) -> str | None:
    days, published_at = case.policy.retention_days, case.offer.published_at
    if days is None or published_at is None or case.offer.protocol is not Protocol.USENET:
        return None
    age = case.moment.now - published_at
    return f"it is {age.days} days old, posts are kept for {days:g}" if age > timedelta(days=days) else None


def minimum_age(case: Case) -> str | None:
    """A young post may not have reached all servers."""
    end = minimum_age_end(case)
    if end is None or case.moment.now >= end:
        return None
    return f"the post is younger than {case.policy.minimum_age_s / 60:g} minutes"


def minimum_age_end(case: Case) -> datetime | None:
    age_s, published_at = case.policy.minimum_age_s, _published_at(case)
    if not age_s or published_at is None or case.offer.protocol is not Protocol.USENET:
        return None
    return published_at + timedelta(seconds=age_s)


def delay(case: Case) -> str | None:
    end = delay_end(case)
    if end is None or case.moment.now >= end or _has_bypass(case):
        return None
    return f"it waits for something better until {end:%Y-%m-%d %H:%M} UTC"


def delay_end(case: Case) -> datetime | None:
    """The wait counts from the first release that could be taken."""
    profile = case.policy.delay_profile_for(case.target.tags)
    delay_s = profile.delay_s.get(case.offer.protocol, 0)
    if not delay_s:
        return None
    begins = (_published_at(case), case.target.delayed_since)
    begin = min((at for at in begins if at is not None), default=None)
    return begin and begin + timedelta(seconds=delay_s)


def _published_at(case: Case) -> datetime | None:
    """Indexers' clocks may be ahead, or in another time zone; a publication over a day ahead tells nothing."""
    published_at, now = case.offer.published_at, case.moment.now
    if published_at is None or published_at - now > timedelta(days=1):
        return None
    return min(published_at, now)


def _has_bypass(case: Case) -> bool:
    delays, profile = case.policy.delay_profile_for(case.target.tags), case.target.profile
    if delays.preferred not in (None, case.offer.protocol):
        return False
    if delays.bypass_highest_quality and profile.rank(case.release.quality) == len(profile.groups):
        return True
    return delays.bypass_score is not None and case.score.total >= delays.bypass_score
