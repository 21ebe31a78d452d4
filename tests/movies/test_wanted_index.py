from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from movies.match import match_movie
from movies.movie import MovieId
from movies.release import ParsedRelease, parse_release
from movies.target import Target
from movies.wanted_index import WantedIndex
from tests.movies.judging import HD, OFFER


def movie(number: int, title: str | None, year: int | None = None, **facts: object) -> Target:
    return Target(movie_id=MovieId(number), title=title, year=year, profile=HD, **facts)  # type: ignore[arg-type]


def found(index: WantedIndex, name: str, **facts: object) -> list[int]:
    offer = replace(OFFER, title=name, **facts)  # type: ignore[arg-type]
    return [target.movie_id for target in index.candidates(offer, parse_release(name))]


INDEX = WantedIndex(
    [
        movie(1, "Sintel", 2010, alternative_titles=("The Durian Film",)),
        movie(2, "Sintel", 2021),
        movie(3, "Sintel"),
        movie(4, None, tmdb_id=45745),
        movie(5, "Tears of Steel", 2012, imdb_id="tt2285752"),
    ]
)


def test_movies_are_found_by_title_and_year() -> None:
    assert found(INDEX, "Sintel.2011.1080p.WEB-DL") == [1, 3]
    assert found(INDEX, "Sintel.2021.1080p.WEB-DL") == [2, 3]
    assert found(INDEX, "Sintel.1080p.WEB-DL") == [3]
    assert found(INDEX, "The.Durian.Film.2009.1080p.WEB-DL") == [1]
    assert found(INDEX, "Elephants.Dream.2006.1080p.WEB-DL") == []


def test_movies_are_found_by_id_also_of_a_name_nobody_can_read() -> None:
    assert found(INDEX, "Quite.Different.1999.1080p.WEB-DL", tmdb_id=45745) == [4]
    assert found(INDEX, "Show.S01E01.1080p", imdb_id="2285752") == [5]
    assert found(INDEX, "Quite.Different.[tt2285752].1080p.WEB-DL") == [5]
    assert found(INDEX, "Show.S01E01.1080p", imdb_id="tt0000000", tmdb_id=0) == []


def test_a_movie_is_replaced_and_removed_whole() -> None:
    index = WantedIndex([movie(1, "Sintel", 2010), movie(2, "Durian", 2010)])
    index.add(movie(1, "Sintel 2", 2012))
    assert found(index, "Sintel.2010.1080p.WEB-DL") == []
    assert found(index, "Sintel.II.2012.1080p.WEB-DL") == [1]
    index.remove(MovieId(1))
    index.remove(MovieId(1))
    assert found(index, "Sintel.2.2012.1080p.WEB-DL") == []
    assert [target.movie_id for target in index] == [2]
    assert len(index) == 1


IDS = {"tmdb_id": st.none() | st.integers(0, 2), "imdb_id": st.sampled_from([None, "tt0", "tt01", "2"])}
MOVIES = st.lists(
    st.builds(
        movie,
        st.integers(1, 9),
        st.sampled_from([None, "Sintel", "Sintel II", "Göthe"]),
        st.none() | st.integers(2009, 2012),
        alternative_titles=st.sampled_from([(), ("Durian",), ("Sintel",)]),
        **IDS,
    ),
    unique_by=lambda target: target.movie_id,
)
NAMES = ["Sintel.2010.1080p", "Sintel.2.2011.1080p", "Goethe.1080p", "Durian.AKA.Sintel.2010.1080p.tt0000001"]


@given(MOVIES, st.builds(replace, st.just(OFFER), title=st.sampled_from(NAMES), **IDS))
def test_every_movie_that_matches_is_a_candidate(targets: list[Target], offer: object) -> None:
    assert isinstance(offer, type(OFFER))
    release = parse_release(offer.title)
    assert isinstance(release, ParsedRelease)
    candidates = WantedIndex(targets).candidates(offer, release)
    matching = [target for target in targets if match_movie(offer, release, target).kind == "same"]
    assert all(target in candidates for target in matching)
