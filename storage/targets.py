"""What decisions ask about movies: found by titles and ids, kept as JSON by the decision log, made into Targets."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from movies.availability import Availability
from movies.custom_format import score_of
from movies.format_facts import FormatFacts, format_facts
from movies.match import imdb_digits
from movies.movie import MovieId
from movies.offer import Offer, Protocol, blocklist_keys, release_key
from movies.policy import Policy
from movies.profile import Profile
from movies.quality import Revision, quality_named
from movies.release import ParsedRelease, Unparsable, parse_release
from movies.target import ExistingFile, Grab, HeldRelease, Namesake, Target, keys_of
from storage import movie_titles
from storage.database import Connection

Known = dict[str, Any]
"""What is known of a movie, as JSON: its row, file, downloads that did not fail, blocklist and namesakes."""
ON_THE_WAY = frozenset({"grabbing", "queued", "metadata", "downloading", "stalled", "paused", "completed", "importing"})

_UNREAD = ParsedRelease(title="", titles=())
_DOWNLOAD = """jsonb_build_object('state', state, 'title', title, 'infohash', infohash, 'quality', quality,
    'revision', revision, 'facts', facts, 'at', added_at)"""
_FILE = """jsonb_build_object('title', release_title, 'quality', movie_files.quality, 'revision', movie_files.revision,
    'facts', movie_files.facts, 'size_bytes', movie_files.size_bytes, 'at', imported_at)"""
_BLOCKED = """jsonb_build_object('title', blocklist.title, 'infohash', blocklist.infohash, 'indexer', indexer,
    'protocol', protocol, 'published_at', published_at)"""
_KNOWN = f"""
select jsonb_build_object('movie_id', movies.id, 'title', movies.title, 'alternative_titles', alternative_titles,
           'year', year, 'tmdb_id', movies.tmdb_id, 'imdb_id', movies.imdb_id, 'profile', profile, 'root', root,
           'tags', tags, 'minimum_availability', minimum_availability, 'runtime_min', runtime_min)
    || jsonb_build_object('original_language', original_language, 'in_cinemas_on', in_cinemas_on,
           'physical_on', physical_on, 'digital_on', digital_on, 'added_at', created_at, 'is_monitored', is_monitored,
           'file', (select {_FILE} from movie_files where movie_id = movies.id),
           'downloads', (select coalesce(jsonb_agg({_DOWNLOAD} order by downloads.id), '[]') from downloads
                         where movie_id = movies.id and downloads.state not in ('failed', 'removed')),
           'blocklist', (select coalesce(jsonb_agg({_BLOCKED} order by blocklist.id), '[]') from blocklist
                         left join releases on releases.id = release_id where movie_id = movies.id)) as known
