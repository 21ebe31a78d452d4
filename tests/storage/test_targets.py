"""What decisions learn of a movie: what it has, what is on its way, and what it may be mistaken for."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from movies.availability import Availability
from movies.custom_format import CustomFormat, FormatSet
from movies.format_condition import ReleaseTitle
from movies.format_facts import FormatFacts
from movies.movie import DownloadId, DownloadState, MovieId, WantedMovie
from movies.offer import Offer, release_key
from movies.policy import DEFAULT_POLICY, Policy
from movies.profile import Profile
from movies.quality import Revision, quality_named
from movies.release import parse_release
from movies.target import Namesake, Target
from storage import acquisition, downloads, movies, targets
from storage.database import Database
from storage.targets import Known, target_of
from tests.storage.rows import RELEASE, add_release, import_film, intend

X265 = CustomFormat(name="x265", conditions=(ReleaseTitle(pattern="x265"),))
HD = Profile(
    name="hd",
    groups=(("Bluray-1080p",), ("WEBDL-1080p", "WEBRip-1080p")),
    cutoff="Bluray-1080p",
    format_scores={"x265": 7},
)
FORMATS = Policy(formats=FormatSet([X265]))
SINTEL = WantedMovie(title="Sintel", year=2010, profile="hd")
X265_FACTS = FormatFacts(title="Sintel.2010.x265-DURIAN", release_group="DURIAN")


def claim(database: Database, wanted: WantedMovie) -> MovieId:
    with database.transaction() as connection:
        return movies.claim_movie(connection, wanted, source="api", root="/library")


def named(database: Database, title: str, year: int | None, *, tmdb_id: int | None = None) -> MovieId:
    return claim(database, WantedMovie(title=title, year=year, tmdb_id=tmdb_id, profile="hd"))


def grab(database: Database, movie_id: MovieId, title: str, *, facts: FormatFacts | None = None) -> DownloadId:
    infohash = hashlib.sha1(title.encode()).hexdigest()
    with database.transaction() as connection:
        download_id = intend(connection, movie_id, title=title, infohash=infohash, facts=facts)
    assert download_id is not None
    return download_id


def move(database: Database, download_id: DownloadId, state: DownloadState) -> None:
    with database.transaction() as connection:
        assert downloads.move(connection, download_id, state, expected=tuple(DownloadState))


def bring_in(database: Database, movie_id: MovieId, title: str, *, facts: FormatFacts | None = None) -> None:
    """The movie's file is from this release."""
    download_id = grab(database, movie_id, title, facts=facts)
    with database.transaction() as connection:
        import_film(connection, movie_id, download_id, title=title, facts=facts)
    move(database, download_id, DownloadState.IMPORTED)


def concerned(database: Database, *titles: str, also: MovieId | None = None, **offered: Any) -> dict[MovieId, Known]:
    offers = [(Offer(indexer="one", guid=title, title=title, **offered), parse_release(title)) for title in titles]
    with database.transaction() as connection:
        return targets.concerned(connection, offers, also=[] if also is None else [also])


def known(database: Database, movie_id: MovieId) -> Known:
    return concerned(database, also=movie_id)[movie_id]


def target(
    database: Database, movie_id: MovieId, *, profiles: Mapping[str, Profile] | None = None, policy: Policy = FORMATS
) -> Target:
    found = target_of(known(database, movie_id), profiles=profiles or {"hd": HD}, policy=policy)
    assert found is not None
    return found


def test_a_decision_learns_who_the_movie_is_and_what_is_asked_of_it(database: Database) -> None:
    movie_id = claim(
        database,
        WantedMovie(
            title="Sintel",
            year=2010,
            imdb_id="tt1727587",
            profile="hd",
            tags=("4k",),
            minimum_availability=Availability.ANNOUNCED,
        ),
    )
    found = target(database, movie_id)
    assert (found.title, found.year, found.imdb_id, found.profile) == ("Sintel", 2010, "tt1727587", HD)
    assert (found.tags, found.minimum_availability) == (frozenset({"4k"}), Availability.ANNOUNCED)
    assert (found.monitored, found.file, found.queued, found.grabs) == (True, None, (), ())
    assert found.added_at is not None


