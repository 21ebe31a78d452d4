"""Rules about what the movie had, has and is getting: blocklist, history, queue, file."""

from movies.case import Case
from movies.offer import Offer, blocklist_keys, release_key
from movies.policy import Propers
from movies.target import ExistingFile
from movies.upgrade import is_newer_revision, why_no_upgrade


def blocklisted(case: Case) -> str | None:
    """By hash, else by name and indexer, or for Usenet by name and time; some entries know the name alone."""
    blocklist, offer = case.target.blocklist, case.offer
    if not blocklist:
        return None
    keys = blocklist_keys(
        title=offer.title,
        infohash=offer.infohash,
        indexer=offer.indexer,
        protocol=offer.protocol,
        published_at=offer.published_at,
    )
    is_listed = not keys.isdisjoint(blocklist) or release_key(offer.title) in blocklist
    return "it is on the blocklist" if is_listed else None


def already_imported(case: Case) -> str | None:
    """A film that was deleted may be taken again, so this asks only while there is a file."""
    target = case.target
    if target.file is None:
        return None
    if _is_listed(case.offer, target.imported):
        return "it was imported already"
    return "it was imported once, and replaced" if _is_listed(case.offer, target.replaced) else None


def _is_listed(offer: Offer, keys: frozenset[str]) -> bool:
    if not keys:
        return False
    return (offer.infohash is not None and offer.infohash.lower() in keys) or release_key(offer.title) in keys


def already_queued(case: Case) -> str | None:
    profile = case.target.profile
    for queued in case.target.queued:
        if not profile.upgrade:
            return f"{queued.quality} is on its way"
        why = why_no_upgrade(case.candidate, over=queued, profile=profile, propers=case.policy.propers)
        if why is not None:
            return f"a release is on its way: {why}"
    return None


def recently_grabbed(case: Case) -> str | None:
    for grab in case.target.grabs:
        if case.moment.now - grab.grabbed_at < case.policy.grab_cooldown:
            why = why_no_upgrade(case.candidate, over=grab, profile=case.target.profile, propers=case.policy.propers)
            if why is not None:
                return f"a release was grabbed at {grab.grabbed_at:%Y-%m-%d %H:%M} UTC: {why}"
    return None


def upgrades_not_allowed(case: Case) -> str | None:
    profile = case.target.profile
    if case.target.file is None or profile.upgrade:
        return None
    return f'there is a file, and the profile "{profile.name}" forbids upgrades'


def existing_file(case: Case) -> str | None:
    file = case.target.file
    if file is None:
        return None
    why = why_no_upgrade(case.candidate, over=file, profile=case.target.profile, propers=case.policy.propers)
    return None if why is None else f"the file stays: {why}"


def proper(case: Case) -> str | None:
    """Repairs come soon after what they repair; a file that nobody found wanting for long is left alone."""
    file, policy = case.target.file, case.policy
    if policy.propers is Propers.DO_NOT_PREFER or file is None or not _repairs(case, file):
        return None
    if policy.propers is Propers.DO_NOT_UPGRADE:
        return "repaired releases do not replace files"
    if file.imported_at is None or case.moment.now - file.imported_at <= policy.proper_age:
        return None
    return f"it repairs a file that is older than {policy.proper_age.days} days"


def repack(case: Case) -> str | None:
    """A group repacks its own release."""
    file, release = case.target.file, case.release
    if not release.revision.is_repack or file is None or not _repairs(case, file):
        return None
    if not case.policy.allows_repacks:
        return "repacks do not replace files"
    if case.policy.propers is Propers.DO_NOT_PREFER:
        return None
    if file.release_group is None or release.release_group is None:
        return "it is a repack, and nobody knows whether of the file's release"
    if file.release_group.casefold() != release.release_group.casefold():
        return f"it is a repack of {release.release_group}'s release, the file is {file.release_group}'s"
    return None


def _repairs(case: Case, file: ExistingFile) -> bool:
    return is_newer_revision(case.candidate, over=file, profile=case.target.profile)
