"""Remedies for what the movie has already: its file, what is on its way, and what was grabbed lately."""

import math
from collections.abc import Iterator
from datetime import timedelta

from movies.case import Case
from movies.policy import Propers
from movies.profile import Profile
from movies.quality import QUALITIES, Quality
from movies.remedies.profile import Groups, format_step, groups_step, upgrades_not_allowed
from movies.remedies.quantities import DAY_S, duration_text, round_down_duration
from movies.remedies.step import Step, policy_step, profile_step
from movies.target import HeldRelease
from movies.upgrade import is_equal, why_no_upgrade


def existing_file(case: Case) -> Iterator[Step]:
    if case.target.file is not None:
        yield from _replacing(case, case.target.file)


def already_queued(case: Case) -> Iterator[Step]:
    yield from upgrades_not_allowed(case)
    for queued in case.target.queued:
        yield from _replacing(case, queued)


def recently_grabbed(case: Case) -> Iterator[Step]:
    """Wait for a shorter time after a grab, or see an upgrade in what comes after it."""
    cooldown = case.policy.grab_cooldown
    for grab in case.target.grabs:
        age = case.moment.now - grab.grabbed_at
        if age < cooldown and _is_in_the_way(case, grab):
            text, shorter_s = round_down_duration(age.total_seconds())
            location, old = ("selection", "grab_cooldown"), duration_text(cooldown.total_seconds())
            yield policy_step(case, location, old=old, new=text, grab_cooldown=timedelta(seconds=shorter_s))
            yield from _replacing(case, grab)


def proper(case: Case) -> Iterator[Step]:
    """Let repairs replace files, also old ones, or take them for releases like any other."""
    policy, file = case.policy, case.target.file
    if policy.propers is Propers.DO_NOT_UPGRADE:
        yield _propers(case, Propers.PREFER)
    elif file is not None and file.imported_at is not None:
        days = math.ceil((case.moment.now - file.imported_at).total_seconds() / DAY_S)
        location, old = ("selection", "proper_age"), duration_text(policy.proper_age.total_seconds())
        yield policy_step(case, location, old=old, new=f"{days}d", proper_age=timedelta(days=days))
    yield _propers(case, Propers.DO_NOT_PREFER, weight=2)
    if file is not None:
        yield from _better_quality(case, file)


def repack(case: Case) -> Iterator[Step]:
    """Allow repacks; that of another group's release is no repair where its quality is better."""
    if not case.policy.allows_repacks:
        yield policy_step(case, ("selection", "repacks"), old=False, new=True, allows_repacks=True)
    if case.target.file is not None:
        yield from _better_quality(case, case.target.file)


def _replacing(case: Case, held: HeldRelease) -> Iterator[Step]:
    """Let the release replace what is held, if it does not already."""
    if not _is_in_the_way(case, held):
        return
    profile, candidate = case.target.profile, case.candidate
    if profile.is_better(candidate.quality, than=held.quality):
        yield from _higher_cutoff(case, held.quality)
        return
    if is_equal(candidate, held, profile):
        yield from _newer(case, held)
        yield from _higher_score(case, held)
    yield from _better_quality(case, held)


def _better_quality(case: Case, held: HeldRelease) -> Iterator[Step]:
    """Prefer the quality of the release to that of what is held."""
    groups = _moved_before(case.target.profile, case.candidate.quality, held.quality)
    if groups is not None:
        yield groups_step(case, groups, weight=5)


def _higher_cutoff(case: Case, quality: Quality) -> Iterator[Step]:
    """The lowest cutoff that this quality does not meet."""
    profile = case.target.profile
    for group in reversed(profile.groups):
        if profile.is_better(QUALITIES[group[0]], than=quality):
            yield profile_step(case, "cutoff", old=profile.cutoff, new=group[0], cutoff=group[0])
            return


def _newer(case: Case, held: HeldRelease) -> Iterator[Step]:
    propers, candidate = case.policy.propers, case.candidate
    if candidate.revision > held.revision and propers is not Propers.PREFER:
        yield _propers(case, Propers.PREFER)
    if candidate.revision < held.revision and propers is not Propers.DO_NOT_PREFER:
        yield _propers(case, Propers.DO_NOT_PREFER, weight=3)


def _higher_score(case: Case, held: HeldRelease) -> Iterator[Step]:
    """What the score lacks, in the order in which upgrades ask for it."""
    profile, score = case.target.profile, case.score.total
    if score <= held.score:
        missing = held.score + profile.score_increment - score
        yield from (format_step(case, name, more=missing) for name in case.score.names if name not in held.formats)
    elif not profile.upgrade:
        yield from upgrades_not_allowed(case)
    elif held.score >= profile.cutoff_score:
        cutoff = held.score + 1
        yield profile_step(case, "cutoff_score", old=profile.cutoff_score, new=cutoff, cutoff_score=cutoff)
    else:
        increment = score - held.score
        old = profile.score_increment
        yield profile_step(case, "score_increment", old=old, new=increment, score_increment=increment)


def _moved_before(profile: Profile, quality: Quality, other: Quality) -> Groups | None:
    """The groups with one quality alone before the group of another, which is the last where it was none.

    `None`: they are one quality, or the profile does not allow the first.
    """
    if quality == other or profile.rank(quality) is None:
        return None
    if profile.rank(other) is None:
        return (*profile.groups, (other.name,))
    without = [tuple(name for name in group if name != quality.name) for group in profile.groups]
    groups = [group for group in without if group]
    place = next(number for number, group in enumerate(groups) if other.name in group)
    return (*groups[:place], (quality.name,), *groups[place:])


def _propers(case: Case, propers: Propers, *, weight: int = 1) -> Step:
    location, old = ("selection", "propers"), case.policy.propers.value
    return policy_step(case, location, old=old, new=propers.value, weight=weight, propers=propers)


def _is_in_the_way(case: Case, held: HeldRelease) -> bool:
    why = why_no_upgrade(case.candidate, over=held, profile=case.target.profile, propers=case.policy.propers)
    return why is not None
