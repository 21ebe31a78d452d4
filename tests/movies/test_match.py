from dataclasses import replace

import pytest

from movies.match import Match, match_movie
from movies.movie import MovieId
from movies.release import ParsedRelease, parse_release
from movies.target import Namesake, Target
from tests.movies.judging import HD, NAME, OFFER, SINTEL

SINTEL_BY_ID = replace(SINTEL, tmdb_id=45745, imdb_id="tt1727587")


def match(name: str = NAME, *, target: Target = SINTEL, **ids: object) -> Match:
    release = parse_release(name)
    assert isinstance(release, ParsedRelease)
    return match_movie(replace(OFFER, title=name, **ids), release, target)  # type: ignore[arg-type]


def is_same(name: str = NAME, *, target: Target = SINTEL, **ids: object) -> bool:
    return match(name, target=target, **ids).kind == "same"


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        (NAME, True),
        ("Sintel.2011.1080p.WEB-DL", True),
        ("Sintel.2009.1080p.WEB-DL", True),
        ("Sintel.2012.1080p.WEB-DL", False),
        ("Sintel.1080p.WEB-DL", False),
        ("Sintel.2.2010.1080p.WEB-DL", False),
        ("The.Durian.Film.2010.1080p.WEB-DL", True),
        ("Projekt.Durian.AKA.Sintel.2010.1080p.WEB-DL", True),
    ],
)
def test_without_ids_title_and_year_must_match(name: str, matches: bool) -> None:
    assert is_same(name, target=replace(SINTEL, alternative_titles=("The Durian Film",))) is matches


def test_a_movie_without_a_year_matches_any_year_and_none() -> None:
    target = replace(SINTEL, year=None)
    assert is_same("Sintel.1080p.WEB-DL", target=target)
    assert is_same("Sintel.1999.1080p.WEB-DL", target=target)


def test_ids_win_over_titles() -> None:
    assert is_same("Quite.Different.1999.1080p.WEB-DL", target=SINTEL_BY_ID, tmdb_id=45745)
    assert is_same("Quite.Different.1080p.WEB-DL", target=SINTEL_BY_ID, imdb_id="1727587")
    assert is_same("Quite.Different.[tt1727587].1080p.WEB-DL", target=SINTEL_BY_ID)
    assert match(target=SINTEL_BY_ID, tmdb_id=603) == Match(kind="other", text="its movie id is another movie's")
    assert not is_same(target=SINTEL_BY_ID, imdb_id="tt0133093")


@pytest.mark.parametrize("imdb_id", ["tt0000000", "tt", "", "none", "tt\u0661", None])
def test_ids_that_say_nothing_are_not_compared(imdb_id: str | None) -> None:
    assert is_same(target=SINTEL_BY_ID, tmdb_id=0, imdb_id=imdb_id)
    assert is_same(target=replace(SINTEL_BY_ID, tmdb_id=0, imdb_id=imdb_id), tmdb_id=603, imdb_id="tt0133093")


def test_an_id_of_any_length_is_compared() -> None:
    assert not is_same(target=SINTEL_BY_ID, imdb_id="9" * 10_000)


def test_a_movie_known_by_id_only_needs_an_id() -> None:
    target = replace(SINTEL_BY_ID, title=None, year=None)
    assert is_same(target=target, tmdb_id=45745)
    assert match(target=target).text == "the movie is known by id only, and the release has none"


def test_it_is_said_what_differs() -> None:
    assert match("Durian.2010.1080p.WEB-DL").text == 'its title is "Durian", not "Sintel"'
    assert match("Sintel.1999.1080p.WEB-DL").text == "it is of 1999, the movie of 2010"
    assert match("Sintel.1080p.WEB-DL").text == "it names no year, and the movie is of 2010"


SAME, OTHER, AMBIGUOUS = "same", "other", "ambiguous"


