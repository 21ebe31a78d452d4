from dataclasses import replace
from datetime import date

import pytest

from movies.availability import Availability
from movies.movie import MovieId
from movies.offer import IndexerTerms
from movies.policy import Policy
from movies.target import Namesake, Target
from movies.verdict import Reason
from tests.movies.judging import HD, SINTEL, judged, only, reasons

NEWS = Target(movie_id=MovieId(2), title="News", profile=HD)


def test_another_movies_release_is_rejected() -> None:
    assert reasons(judged("Durian.2010.1080p.WEB-DL")) == {Reason.MOVIE_DOES_NOT_MATCH}


def test_a_release_that_could_be_two_movies_names_both() -> None:
    target = replace(SINTEL, namesakes=(Namesake(titles=("Sintel",), year=2010, tmdb_id=2),))
    rejection = only(judged(target=target))
    assert rejection.reason is Reason.AMBIGUOUS_MOVIE
    assert rejection.text == "it could be Sintel (2010) or Sintel (2010)"


def test_a_movie_that_is_not_monitored_takes_nothing() -> None:
    assert reasons(judged(target=replace(SINTEL, monitored=False))) == {Reason.NOT_MONITORED}


@pytest.mark.parametrize(
    ("minimum", "dates", "is_available"),
    [
        ("released", {}, True),
        ("released", {"in_cinemas_on": date(2026, 3, 3)}, True),
        ("released", {"in_cinemas_on": date(2026, 3, 4)}, False),
        ("released", {"in_cinemas_on": date(2026, 5, 1), "digital_on": date(2026, 6, 1)}, True),
        ("released", {"in_cinemas_on": date(2025, 5, 1), "digital_on": date(2026, 6, 2)}, False),
        ("released", {"physical_on": date(2026, 5, 1), "digital_on": date(2026, 9, 2)}, True),
        ("released", {"year": 2026}, True),
        ("released", {"year": 2027}, False),
        ("in_cinemas", {"in_cinemas_on": date(2026, 6, 1)}, True),
        ("in_cinemas", {"in_cinemas_on": date(2026, 6, 2)}, False),
        ("in_cinemas", {"digital_on": date(2026, 6, 2)}, False),
        ("in_cinemas", {"year": 2027}, False),
        ("announced", {"in_cinemas_on": date(2027, 6, 2), "year": 2027}, True),
    ],
)
def test_a_movie_is_taken_when_it_is_as_available_as_asked(
    minimum: str, dates: dict[str, date], is_available: bool
) -> None:
    target = replace(NEWS, minimum_availability=Availability(minimum), **dates)  # type: ignore[arg-type]
    found = reasons(judged("News.2026.1080p.WEB-DL", target=target, size_bytes=None))
    assert (Reason.NOT_AVAILABLE not in found) is is_available


def test_it_is_said_when_a_movie_will_be_available() -> None:
    target = replace(SINTEL, in_cinemas_on=date(2026, 6, 2), minimum_availability=Availability.IN_CINEMAS)
    assert only(judged(target=target)).text == "the movie is not in cinemas before 2026-06-02"


def test_an_indexer_with_tags_serves_movies_that_have_one() -> None:
    policy = Policy(terms={"open": IndexerTerms(tags=frozenset({"anime", "kids"}))})
    rejection = only(judged(policy=policy))
    assert (rejection.reason, rejection.text) == (Reason.TAGS, "open is for movies tagged anime, kids")
    assert judged(policy=policy, target=replace(SINTEL, tags=frozenset({"kids", "4k"}))).is_accepted
    assert judged(target=replace(SINTEL, tags=frozenset({"kids"}))).is_accepted
