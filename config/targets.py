"""Targets from forms: a movie as it is written, with the profile and the rest that the configuration has for it."""

from datetime import datetime

from config.forms import HeldForm, MovieForm, at
from config.schema import Config
from movies.availability import Availability
from movies.custom_format import score_of
from movies.errors import did_you_mean
from movies.format_facts import format_facts
from movies.movie import MovieId, WantedMovie
from movies.offer import Offer, blocklist_keys, release_key
from movies.policy import Policy
from movies.profile import Profile
from movies.release import ParsedRelease, parse_release
from movies.target import ExistingFile, Grab, HeldRelease, Target
from movies.title import title_keys


class NoProfile(ValueError):
    """Nothing says which profile the movie has, or there is no such profile."""


def target_of(form: MovieForm, config: Config, policy: Policy, *, now: datetime) -> Target:
    """The movie as rules see it. Raises NoProfile."""
    found = wanting(form, config)
    profile = _profile_of(form, config, found[1].profile if found else None)
    minimum = form.minimum_availability or (found[1].minimum_availability if found else Availability.RELEASED)
    tags = form.tags if form.tags is not None else found[1].tags if found else ()

    def held(release: HeldForm) -> HeldRelease:
        return _held(release, form, profile, policy)

    return Target(
        movie_id=MovieId(0),
        title=form.title,
        alternative_titles=form.alternative_titles,
        year=form.year,
        tmdb_id=form.tmdb_id,
        imdb_id=form.imdb_id,
        profile=profile,
        tags=frozenset(tags),
        runtime_min=form.runtime_min,
        original_language=form.original_language,
        minimum_availability=minimum,
        in_cinemas_on=form.in_cinemas_on,
        physical_on=form.physical_on,
        digital_on=form.digital_on,
        monitored=form.monitored,
        file=None if form.file is None else _file(held(form.file), form.file, now),
        queued=tuple(held(release) for release in form.queued),
        grabs=tuple(_grab(held(release), release, now) for release in form.grabs),
        blocklist=frozenset().union(*(blocklist_keys(title=name, infohash=name) for name in form.blocklist)),
        imported=_keys(form.imported),
        replaced=_keys(form.replaced),
        namesakes=tuple(namesake.namesake for namesake in form.namesakes),
        free_bytes=form.free,
    )


def wanting(form: MovieForm, config: Config) -> tuple[str, WantedMovie] | None:
    """The [wanted] table of the file that names the movie, and what it says; `None`: no table does."""
    for block, wanted in config.wanted_movies():
        if wanted.tmdb_id is not None and wanted.tmdb_id == form.tmdb_id:
            return block, wanted
        if wanted.imdb_id is not None and wanted.imdb_id == form.imdb_id:
            return block, wanted
        if (
            wanted.title
            and wanted.year in (None, form.year)
            and title_keys(wanted.title) & title_keys(form.title or "")
        ):
            return block, wanted
    return None


def _profile_of(form: MovieForm, config: Config, wanted: str | None) -> Profile:
    name = form.profile or wanted
    profiles = config.all_profiles
    if name is None:
        raise NoProfile(f"profile is missing, and no [wanted] table names the movie; there are {', '.join(profiles)}")
    if name not in profiles:
        raise NoProfile(f'profile: no profile is called "{name}"{did_you_mean(name, profiles)}')
    return profiles[name]


def _held(release: HeldForm, form: MovieForm, profile: Profile, policy: Policy) -> HeldRelease:
    parsed = parse_release(release.title)
    assert isinstance(parsed, ParsedRelease), "the form has seen to it"
    offer = Offer(indexer="", guid="", title=release.title, size_bytes=release.size, flags=frozenset(release.flags))
    facts = format_facts(offer, parsed, original_language=form.original_language)
    score = score_of(facts, profile, policy.formats)
    return HeldRelease(
        quality=parsed.quality,
        revision=parsed.revision,
        score=score.total,
        formats=score.names,
        release_group=parsed.release_group,
    )


def _file(held: HeldRelease, form: HeldForm, now: datetime) -> ExistingFile:
    imported_at = None if form.at is None else at(form.at, now)
    return ExistingFile(**vars(held), size_bytes=form.size, imported_at=imported_at)


def _grab(held: HeldRelease, form: HeldForm, now: datetime) -> Grab:
    """A grab without a time was made just now."""
    return Grab(**vars(held), grabbed_at=now if form.at is None else at(form.at, now))


def _keys(names: tuple[str, ...]) -> frozenset[str]:
    """Names as their keys; hashes as they are."""
    return frozenset(key for name in names for key in (name.lower(), release_key(name)))