@pytest.mark.parametrize(
    ("name_year", "movie_year", "namesake_year", "kind"),
    [
        (2010, 2010, 2011, SAME),
        (2011, 2010, 2011, OTHER),
        (2011, 2010, 2012, AMBIGUOUS),
        (2010, 2010, 2010, AMBIGUOUS),
        (2011, 2010, 1982, SAME),
        (2010, 2010, None, SAME),
        (2011, 2010, None, AMBIGUOUS),
        (2010, None, 2010, OTHER),
        (2010, None, 2011, AMBIGUOUS),
        (2010, None, None, AMBIGUOUS),
        (2010, None, 1982, SAME),
        (None, None, 2010, AMBIGUOUS),
        (None, 2010, 1982, OTHER),
    ],
)
def test_of_two_movies_with_one_title_the_exact_year_wins_and_nothing_less(
    name_year: int | None, movie_year: int | None, namesake_year: int | None, kind: str
) -> None:
    target = replace(
        SINTEL, year=movie_year, namesakes=(Namesake(titles=("The Dragon", "Sintel"), year=namesake_year),)
    )
    name = "Sintel.1080p.WEB-DL" if name_year is None else f"Sintel.{name_year}.1080p.WEB-DL"
    assert match(name, target=target).kind == kind


def test_of_two_movies_with_one_title_and_year_the_id_decides() -> None:
    namesake = Namesake(titles=("Sintel",), year=2010, tmdb_id=7, imdb_id="tt0000007")
    by_id, by_title = replace(SINTEL_BY_ID, namesakes=(namesake,)), replace(SINTEL, namesakes=(namesake,))
    assert is_same(target=by_id, tmdb_id=45745)
    assert is_same(target=by_title, tmdb_id=45745)
    assert match(target=by_title, imdb_id="tt0000007").text == "its movie id is that of Sintel (2010)"
    assert match(target=by_title).text == "it could be Sintel (2010) or Sintel (2010)"


LONG = Target(movie_id=MovieId(1), title="The Big Buck Bunny", year=2008, profile=HD)


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("The.Big.Buck.Bunny.2009.1080p.WEB-DL", True),
        ("Big.Buck.Bunny.2008.1080p.WEB-DL", True),
        ("A.Big.Buck.Bunny.2008.1080p.WEB-DL", False),
        ("Big.Buck.Bunny.2009.1080p.WEB-DL", False),
        ("Big.Buck.2008.1080p.WEB-DL", False),
    ],
)
def test_the_first_article_of_a_long_title_may_differ_where_the_year_does_not(name: str, matches: bool) -> None:
    assert is_same(name, target=LONG) is matches


def test_of_two_long_titles_the_one_with_the_same_article_is_meant() -> None:
    bare = replace(LONG, title="Big Buck Bunny", namesakes=(Namesake(titles=("The Big Buck Bunny",), year=2008),))
    full = replace(LONG, namesakes=(Namesake(titles=("Big Buck Bunny",), year=2008),))
    assert is_same("Big.Buck.Bunny.2008.1080p.WEB-DL", target=bare)
    assert match("Big.Buck.Bunny.2008.1080p.WEB-DL", target=full).kind == "other"
    assert match("The.Big.Buck.Bunny.2008.1080p.WEB-DL", target=bare).kind == "other"
    assert is_same("The.Big.Buck.Bunny.2008.1080p.WEB-DL", target=full)
    later = replace(full, namesakes=(Namesake(titles=("Big Buck Bunny",), year=2009),))
    assert match("Big.Buck.Bunny.2008.1080p.WEB-DL", target=later).kind == "ambiguous"


def test_movies_with_other_titles_are_no_namesakes() -> None:
    target = replace(SINTEL, namesakes=(Namesake(titles=("Sintel 2",), year=2010), Namesake(titles=())))
    assert is_same(target=target)


def movie(title: str, year: int, *alternative_titles: str) -> Target:
    return Target(movie_id=MovieId(year), title=title, year=year, alternative_titles=alternative_titles, profile=HD)