from movies where movies.id = any(%s) order by movies.id
"""


def concerned(
    connection: Connection,
    offers: Iterable[tuple[Offer, ParsedRelease | Unparsable]],
    *,
    also: Collection[MovieId] = (),
) -> dict[MovieId, Known]:
    """The movies that any of the offers may be, and `also` these, by id; each with the others as its namesakes.

    Two questions, whatever the number of offers and of movies.
    """
    shared = [_shared_with(offer, parsed) for offer, parsed in offers]
    keys = set().union(*shared)
    matches = movie_titles.matching(
        connection,
        keys=_of_kind("title ", keys),
        tmdb_ids=[int(number) for number in _of_kind("tmdb ", keys)],
        imdb_ids=_of_kind("imdb ", keys),
    )
    found = known(connection, set(also).union(*matches.values()))
    namesakes: dict[MovieId, set[MovieId]] = {movie_id: set() for movie_id in found}
    for of_one in shared:
        together = set[MovieId]().union(*(matches.get(key, ()) for key in of_one)) & found.keys()
        for movie_id in together:
            namesakes[movie_id] |= together
    for movie_id, others in namesakes.items():
        one = found[movie_id]
        one["namesakes"] = [_named(found[other]) for other in sorted(others) if not _is_same_film(found[other], one)]
    return found


def _shared_with(offer: Offer, parsed: ParsedRelease | Unparsable) -> set[str]:
    """What a movie may share with an offer, as `movie_titles.matching` names it."""
    release = parsed if isinstance(parsed, ParsedRelease) else _UNREAD
    found = {f"title {key}" for key in keys_of(release.titles)}
    if tmdb_id := offer.tmdb_id or release.tmdb_id:
        found.add(f"tmdb {tmdb_id}")
    if digits := imdb_digits(offer.imdb_id) or imdb_digits(release.imdb_id):
        found |= {f"imdb tt{digits.zfill(length)}" for length in (7, 8)}
    return found


def _of_kind(kind: str, keys: Iterable[str]) -> list[str]:
    return [key.removeprefix(kind) for key in keys if key.startswith(kind)]


def _is_same_film(other: Known, one: Known) -> bool:
    """Whether two movies cannot be told apart: named once by title and once by id, they are one film wanted twice."""
    differs = any(one[name] and other[name] and one[name] != other[name] for name in ("tmdb_id", "imdb_id"))
    return one is other or (one["year"] == other["year"] and not differs)


def _named(facts: Known) -> Known:
    titles = [title for title in (facts["title"], *facts["alternative_titles"]) if title is not None]
    return {"titles": titles, **{name: facts[name] for name in ("year", "tmdb_id", "imdb_id")}}


def known(connection: Connection, movie_ids: Collection[MovieId]) -> dict[MovieId, Known]:
    """What decisions need to know of these movies, without their namesakes."""
    if not movie_ids:
        return {}
    rows = connection.execute(_KNOWN.encode(), (list(movie_ids),)).fetchall()
    return {MovieId(row["known"]["movie_id"]): row["known"] for row in rows}


def target_of(facts: Known, *, profiles: Mapping[str, Profile], policy: Policy) -> Target | None:
    """The movie as decisions see it under these profiles and this policy; None: its profile is not among them.

    What it has is scored by the facts frozen at its grab, by today's formats.
    """
    profile = profiles.get(facts["profile"])
    if profile is None:
        return None
    file, downloads = facts["file"], facts["downloads"]
    imported = [download for download in downloads if download["state"] == "imported"]
    replaced = [download for download in imported if file and not _is_same(download, file)]
    return Target(
        movie_id=MovieId(facts["movie_id"]),
        title=facts["title"],
        alternative_titles=tuple(facts["alternative_titles"]),
        year=facts["year"],
        tmdb_id=facts["tmdb_id"],
        imdb_id=facts["imdb_id"],
        profile=profile,
        tags=frozenset(facts["tags"]),
        runtime_min=facts["runtime_min"],
        original_language=facts["original_language"],
        minimum_availability=Availability(facts["minimum_availability"]),
        in_cinemas_on=_date(facts["in_cinemas_on"]),
        physical_on=_date(facts["physical_on"]),
        digital_on=_date(facts["digital_on"]),
        added_at=_time(facts["added_at"]),
        monitored=facts["is_monitored"],
        file=_file(file, profile, policy) if file else None,
        queued=tuple(
            held_of(download, profile=profile, policy=policy)
            for download in downloads
            if download["state"] in ON_THE_WAY
        ),
        grabs=tuple(
            Grab(**_held(download, profile, policy), grabbed_at=datetime.fromisoformat(download["at"]))
            for download in downloads
        ),
        blocklist=frozenset(key for blocked in facts["blocklist"] for key in _blocked(blocked)),
        imported=_keys(imported),
        replaced=_keys(replaced),
        namesakes=tuple(_namesake(other) for other in facts.get("namesakes", ())),
        free_bytes=facts.get("free_bytes"),
    )


def frozen_facts(row: Mapping[str, Any]) -> FormatFacts:
    """What formats look at, as it was at the grab."""
    if row["facts"] is not None:
        return FormatFacts.from_json(row["facts"])
    parsed = parse_release(row["title"])
    if isinstance(parsed, Unparsable):
        return FormatFacts(title=row["title"], quality=quality_named(row["quality"]))
    return format_facts(Offer(indexer="", guid="", title=row["title"]), parsed)


def held_of(row: Mapping[str, Any], *, profile: Profile, policy: Policy) -> HeldRelease:
    """A download or a file with `title`, `quality`, `revision` and `facts`, scored by today's formats."""
    return HeldRelease(**_held(row, profile, policy))


def _held(row: Mapping[str, Any], profile: Profile, policy: Policy) -> dict[str, Any]:
    """The fields of a HeldRelease."""
    facts = frozen_facts(row)
    score = score_of(facts, profile, policy.formats)
    return {
        "quality": quality_named(row["quality"]),
        "revision": Revision(**row["revision"]),
        "score": score.total,
        "formats": score.names,
        "release_group": facts.release_group,
    }


def _file(row: Mapping[str, Any], profile: Profile, policy: Policy) -> ExistingFile:
    return ExistingFile(
        **_held(row, profile, policy), size_bytes=row["size_bytes"], imported_at=datetime.fromisoformat(row["at"])
    )


def _is_same(download: Mapping[str, Any], file: Mapping[str, Any]) -> bool:
    return release_key(download["title"]) == release_key(file["title"])


def _keys(downloads: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Infohashes and release keys."""
    found = list(downloads)
    return frozenset({row["infohash"] for row in found} | {release_key(row["title"]) for row in found})


def _blocked(row: Mapping[str, Any]) -> frozenset[str]:
    return blocklist_keys(
        title=row["title"],
        infohash=row["infohash"],
        indexer=row["indexer"],
        protocol=Protocol(row["protocol"] or Protocol.TORRENT),
        published_at=_time(row["published_at"]),
    )


def _namesake(other: Known) -> Namesake:
    return Namesake(
        titles=tuple(other["titles"]), year=other["year"], tmdb_id=other["tmdb_id"], imdb_id=other["imdb_id"]
    )


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
