"""The Judge on a real database: what a page may be, and whether what was downloaded betters what is there."""

from typing import Any

import pytest
from psycopg import Cursor

from actors.judge import Judge, Judged
from movies.custom_format import CustomFormat, FormatSet
from movies.format_condition import ReleaseTitle
from movies.format_facts import FormatFacts
from movies.movie import MovieId, WantedMovie
from movies.offer import Offer
from movies.policy import Policy
from movies.profile import BUILTIN_PROFILES, Profile
from movies.release import parse_release
from movies.verdict import Reason
from storage import movies
from storage.database import Database

X265 = CustomFormat(name="x265", conditions=(ReleaseTitle(pattern="x265"),))
HD = Profile(name="hd", groups=(("Bluray-1080p",),), cutoff="Bluray-1080p", format_scores={"x265": 5}, cutoff_score=5)
JUDGE = Judge(profiles={**BUILTIN_PROFILES, "hd": HD}, policy=Policy(formats=FormatSet([X265])))


def want(database: Database, title: str, year: int) -> MovieId:
    with database.transaction() as connection:
        wanted = WantedMovie(title=title, year=year, profile="hd")
        return movies.claim_movie(connection, wanted, source="api", root="/library")


def page(database: Database, *titles: str, judge: Judge = JUDGE) -> dict[MovieId, Judged]:
    offers = [(Offer(indexer="one", guid=title, title=title), parse_release(title)) for title in titles]
    with database.transaction() as connection:
        return judge.page(connection, offers)


def reasons(judged: Judged) -> list[list[Reason]]:
    return [[rejection.reason for rejection in verdict.rejections] for verdict in judged.verdicts]


def test_each_release_of_a_page_is_judged_for_the_movies_it_may_be_and_no_others(database: Database) -> None:
    sintel, steel = want(database, "Sintel", 2010), want(database, "Tears of Steel", 2012)
    want(database, "Nobody Offers This", 2000)
    found = page(
        database,
        "Sintel.2010.1080p.BluRay.x264-A",
        "Sintel.1990.1080p.BluRay.x264-A",
        "Tears.of.Steel.2012.1080p.BluRay.x264-A",
        "Another.Film.2001.1080p.BluRay.x264-A",
        "Sintel.2010.1080p.BluRay.x265-B",
    )
    assert {movie_id: len(judged.verdicts) for movie_id, judged in found.items()} == {sintel: 2, steel: 1}
    assert [verdict.score.total for verdict in found[sintel].verdicts] == [0, 5]


def test_the_exact_year_tells_two_movies_of_one_title_apart(database: Database) -> None:
    new, _ = want(database, "Dune", 2021), want(database, "Dune", 2022)
    found = page(database, "Dune.2021.1080p.BluRay.x264-A")
    assert {movie_id: reasons(judged) for movie_id, judged in found.items()} == {new: [[]]}


def test_a_release_that_could_be_two_movies_is_taken_for_neither_and_says_so(database: Database) -> None:
    movie_ids = {want(database, "Dune", 2020), want(database, "Dune", 2022)}
    found = page(database, "Dune.2021.1080p.BluRay.x264-A")
    assert found.keys() == movie_ids
    assert [reasons(judged) for judged in found.values()] == [[[Reason.AMBIGUOUS_MOVIE]]] * 2


def test_a_movie_that_is_not_monitored_is_judged_no_more(database: Database) -> None:
    want(database, "Sintel", 2010)
    with database.transaction() as connection:
        movies.drop_claims(connection, prefix="api", keep=[])
    assert page(database, "Sintel.2010.1080p.BluRay.x264-A") == {}


def test_a_release_that_could_be_a_movie_nobody_wants_any_more_is_not_taken_for_another(database: Database) -> None:
    with database.transaction() as connection:
        movies.claim_movie(
            connection, WantedMovie(title="Dune", year=2020, profile="hd"), source="list:x", root="/library"
        )
        movies.drop_claims(connection, prefix="list:", keep=[])
    wanted = want(database, "Dune", 2022)
    found = page(database, "Dune.2021.1080p.BluRay.x264-A")
    assert {movie_id: reasons(judged) for movie_id, judged in found.items()} == {wanted: [[Reason.AMBIGUOUS_MOVIE]]}


def test_a_page_asks_as_much_of_the_database_whatever_its_length(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        want(database, f"Film Number {number}", 2000)
    asked: list[Any] = []
    original = Cursor.execute

    def counted(self: Any, query: Any, *arguments: Any, **more: Any) -> Any:
        asked.append(query)
        return original(self, query, *arguments, **more)

    monkeypatch.setattr(Cursor, "execute", counted)
    counts = []
    for number in (1, 30):
        asked.clear()
        titles = [f"Film.Number.{film}.2000.1080p.BluRay.x264-A" for film in range(number)]
        assert len(page(database, *titles)) == number
        counts.append(len(asked))
    assert counts[0] == counts[1]


def held(*, title: str, facts: FormatFacts | None = None) -> dict[str, Any]:
    return {
        "title": title,
        "release_title": title,
        "quality": "Bluray-1080p",
        "revision": {"real": 0, "version": 1},
        "facts": facts and facts.as_json(),
    }


def test_a_download_replaces_a_file_by_what_was_known_at_their_grabs() -> None:
    plain, better = held(title="Sintel.2010.x264-A"), held(title="Sintel.2010.x265-B")
    assert JUDGE.why_no_upgrade(better, over=plain, profile_name="hd") is None
    assert JUDGE.why_no_upgrade(plain, over=better, profile_name="hd") is not None
    assert JUDGE.why_no_upgrade(plain, over=better, profile_name="gone") is None


def test_a_score_that_the_file_itself_would_not_have_makes_no_loop() -> None:
    """The file's name has lost its x265; its grab had it, and so it is not replaced by the same release again."""
    facts = FormatFacts(title="Sintel.2010.x265-B")
    file = held(title="Sintel (2010)", facts=facts)
    assert JUDGE.why_no_upgrade(held(title="Sintel.2010.x265-B", facts=facts), over=file, profile_name="hd")
