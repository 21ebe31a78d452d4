"""Upgrades: whether a release betters what the movie has.

Quality decides until the cutoff, then the revision, then the score of the custom formats until the cutoff score. What
replaces something is always better in this order, so a chain of upgrades never comes back to where it was.
"""

from movies.policy import Propers
from movies.profile import Profile
from movies.target import HeldRelease


def is_upgrade(release: HeldRelease, *, over: HeldRelease, profile: Profile, propers: Propers = Propers.PREFER) -> bool:
    """Say whether a release should replace what is held."""
    return why_no_upgrade(release, over=over, profile=profile, propers=propers) is None


def why_no_upgrade(
    release: HeldRelease, *, over: HeldRelease, profile: Profile, propers: Propers = Propers.PREFER
) -> str | None:
    """Say what keeps a release from replacing what is held; `None`: nothing does.

    The profile's word on upgrades is asked after quality and revision, as it concerns the score alone here; who
    replaces a file asks it first.
    """
    if profile.is_better(release.quality, than=over.quality):
        if profile.meets_cutoff(over.quality):
            return f"{over.quality} meets the cutoff {profile.cutoff}"
        return None
    if not is_equal(release, over, profile):
        return f"{over.quality} is better than {release.quality}"
    if propers is not Propers.DO_NOT_PREFER:
        if release.revision < over.revision:
            return f"{over.quality} is there in a newer revision"
        if release.revision > over.revision and propers is Propers.PREFER:
            return None
    return _why_no_higher_score(release, over, profile)


def is_equal(release: HeldRelease, other: HeldRelease, profile: Profile) -> bool:
    """Say whether neither quality is better than the other."""
    return not profile.is_better(release.quality, than=other.quality) and not profile.is_better(
        other.quality, than=release.quality
    )


def is_newer_revision(release: HeldRelease, *, over: HeldRelease, profile: Profile) -> bool:
    """Say whether a release repairs what is held: an equal quality in a newer revision."""
    return release.revision > over.revision and is_equal(release, over, profile)


def _why_no_higher_score(release: HeldRelease, over: HeldRelease, profile: Profile) -> str | None:
    if release.score <= over.score:
        scores = f", and so is its score: {over.score} to {release.score}" if release.score or over.score else ""
        return f"{over.quality} is equal or better{scores}"
    if not profile.upgrade:
        return f'the profile "{profile.name}" forbids upgrades'
    if over.score >= profile.cutoff_score:
        return f"the score {over.score} meets the cutoff score {profile.cutoff_score}"
    if release.score < over.score + profile.score_increment:
        return f"the score {release.score} is not {profile.score_increment} over {over.score}"
    return None