MOVIES = [
    movie("The Thing", 1982),
    movie("The Thing", 2011),
    movie("The Thing from Another World", 1951),
    movie("Dune", 1984),
    movie("Dune", 2021, "Dune: Part One"),
    movie("Dune: Part Two", 2024),
    movie("Blade Runner", 1982),
    movie("Blade Runner 2049", 2017),
    movie("2001: A Space Odyssey", 1968),
    movie("2010", 1984, "2010: The Year We Make Contact"),
    movie("2012", 2009),
    movie("1917", 2019),
    movie("Nineteen Eighty-Four", 1984, "1984"),
    movie("Alien", 1979),
    movie("Aliens", 1986),
    movie("Alien³", 1992),
    movie("Mission: Impossible", 1996),
    movie("Mission: Impossible II", 2000),
    movie("Mission: Impossible - Fallout", 2018),
    movie("The Godfather", 1972),
    movie("The Godfather Part II", 1974),
    movie("Ring", 1998, "Ringu"),
    movie("The Ring", 2002),
    movie("Let the Right One In", 2008, "Låt den rätte komma in"),
    movie("Let Me In", 2010),
    movie("9", 2009),
    movie("Nine", 2009),
    movie("M", 1931),
    movie("X-Men", 2000),
    movie("X", 2022),
    movie("Fack ju Göhte", 2013, "Suck Me Shakespeer"),
    movie("Fack ju Göhte 2", 2015),
    movie("Spider-Man", 2002),
    movie("Spider-Man: Far from Home", 2019),
]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("The.Thing.1982.1080p.BluRay.x264-A", "The Thing (1982)"),
        ("The.Thing.2011.1080p.BluRay.x264-A", "The Thing (2011)"),
        ("The.Thing.from.Another.World.1951.720p.BluRay.x264-A", "The Thing from Another World (1951)"),
        ("Dune.2021.2160p.WEB-DL-A", "Dune (2021)"),
        ("Dune.Part.One.2021.2160p.WEB-DL-A", "Dune (2021)"),
        ("Dune.Part.2.2024.2160p.WEB-DL-A", "Dune: Part Two (2024)"),
        ("Dune.2160p.WEB-DL-A", None),
        ("Blade.Runner.2049.2017.1080p.BluRay-A", "Blade Runner 2049 (2017)"),
        ("2001.A.Space.Odyssey.1968.1080p.BluRay-A", "2001: A Space Odyssey (1968)"),
        ("2010.1984.1080p.BluRay-A", "2010 (1984)"),
        ("2010.The.Year.We.Make.Contact.1984.1080p.BluRay-A", "2010 (1984)"),
        ("2012.2009.1080p.BluRay-A", "2012 (2009)"),
        ("1917.2019.1080p.BluRay-A", "1917 (2019)"),
        ("1984.1984.1080p.BluRay-A", "Nineteen Eighty-Four (1984)"),
        ("Alien.3.1992.1080p.BluRay-A", "Alien³ (1992)"),
        ("Aliens.1986.1080p.BluRay-A", "Aliens (1986)"),
        ("Mission.Impossible.2.2000.1080p.BluRay-A", "Mission: Impossible II (2000)"),
        ("Mission.Impossible.Fallout.2018.1080p.BluRay-A", "Mission: Impossible - Fallout (2018)"),
        ("The.Godfather.Part.2.1974.1080p.BluRay-A", "The Godfather Part II (1974)"),
        ("Ringu.1998.1080p.BluRay-A", "Ring (1998)"),
        ("The.Ring.2002.1080p.BluRay-A", "The Ring (2002)"),
        ("Ring.2002.1080p.BluRay-A", None),
        ("Lat.den.ratte.komma.in.2008.1080p.BluRay-A", "Let the Right One In (2008)"),
        ("9.2009.1080p.BluRay-A", "9 (2009)"),
        ("Nine.2009.1080p.BluRay-A", "Nine (2009)"),
        ("M.1931.1080p.BluRay-A", "M (1931)"),
        ("XMen.2000.1080p.BluRay-A", "X-Men (2000)"),
        ("X.2022.1080p.WEB-DL-A", "X (2022)"),
        ("Fack.Ju.Goehte.2013.1080p.BluRay-A", "Fack ju Göhte (2013)"),
        ("Fack.Ju.Gohte.2.2015.1080p.BluRay-A", "Fack ju Göhte 2 (2015)"),
        ("Spiderman.2002.1080p.BluRay-A", "Spider-Man (2002)"),
    ],
)
def test_a_release_finds_its_movie_and_no_other(name: str, found: str | None) -> None:
    matched = [str(target) for target in MOVIES if is_same(name, target=target)]
    assert matched == ([] if found is None else [found])
