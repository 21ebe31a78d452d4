"""Decisions: may this release be taken for this movie, and which of those that may is the best.

Every rule is asked and every reason kept, so that "why was this not taken?" has a whole answer. Reasons are a closed
set, because they are metric labels.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import log10
from typing import Literal

from movies.files import DISC_EXTENSIONS, ListedFile, extension_of, is_sample
from movies.movie import MovieId
from movies.profile import Profile
from movies.quality import SIZE_BOUNDS, Modifier, Quality, Revision, SizeBounds
from movies.release import ParsedRelease, Unparsable
from movies.title import clean_title, is_same_title

MIB = 1024 * 1024
ASSUMED_RUNTIME_MIN = 110
SIZE_STEP_BYTES = 200 * MIB
"""Sizes nearer to each other than this rank alike."""


class Reason(StrEnum):
    """Why a release is not taken."""

    UNPARSABLE = "unparsable"
    MOVIE_DOES_NOT_MATCH = "movie_does_not_match"
    NOT_MONITORED = "not_monitored"
    QUALITY_NOT_ALLOWED = "quality_not_allowed"
    RAW_DISC = "raw_disc"
    HARDCODED_SUBS = "hardcoded_subs"
    SAMPLE = "sample"
    SIZE = "size"
    MAXIMUM_SIZE = "maximum_size"
    TOO_FEW_SEEDERS = "too_few_seeders"
    BLOCKLISTED = "blocklisted"
    ALREADY_IMPORTED = "already_imported"
    ALREADY_QUEUED = "already_queued"
    UPGRADES_NOT_ALLOWED = "upgrades_not_allowed"
    EXISTING_FILE = "existing_file"


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One release as an indexer offers it; `None` is unknown. `infohash` is lower-case hex.

    `indexer_priority` runs from 1 to 50, lower is better. Ids of 0 or without digits count as unknown.
    """

    indexer: str
    guid: str
    title: str
    size_bytes: int | None = None
    seeders: int | None = None
    published_at: datetime | None = None
    infohash: str | None = None
    tmdb_id: int | None = None
    imdb_id: str | None = None
    indexer_priority: int = 25
    minimum_seeders: int = 1


@dataclass(frozen=True, kw_only=True)
class HeldRelease:
    """What the movie has already: its file, or a grab on its way."""

    quality: Quality
    revision: Revision = field(default_factory=Revision)


