"""Remedies for what the profile asks of a release."""

from collections.abc import Iterator

from movies.availability import Availability
from movies.case import Case
from movies.change import Value
from movies.languages import ORIGINAL
from movies.quality import QUALITIES, Quality
from movies.remedies.step import Step, movie_step, profile_step

Groups = tuple[tuple[str, ...], ...]


def quality_not_allowed(case: Case) -> Iterator[Step]:
    """Add the quality where the ladder has it: before everything that is worse."""
    quality, groups = case.release.quality, case.target.profile.groups
    if case.target.profile.rank(quality) is not None:
        return
    place = next((number for number, group in enumerate(groups) if _is_worse(group, quality)), len(groups))
    yield groups_step(case, (*groups[:place], (quality.name,), *groups[place:]))


def custom_format_minimum(case: Case) -> Iterator[Step]:
    """Ask for less, or think more of a format that the release has."""
    minimum, score = case.target.profile.minimum_score, case.score.total
    if score < minimum:
        yield profile_step(case, "minimum_score", old=minimum, new=score, minimum_score=score)
        yield from (format_step(case, name, more=minimum - score) for name in case.score.names)


def language(case: Case) -> Iterator[Step]:
    wanted = case.target.profile.language
    if wanted is not None:
        old = "original" if wanted == ORIGINAL else wanted
        yield profile_step(case, "language", old=old, new="any", language=None)


def upgrades_not_allowed(case: Case) -> Iterator[Step]:
    if not case.target.profile.upgrade:
        yield profile_step(case, "upgrade", old=False, new=True, upgrade=True)


def not_available(case: Case) -> Iterator[Step]:
    """Ask for less: that it is in cinemas, or only that it is announced."""
    order, old = list(Availability), case.target.minimum_availability
    for weight, lower in enumerate(reversed(order[: order.index(old)]), start=1):
        key = "minimum_availability"
        yield movie_step(case, key, old=old.value, new=lower.value, weight=weight, minimum_availability=lower)


def groups_step(case: Case, groups: Groups, *, weight: int = 1) -> Step:
    """A change of the qualities and their order."""
    old = written_groups(case.target.profile.groups)
    return profile_step(case, "qualities", old=old, new=written_groups(groups), weight=weight, groups=groups)


def format_step(case: Case, name: str, *, more: int) -> Step:
    """A higher score of a custom format."""
    scores = case.target.profile.format_scores
    old, new = scores[name], scores[name] + more
    return profile_step(case, "formats", name, old=old, new=new, weight=3, format_scores={**scores, name: new})


def written_groups(groups: Groups) -> tuple[Value, ...]:
    """Groups as they stand in the file: a quality alone is no list."""
    return tuple(group[0] if len(group) == 1 else group for group in groups)


def _is_worse(group: tuple[str, ...], quality: Quality) -> bool:
    return all(QUALITIES[name].weight < quality.weight for name in group)
