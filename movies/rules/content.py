"""Rules about what the release is, by its name: quality, language, formats, terms."""

from movies.case import Case
from movies.files import DISC_EXTENSIONS, SAMPLE_MAXIMUM_BYTES, ListedFile, extension_of, is_sample
from movies.format_facts import spoken_languages
from movies.languages import ORIGINAL
from movies.policy import ReleaseProfile
from movies.quality import QUALITIES, Modifier
from movies.rules.size import MIB

_DISC_FILES = DISC_EXTENSIONS | {".m2ts"}
_DVD_DISC = QUALITIES["DVD-R"]


def quality_not_allowed(case: Case) -> str | None:
    quality, profile = case.release.quality, case.target.profile
    return None if profile.rank(quality) is not None else f'{quality} is not allowed by the profile "{profile.name}"'


def custom_format_minimum(case: Case) -> str | None:
    minimum, score = case.target.profile.minimum_score, case.score
    if score.total >= minimum:
        return None
    formats = f" ({', '.join(score.names)})" if score.names else ""
    return f"its score is {score.total}{formats}, {minimum} is asked for"


def language(case: Case) -> str | None:
    """Where the movie's own language is asked for and unknown, nothing can be said against a release."""
    wanted, own = case.target.profile.language, case.target.original_language
    if wanted is None or (wanted == ORIGINAL and own is None):
        return None
    spoken = spoken_languages(case.release.languages, original=own)
    wanted = own if wanted == ORIGINAL else wanted
    if wanted in spoken:
        return None
    return f"it speaks {', '.join(spoken)}, not {wanted}"


def raw_disc(case: Case) -> str | None:
    if case.release.quality.modifier is Modifier.BRDISK or case.release.quality == _DVD_DISC:
        return "it is a copied disc, not a film file"
    extension = extension_of(case.offer.title)
    return f"{extension} is a piece of a disc" if extension in _DISC_FILES else None


def hardcoded_subs(case: Case) -> str | None:
    subs = case.release.hardcoded_subs
    return f"it has hardcoded subtitles ({subs})" if subs and not case.policy.allows_hardcoded_subs else None


def sample(case: Case) -> str | None:
    size_bytes = case.offer.size_bytes
    if size_bytes is None or size_bytes >= SAMPLE_MAXIMUM_BYTES:
        return None
    if not is_sample(ListedFile(path=case.offer.title, size_bytes=size_bytes)):
        return None
    return f"it calls itself a sample and has {size_bytes / MIB:.0f} MiB"


def release_restrictions(case: Case) -> str | None:
    for profile in case.policy.release_profiles:
        if _concerns(profile, case):
            ignored = profile.found(profile.ignored, case.offer.title)
            if ignored is not None:
                return f'its name has the ignored term "{ignored}"'
            if profile.required and profile.found(profile.required, case.offer.title) is None:
                return f"its name has none of the required terms {', '.join(profile.required)}"
    return None


def _concerns(profile: ReleaseProfile, case: Case) -> bool:
    return profile.indexer in (None, case.offer.indexer) and (
        not profile.tags or not profile.tags.isdisjoint(case.target.tags)
    )
