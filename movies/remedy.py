"""Remedies: the smallest change of the configuration with which a rejected release would have been accepted.

Every proposal is tried: the release is decided again with the change made. Few changes come before many. What the
configuration has no say in (another movie, a blocklisted release) has no remedy, and that is said.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from movies.case import Case, Moment
from movies.change import Change, Location, Value
from movies.decision import case_of, decide
from movies.offer import Offer
from movies.policy import Policy
from movies.profile import BUILTIN_PROFILES, Profile
from movies.release import ParsedRelease, Unparsable
from movies.remedies import offer as of_offer
from movies.remedies import profile as of_profile
from movies.remedies import upgrade as of_upgrade
from movies.remedies.profile import written_groups
from movies.remedies.step import MOVIE, Step
from movies.target import Target
from movies.verdict import Reason, Rejection

MAXIMUM_DECISIONS = 300
"""A release against which so much speaks that this does not suffice has no small remedy."""

REMEDIES: Mapping[Reason, Callable[[Case], Iterator[Step]]] = {
    Reason.NOT_AVAILABLE: of_profile.not_available,
    Reason.TAGS: of_offer.tags,
    Reason.QUALITY_NOT_ALLOWED: of_profile.quality_not_allowed,
    Reason.CUSTOM_FORMAT_MINIMUM: of_profile.custom_format_minimum,
    Reason.LANGUAGE: of_profile.language,
    Reason.HARDCODED_SUBS: of_offer.hardcoded_subs,
    Reason.RELEASE_RESTRICTIONS: of_offer.release_restrictions,
    Reason.SIZE: of_offer.size,
    Reason.MAXIMUM_SIZE: of_offer.maximum_size,
    Reason.FREE_SPACE: of_offer.free_space,
    Reason.PROTOCOL: of_offer.protocol,
    Reason.TOO_FEW_SEEDERS: of_offer.too_few_seeders,
    Reason.REQUIRED_FLAGS: of_offer.required_flags,
    Reason.RETENTION: of_offer.retention,
    Reason.MINIMUM_AGE: of_offer.minimum_age,
    Reason.DELAY: of_offer.delay,
    Reason.ALREADY_QUEUED: of_upgrade.already_queued,
    Reason.RECENTLY_GRABBED: of_upgrade.recently_grabbed,
    Reason.UPGRADES_NOT_ALLOWED: of_profile.upgrades_not_allowed,
    Reason.EXISTING_FILE: of_upgrade.existing_file,
    Reason.PROPER: of_upgrade.proper,
    Reason.REPACK: of_upgrade.repack,
}
"""What to try against each reason; the configuration has no say in the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remedy:
    """What would have to change for a release to be accepted.

    `hindrances` are the reasons that no change of the configuration takes away; with any of them there are no
    `changes`. `waits` are temporary reasons that only time takes away. All empty: the release is accepted as it is.
    """

    changes: tuple[Change, ...] = ()
    hindrances: tuple[Rejection, ...] = ()
    waits: tuple[Rejection, ...] = ()

    @property
    def is_possible(self) -> bool:
        """With the changes made, nothing but time stands in the way."""
        return not self.hindrances

    def as_json(self) -> dict[str, Any]:
        return {
            "possible": self.is_possible,
            "changes": [change.as_json() for change in self.changes],
            "hindrances": [rejection.as_json() for rejection in self.hindrances],
            "waits": [rejection.as_json() for rejection in self.waits],
        }


def remedy_for(
    offer: Offer,
    parsed: ParsedRelease | Unparsable,
    target: Target,
    *,
    policy: Policy,
    moment: Moment,
    wanted: str | None = None,
) -> Remedy:
    """Return the smallest change found; `wanted` is the [wanted] table that names the movie.

    Without it, changes of what the file says about the movie are located at `movie`.
    """
    search = _Search(offer=offer, parsed=parsed, moment=moment)
    start = _State(target=target, policy=policy, changes={})
    rejections = search.rejections(start)
    hopeless = tuple(one for one in rejections if one.kind == "permanent" and one.reason not in REMEDIES)
    if hopeless:
        return Remedy(hindrances=hopeless)
    found, left = search.nearest(start, rejections)
    if any(one.kind == "permanent" for one in left):
        return Remedy(hindrances=left)
    return Remedy(changes=tuple(_in_file(found, before=target.profile, wanted=wanted)), waits=left)


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """The configuration after some changes; `changes` by their keys in the file."""

    target: Target
    policy: Policy
    changes: Mapping[Location, Change]
    weight: int = 0

    @property
    def key(self) -> frozenset[str]:
        return frozenset(change.text for change in self.changes.values())

    def after(self, step: Step) -> "_State":
        change = step.change
        if before := self.changes.get(change.location):
            change = replace(change, old=before.old)
        depth = len(change.location)
        others = {place: other for place, other in self.changes.items() if place[:depth] != change.location}
        changes = {**others, change.location: change}
        weight = self.weight + step.weight
        return _State(target=step.target, policy=step.policy, changes=changes, weight=weight)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Search:
    """Tries changes for one release, those of few keys first."""

    offer: Offer
    parsed: ParsedRelease | Unparsable
    moment: Moment

    def rejections(self, state: _State) -> tuple[Rejection, ...]:
        return decide(self.offer, self.parsed, state.target, policy=state.policy, moment=self.moment).rejections

    def nearest(self, start: _State, rejections: tuple[Rejection, ...]) -> tuple[_State, tuple[Rejection, ...]]:
        """The first state in which nothing permanent is left, and what is left there.

        Where there is none, the first state that leads nowhere; at least `start`, with its rejections.
        """
        order = count()
        queue = [(0, 0, next(order), start)]
        seen = {start.key}
        dead_end = start, _permanent(rejections)
        for _ in range(MAXIMUM_DECISIONS):
            if not queue:
                break
            *_, state = heapq.heappop(queue)
            rejections = self.rejections(state)
            steps = self._first_steps(state, rejections)
            if not steps:
                if all(one.kind == "temporary" for one in rejections):
                    return state, rejections
                dead_end = dead_end if dead_end[0].changes else (state, _permanent(rejections))
            for after in map(state.after, steps):
                if after.key not in seen:
                    seen.add(after.key)
                    heapq.heappush(queue, (len(after.changes), after.weight, next(order), after))
        return dead_end

    def _first_steps(self, state: _State, rejections: Iterable[Rejection]) -> list[Step]:
        """What to try against the first rejection against which there is something to try."""
        case = case_of(self.offer, self.parsed, state.target, policy=state.policy, moment=self.moment)
        tried = (list(REMEDIES[one.reason](case)) for one in rejections if one.reason in REMEDIES)
        return next(filter(None, tried), [])


def _permanent(rejections: Iterable[Rejection]) -> tuple[Rejection, ...]:
    return tuple(one for one in rejections if one.kind == "permanent")


def _in_file(state: _State, *, before: Profile, wanted: str | None) -> Iterator[Change]:
    """The changes in the order in which one makes them; a built-in profile must be written into the file first."""
    if state.target.profile != before and BUILTIN_PROFILES.get(before.name) == before:
        yield Change(location=("profiles", before.name), old=None, new=_table(before))
    for location, change in state.changes.items():
        if location[0] == MOVIE and wanted is not None:
            yield replace(change, location=("wanted", wanted, *location[1:]))
        else:
            yield change


def _table(profile: Profile) -> dict[str, Value]:
    """A built-in profile as a table of the file; what it has no value for has the same default there."""
    return {"qualities": written_groups(profile.groups), "cutoff": profile.cutoff, "upgrade": profile.upgrade}
