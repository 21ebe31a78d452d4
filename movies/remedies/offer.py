"""Remedies for what an offer is: its size, age, protocol, seeders, flags, and the words of its name."""

import math
from collections.abc import Iterator
from dataclasses import replace

from movies.case import Case
from movies.change import Location, Value
from movies.policy import DelayProfile, ReleaseProfile
from movies.quality import SizeBounds
from movies.remedies.quantities import DAY_S, duration_text, round_down_duration, round_size, size_text
from movies.remedies.step import Step, indexer_steps, movie_step, policy_step
from movies.rules import content
from movies.rules.size import MIB, minutes_of


def size(case: Case) -> Iterator[Step]:
    """Widen the bounds of the quality to what the release has."""
    if case.offer.size_bytes is None:
        return
    quality = case.release.quality.name
    bounds = case.policy.size_bounds.get(quality, SizeBounds())
    mib_per_min = case.offer.size_bytes / MIB / minutes_of(case.target)
    if mib_per_min < bounds.minimum:
        minimum = max(math.floor(mib_per_min * 10) / 10, 0.0)
        wider = replace(bounds, minimum=minimum)
        key, old, new = "min", bounds.minimum, minimum
    elif bounds.maximum is not None and mib_per_min > bounds.maximum:
        maximum = math.ceil(mib_per_min * 10) / 10
        wider = replace(bounds, maximum=maximum)
        key, old, new = "max", bounds.maximum, maximum
    else:
        return
    size_bounds = {**case.policy.size_bounds, quality: wider}
    yield policy_step(case, ("sizes", quality, key), old=old, new=new, size_bounds=size_bounds)


def maximum_size(case: Case) -> Iterator[Step]:
    maximum_bytes = case.policy.maximum_size_bytes
    if maximum_bytes is not None and case.offer.size_bytes is not None:
        text, size_bytes = round_size(case.offer.size_bytes, up=True)
        location, old = ("selection", "maximum_size"), size_text(maximum_bytes)
        yield policy_step(case, location, old=old, new=text, maximum_size_bytes=size_bytes)


def free_space(case: Case) -> Iterator[Step]:
    """Leave less free; nothing helps where the release does not fit at all."""
    free_bytes, size_bytes = case.target.free_bytes, case.offer.size_bytes
    if free_bytes is None or size_bytes is None or size_bytes > free_bytes:
        return
    text, left_bytes = round_size(free_bytes - size_bytes, up=False)
    location, old = ("selection", "min_free"), size_text(case.policy.minimum_free_bytes)
    yield policy_step(case, location, old=old, new=text, minimum_free_bytes=left_bytes)


def hardcoded_subs(case: Case) -> Iterator[Step]:
    if not case.policy.allows_hardcoded_subs:
        yield policy_step(case, ("selection", "hardcoded_subs"), old=False, new=True, allows_hardcoded_subs=True)


def protocol(case: Case) -> Iterator[Step]:
    delay = case.policy.delay_profile_for(case.target.tags)
    old = tuple(sorted(delay.enabled))
    more = replace(delay, enabled=delay.enabled | {case.offer.protocol})
    yield from _delay_steps(case, delay, more, key="protocols", old=old, new=(*old, case.offer.protocol.value))


def too_few_seeders(case: Case) -> Iterator[Step]:
    minimum = case.policy.terms_of(case.offer.indexer).minimum_seeders
    if case.offer.seeders is not None and case.offer.seeders < minimum:
        seeders = max(case.offer.seeders, 0)
        yield from indexer_steps(case, "minimum_seeders", old=minimum, new=seeders, minimum_seeders=seeders)


def required_flags(case: Case) -> Iterator[Step]:
    """Ask for a flag that the release has, or for none."""
    required = case.policy.terms_of(case.offer.indexer).required_flags
    old = tuple(sorted(required))
    for flag in sorted(case.offer.flags - required)[:1]:
        yield from indexer_steps(
            case, "required_flags", old=old, new=(*old, flag.value), required_flags=required | {flag}
        )
    yield from indexer_steps(case, "required_flags", old=old, new=(), weight=2, required_flags=frozenset())