def test_a_decision_learns_what_the_movie_has_and_what_is_on_its_way(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    bring_in(database, movie_id, RELEASE)
    grab(database, movie_id, "Sintel.2010.1080p.BluRay.x265-OTHER")
    found = target(database, movie_id)
    bluray, webdl, twice = quality_named("Bluray-1080p"), quality_named("WEBDL-1080p"), Revision(version=2)
    assert found.file is not None
    assert (found.file.quality, found.file.revision, found.file.size_bytes) == (webdl, twice, 1000)
    (queued,) = found.queued
    assert (queued.quality, queued.revision, queued.score, queued.release_group) == (bluray, twice, 7, "OTHER")
    assert release_key(RELEASE) in found.imported
    assert found.replaced == frozenset()


def test_a_grab_that_failed_holds_nothing_back(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    failed, running = grab(database, movie_id, "Sintel.Failed"), grab(database, movie_id, "Sintel.Running")
    move(database, failed, DownloadState.FAILED)
    move(database, running, DownloadState.QUEUED)
    found = target(database, movie_id)
    assert len(found.grabs) == len(found.queued) == 1


def test_what_a_better_release_replaced_is_remembered(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    bring_in(database, movie_id, "Sintel.2010.720p.BluRay.x264-WORSE")
    bring_in(database, movie_id, RELEASE)
    found = target(database, movie_id)
    assert release_key("Sintel.2010.720p.BluRay.x264-WORSE") in found.replaced
    assert release_key(RELEASE) not in found.replaced
    assert release_key(RELEASE) in found.imported


def test_what_the_movie_has_is_scored_by_the_facts_of_its_grab_and_by_the_formats_of_today(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    bring_in(database, movie_id, RELEASE, facts=X265_FACTS)
    file = target(database, movie_id).file
    assert file is not None
    assert (file.score, file.formats, file.release_group) == (7, ("x265",), "DURIAN")
    other = target(database, movie_id, policy=DEFAULT_POLICY, profiles={"hd": HD}).file
    assert other is not None
    assert other.score == 0


def test_what_was_grabbed_before_facts_were_kept_is_read_from_its_name(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    bring_in(database, movie_id, "Sintel.2010.1080p.BluRay.x265-DURIAN")
    file = target(database, movie_id).file
    assert file is not None
    assert (file.score, file.release_group) == (7, "DURIAN")


def test_a_blocked_release_is_blocked_at_its_indexer_and_its_torrent_everywhere(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    with database.transaction() as connection:
        release_id = add_release(connection, RELEASE)
        for title, release in ((RELEASE, release_id), ("Sintel.Gone", None)):
            acquisition.block(
                connection, movie_id, release_id=release, infohash="c" * 40, title=title, reason="stalled"
            )
    assert target(database, movie_id).blocklist == {
        "c" * 40,
        f"{release_key(RELEASE)}@one",
        release_key("Sintel.Gone"),
    }


def test_a_profile_that_is_not_configured_leaves_nothing_to_decide(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    assert target_of(known(database, movie_id), profiles={"other": HD}, policy=FORMATS) is None


def test_what_is_known_is_the_same_after_a_round_trip_through_json(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    named(database, "Sintel", 2011)
    bring_in(database, movie_id, RELEASE, facts=X265_FACTS)
    facts = concerned(database, RELEASE)[movie_id]
    assert facts["namesakes"]
    kept = json.loads(json.dumps(facts))
    assert target_of(kept, profiles={"hd": HD}, policy=FORMATS) == target_of(facts, profiles={"hd": HD}, policy=FORMATS)


def test_an_offer_concerns_the_movies_it_may_be_and_each_learns_of_the_others(database: Database) -> None:
    new, old = named(database, "Dune", 2021), named(database, "Dune", 1984)
    named(database, "Dune Drifter", 2020)
    found = concerned(database, "Dune.2021.1080p.BluRay.x264-GROUP")
    assert found.keys() == {new, old}
    assert found[new]["namesakes"] == [{"titles": ["Dune"], "year": 1984, "tmdb_id": None, "imdb_id": None}]
    seen = target_of(found[old], profiles={"hd": HD}, policy=FORMATS)
    assert seen is not None
    assert seen.namesakes == (Namesake(titles=("Dune",), year=2021),)


def test_two_titles_of_one_release_may_be_two_movies(database: Database) -> None:
    one, other = named(database, "Das Boot", 1981), named(database, "The Boat", 1981, tmdb_id=387)
    with database.transaction() as connection:
        connection.execute("update movies set tmdb_id = 1 where id = %s", (one,))
    found = concerned(database, "Das.Boot.AKA.The.Boat.1981.1080p.BluRay.x264-GROUP")
    assert found.keys() == {one, other}
    assert [namesake["titles"] for namesake in found[one]["namesakes"]] == [["The Boat"]]


def test_one_film_wanted_by_name_and_by_id_is_not_mistaken_for_itself(database: Database) -> None:
    by_name, by_id = claim(database, SINTEL), claim(database, WantedMovie(tmdb_id=45745, profile="hd"))
    with database.transaction() as connection:
        movies.name_if_unnamed(connection, by_id, title="Sintel", year=2010)
    found = concerned(database, RELEASE)
    assert [found[movie_id]["namesakes"] for movie_id in (by_name, by_id)] == [[], []]


def test_ids_concern_a_movie_whose_title_nobody_knows(database: Database) -> None:
    movie_id = claim(database, WantedMovie(imdb_id="tt0133093", profile="hd"))
    assert concerned(database, "obfuscated", imdb_id="tt133093").keys() == {movie_id}
    assert concerned(database, "The.Matrix.1999.tt0133093.1080p.BluRay.x264-GROUP").keys() == {movie_id}
    assert concerned(database, "The.Matrix.1999.1080p.BluRay.x264-GROUP") == {}


def test_a_movie_that_is_not_monitored_is_known_as_such(database: Database) -> None:
    movie_id = claim(database, SINTEL)
    with database.transaction() as connection:
        movies.drop_claims(connection, prefix="api", keep=[])
    assert not target(database, movie_id).monitored
