"""Steps: one change of the configuration, and what decisions see of the configuration once it is made."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from movies.case import Case
from movies.change import Change, Location, Value
from movies.policy import Policy
from movies.target import Target

MOVIE = "movie"
"""Stands for the table of wanted movies that names the movie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One change, and the movie and the policy with it. Of steps that help alike the one of less `weight` is taken."""

    change: Change
    target: Target
    policy: Policy
    weight: int = 1


def policy_step(
    case: Case, location: Location, *, old: Value | None, new: Value | None, weight: int = 1, **fields: Any
) -> Step:
    """A change of what holds for every movie; `fields` are the policy's."""
    change = Change(location=location, old=old, new=new)
    return Step(change=change, target=case.target, policy=replace(case.policy, **fields), weight=weight)


def indexer_steps(case: Case, key: str, *, old: Value, new: Value, weight: int = 1, **fields: Any) -> Iterator[Step]:
    """A change of what is agreed with the offer's indexer, if the file has that one; `fields` are its terms'."""
    name = case.offer.indexer
    if name in case.policy.terms:
        terms = {**case.policy.terms, name: replace(case.policy.terms[name], **fields)}
        yield policy_step(case, ("indexers", name, key), old=old, new=new, weight=weight, terms=terms)


def profile_step(case: Case, *keys: str, old: Value | None, new: Value, weight: int = 1, **fields: Any) -> Step:
    """A change of the movie's profile; `fields` are the profile's."""
    profile = case.target.profile
    target = replace(case.target, profile=replace(profile, **fields))
    change = Change(location=("profiles", profile.name, *keys), old=old, new=new)
    return Step(change=change, target=target, policy=case.policy, weight=weight)


def movie_step(case: Case, key: str, *, old: Value, new: Value, weight: int = 1, **fields: Any) -> Step:
    """A change of what the file says about the movie itself; `fields` are the target's."""
    change = Change(location=(MOVIE, key), old=old, new=new)
    return Step(change=change, target=replace(case.target, **fields), policy=case.policy, weight=weight)