def retention(case: Case) -> Iterator[Step]:
    days, published_at = case.policy.retention_days, case.offer.published_at
    if days is not None and published_at is not None:
        age_days = math.ceil((case.moment.now - published_at).total_seconds() / DAY_S)
        old, new = duration_text(days * DAY_S), f"{age_days}d"
        yield policy_step(case, ("selection", "retention"), old=old, new=new, retention_days=float(age_days))


def minimum_age(case: Case) -> Iterator[Step]:
    old = duration_text(case.policy.minimum_age_s)
    text, age_s = round_down_duration(_age_s(case))
    yield policy_step(case, ("selection", "minimum_age"), old=old, new=text, minimum_age_s=age_s)


def delay(case: Case) -> Iterator[Step]:
    """Wait no longer than until now."""
    profile, protocol = case.policy.delay_profile_for(case.target.tags), case.offer.protocol
    since = case.target.delayed_since
    waited_s = max(_age_s(case), (case.moment.now - since).total_seconds() if since else 0.0)
    text, delay_s = round_down_duration(waited_s)
    old_s = profile.delay_s.get(protocol, 0)
    shorter = replace(profile, delay_s={**profile.delay_s, protocol: delay_s})
    yield from _delay_steps(case, profile, shorter, key=protocol.value, old=duration_text(old_s), new=text)


def release_restrictions(case: Case) -> Iterator[Step]:
    """Take back the terms that keep the release out; a restriction without terms goes as a whole."""
    profiles, name = case.policy.release_profiles, case.offer.title
    for number, profile in enumerate(profiles):
        if not _objects(profile, case):
            continue
        ignored = tuple(term for term in profile.ignored if profile.found((term,), name) is None)
        required = () if profile.found(profile.required, name) is None else profile.required
        location: Location = ("restrictions", number)
        old: Value = {"required": profile.required, "ignored": profile.ignored}
        new: Value | None = None
        if not ignored and not required:
            changed = replace(profile, ignored=(), required=())  # stays in its place, so that the others keep theirs
        elif ignored != profile.ignored:
            location, old, new = (*location, "ignored"), profile.ignored, ignored
            changed = replace(profile, ignored=ignored)
        else:
            location, old, new = (*location, "required"), profile.required, ()
            changed = replace(profile, required=())
        all_profiles = (*profiles[:number], changed, *profiles[number + 1 :])
        yield policy_step(case, location, old=old, new=new, release_profiles=all_profiles)
        return


def _objects(profile: ReleaseProfile, case: Case) -> bool:
    alone = replace(case.policy, release_profiles=(profile,))
    return content.release_restrictions(replace(case, policy=alone)) is not None


def tags(case: Case) -> Iterator[Step]:
    """Give the movie the indexer's tag, the indexer the movie's, or the indexer none at all."""
    served, own = case.policy.terms_of(case.offer.indexer).tags, case.target.tags
    old = tuple(sorted(own))
    for tag in sorted(served - own)[:1]:
        yield movie_step(case, "tags", old=old, new=(*old, tag), tags=own | {tag})
    old = tuple(sorted(served))
    for tag in sorted(own - served)[:1]:
        yield from indexer_steps(case, "tags", old=old, new=(*old, tag), weight=2, tags=served | {tag})
    yield from indexer_steps(case, "tags", old=old, new=(), weight=3, tags=frozenset())


def _delay_steps(
    case: Case, delay: DelayProfile, changed: DelayProfile, *, key: str, old: Value, new: Value
) -> Iterator[Step]:
    """A change of the delay profile that concerns the movie, if the file has one."""
    profiles = case.policy.delay_profiles
    for number in (number for number, profile in enumerate(profiles) if profile is delay):
        changed_profiles = (*profiles[:number], changed, *profiles[number + 1 :])
        yield policy_step(case, ("delays", number, key), old=old, new=new, delay_profiles=changed_profiles)


def _age_s(case: Case) -> float:
    published_at = case.offer.published_at
    return (case.moment.now - published_at).total_seconds() if published_at else 0.0