@dataclass(frozen=True, kw_only=True)
class ExistingFile(HeldRelease):
    """The movie's file in the library."""

    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """A wanted movie with everything the rules ask about it.

    `blocklist` and `imported` hold infohashes and names as `release_key` makes them; a `runtime_min` of 0 is
    unknown, too.
    """

    movie_id: MovieId
    title: str | None
    alternative_titles: tuple[str, ...] = ()
    year: int | None = None
    tmdb_id: int | None = None
    imdb_id: str | None = None
    profile: Profile
    runtime_min: int | None = None
    file: ExistingFile | None = None
    queued: tuple[HeldRelease, ...] = ()
    blocklist: frozenset[str] = frozenset()
    imported: frozenset[str] = frozenset()
    monitored: bool = True


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What holds for every movie; `size_bounds` by quality name, `maximum_size_bytes` `None`: unlimited."""

    maximum_size_bytes: int | None = None
    size_bounds: Mapping[str, SizeBounds] = field(default_factory=lambda: SIZE_BOUNDS)
    allows_hardcoded_subs: bool = False


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """One reason against a release; a temporary one may pass with time. `text` is for people."""

    reason: Reason
    kind: Literal["permanent", "temporary"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The judgement of one offer with all its reasons; `parsed` is never `Unparsable` when it is accepted."""

    offer: Offer
    parsed: ParsedRelease | Unparsable
    rejections: tuple[Rejection, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """No rule spoke against it."""
        return not self.rejections


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What a rule may look at."""

    offer: Offer
    release: ParsedRelease
    target: Target
    policy: Policy


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One reason, and the question that finds it: the text of the objection, or `None`.

    `reads_name` false: the rule also judges offers whose name nobody can read; it then sees an empty release.
    """

    reason: Reason
    check: Callable[[Case], str | None]
    kind: Literal["permanent", "temporary"] = "permanent"
    reads_name: bool = True


DEFAULT_POLICY = Policy()


def decide(
    offer: Offer, parsed: ParsedRelease | Unparsable, target: Target, *, policy: Policy = DEFAULT_POLICY
) -> Verdict:
    """Ask every rule about an offer; `parsed` is what `parse_release(offer.title)` returned."""
    rejections: list[Rejection] = []
    if isinstance(parsed, Unparsable):
        text = f"the name cannot be read as a movie's release: {parsed.reason}"
        rejections.append(Rejection(reason=Reason.UNPARSABLE, kind="permanent", text=text))
        release = ParsedRelease(title="", titles=())
    else:
        release = parsed
    case = Case(offer=offer, release=release, target=target, policy=policy)
    for rule in RULES:
        if rule.reads_name and isinstance(parsed, Unparsable):
            continue
        objection = rule.check(case)
        if objection is not None:
            rejections.append(Rejection(reason=rule.reason, kind=rule.kind, text=objection))
    return Verdict(offer=offer, parsed=parsed, rejections=tuple(rejections))


def release_key(title: str) -> str:
    """Return the key under which a release's name stands in a blocklist: one for all spellings of separators."""
    return clean_title(title)


def is_upgrade(release: HeldRelease, *, over: HeldRelease, profile: Profile) -> bool:
    """Say whether a release improves on what is held: a better quality until the cutoff, then a newer revision."""
    if profile.is_better(release.quality, than=over.quality):
        return not profile.meets_cutoff(over.quality)
    return release.quality == over.quality and release.revision > over.revision


def rank_key(
    verdict: Verdict, profile: Profile, *, runtime_min: int | None = None, policy: Policy = DEFAULT_POLICY
) -> tuple[int, int, int, int, int, float, str, str]:
    """Return a key by which the best verdict sorts first.

    Quality, revision, indexer priority, order of magnitude of the seeders, nearness to the preferred size (in steps of
    200 MiB; the larger where the size has no limit), then indexer and guid, so that no two offers tie.
    """
    release, offer = verdict.parsed, verdict.offer
    if isinstance(release, Unparsable):
        rank, revision, distance = -1, Revision(), 0.0
    else:
        rank, revision = profile.rank(release.quality) or 0, release.revision
        distance = _size_distance(offer, policy.size_bounds.get(release.quality.name, SizeBounds()), runtime_min)
    magnitude = round(log10(max(offer.seeders or 0, 1)))
    order = (-rank, -revision.real, -revision.version, offer.indexer_priority, -magnitude, distance)
    return (*order, offer.indexer, offer.guid)


def ranked(
    verdicts: Iterable[Verdict], profile: Profile, *, runtime_min: int | None = None, policy: Policy = DEFAULT_POLICY
) -> list[Verdict]:
    """Return the accepted verdicts, best first; the order does not depend on the order they came in."""
    accepted = (verdict for verdict in verdicts if verdict.is_accepted)
    return sorted(accepted, key=lambda v: rank_key(v, profile, runtime_min=runtime_min, policy=policy))


def _size_distance(offer: Offer, bounds: SizeBounds, runtime_min: int | None) -> float:
    if offer.size_bytes is None:
        return float("inf")
    if bounds.preferred is None:
        return -float(offer.size_bytes // SIZE_STEP_BYTES)
    preferred_bytes = bounds.preferred * MIB * (runtime_min or ASSUMED_RUNTIME_MIN)
    return float(abs(offer.size_bytes - preferred_bytes) // SIZE_STEP_BYTES)


def _movie_does_not_match(case: Case) -> str | None:
    """Ids win over titles; without them a title must match, and its year within one."""
    target, release = case.target, case.release
    has_same_id = _has_same_id(case)
    if has_same_id is not None:
        return None if has_same_id else "its movie id is another movie's"
    if target.title is None:
        return "the movie is known by id only, and the release has none"
    wanted_titles = (target.title, *target.alternative_titles)
    if not any(is_same_title(title, wanted) for title in release.titles for wanted in wanted_titles):
        return f'its title is "{release.title}", not "{target.title}"'
    if target.year is None:
        return None
    if release.year is None:
        return f"it names no year, and the movie is of {target.year}"
    if abs(release.year - target.year) > 1:
        return f"it is of {release.year}, the movie of {target.year}"
    return None


def _has_same_id(case: Case) -> bool | None:
    """Compare movie ids; `None` when the two sides know no id of the same kind. TMDB's decides before IMDb's."""
    offer, release, target = case.offer, case.release, case.target
    tmdb_id = offer.tmdb_id or release.tmdb_id
    if tmdb_id and target.tmdb_id:
        return tmdb_id == target.tmdb_id
    imdb_number = _imdb_number(offer.imdb_id) or _imdb_number(release.imdb_id)
    wanted_number = _imdb_number(target.imdb_id)
    if imdb_number and wanted_number:
        return imdb_number == wanted_number
    return None


def _imdb_number(imdb_id: str | None) -> int:
    digits = (imdb_id or "").removeprefix("tt")
    return int(digits) if digits.isdecimal() else 0


def _not_monitored(case: Case) -> str | None:
    return None if case.target.monitored else "the movie is not monitored"


def _quality_not_allowed(case: Case) -> str | None:
    quality, profile = case.release.quality, case.target.profile
    return None if profile.rank(quality) is not None else f'{quality} is not allowed by the profile "{profile.name}"'


def _raw_disc(case: Case) -> str | None:
    if case.release.quality.modifier is Modifier.BRDISK:
        return "it is a copied disc, not a film file"
    extension = extension_of(case.offer.title)
    return f"{extension} is a piece of a disc" if extension in DISC_EXTENSIONS | {".m2ts"} else None


def _hardcoded_subs(case: Case) -> str | None:
    subs = case.release.hardcoded_subs
    return f"it has hardcoded subtitles ({subs})" if subs and not case.policy.allows_hardcoded_subs else None


def _sample(case: Case) -> str | None:
    size_bytes = case.offer.size_bytes
    if size_bytes is None or not is_sample(ListedFile(path=case.offer.title, size_bytes=size_bytes)):
        return None
    return f"it calls itself a sample and has {size_bytes / MIB:.0f} MiB"


def _size(case: Case) -> str | None:
    if case.offer.size_bytes is None:
        return None
    bounds = case.policy.size_bounds.get(case.release.quality.name, SizeBounds())
    mib_per_min = case.offer.size_bytes / MIB / (case.target.runtime_min or ASSUMED_RUNTIME_MIN)
    if mib_per_min < bounds.minimum:
        return f"{mib_per_min:.1f} MiB/min is under {bounds.minimum:g} for {case.release.quality}"
    if bounds.maximum is not None and mib_per_min > bounds.maximum:
        return f"{mib_per_min:.1f} MiB/min is over {bounds.maximum:g} for {case.release.quality}"
    return None


def _maximum_size(case: Case) -> str | None:
    maximum_bytes, size_bytes = case.policy.maximum_size_bytes, case.offer.size_bytes
    if maximum_bytes is None or size_bytes is None or size_bytes <= maximum_bytes:
        return None
    return f"{size_bytes / MIB:.0f} MiB is over the maximum of {maximum_bytes / MIB:.0f} MiB"


def _too_few_seeders(case: Case) -> str | None:
    seeders, minimum = case.offer.seeders, case.offer.minimum_seeders
    return None if seeders is None or seeders >= minimum else f"{seeders} seeders, {minimum} are asked for"


def _blocklisted(case: Case) -> str | None:
    return "it is on the blocklist" if _is_listed(case.offer, case.target.blocklist) else None


def _already_imported(case: Case) -> str | None:
    """A film that was deleted may be taken again, so this asks only while there is a file."""
    if case.target.file is None or not _is_listed(case.offer, case.target.imported):
        return None
    return "it was imported already"


def _is_listed(offer: Offer, keys: frozenset[str]) -> bool:
    return (offer.infohash or "").lower() in keys or release_key(offer.title) in keys


def _already_queued(case: Case) -> str | None:
    profile, release = case.target.profile, HeldRelease(quality=case.release.quality, revision=case.release.revision)
    for queued in case.target.queued:
        if not profile.upgrade or not is_upgrade(release, over=queued, profile=profile):
            return f"{queued.quality} is on its way"
    return None


def _upgrades_not_allowed(case: Case) -> str | None:
    profile = case.target.profile
    if case.target.file is None or profile.upgrade:
        return None
    return f'there is a file, and the profile "{profile.name}" forbids upgrades'


def _existing_file(case: Case) -> str | None:
    file, profile = case.target.file, case.target.profile
    release = HeldRelease(quality=case.release.quality, revision=case.release.revision)
    if file is None or is_upgrade(release, over=file, profile=profile):
        return None
    if profile.meets_cutoff(file.quality):
        return f"the file is {file.quality}, which meets the cutoff {profile.cutoff}"
    return f"the file is {file.quality}, which is equal or better"


RULES: tuple[Rule, ...] = (
    Rule(reason=Reason.MOVIE_DOES_NOT_MATCH, check=_movie_does_not_match),
    Rule(reason=Reason.NOT_MONITORED, check=_not_monitored, reads_name=False),
    Rule(reason=Reason.QUALITY_NOT_ALLOWED, check=_quality_not_allowed),
    Rule(reason=Reason.RAW_DISC, check=_raw_disc),
    Rule(reason=Reason.HARDCODED_SUBS, check=_hardcoded_subs),
    Rule(reason=Reason.SAMPLE, check=_sample, reads_name=False),
    Rule(reason=Reason.SIZE, check=_size),
    Rule(reason=Reason.MAXIMUM_SIZE, check=_maximum_size, reads_name=False),
    Rule(reason=Reason.TOO_FEW_SEEDERS, check=_too_few_seeders, reads_name=False),
    Rule(reason=Reason.BLOCKLISTED, check=_blocklisted, reads_name=False),
    Rule(reason=Reason.ALREADY_IMPORTED, check=_already_imported, reads_name=False),
    Rule(reason=Reason.ALREADY_QUEUED, check=_already_queued),
    Rule(reason=Reason.UPGRADES_NOT_ALLOWED, check=_upgrades_not_allowed, reads_name=False),
    Rule(reason=Reason.EXISTING_FILE, check=_existing_file),
)
