import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.errors import BadPattern
from movies.naming import movie_file, movie_folder, quality_full, render, safe_component
from movies.quality import QUALITIES, Revision

SINTEL: dict[str, str | int | None] = {
    "Movie Title": "Sintel",
    "Release Year": 2010,
    "Quality Full": "Bluray-1080p Proper",
    "TmdbId": 45745,
    "ImdbId": "tt1727587",
    "Release Group": "Durian",
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{Movie Title} ({Release Year})", "Sintel (2010)"),
        ("{Movie Title} {[Quality Full]}{-Release Group}", "Sintel [Bluray-1080p Proper]-Durian"),
        ("{Movie Title} {Edition Tags} {Release Year}", "Sintel 2010"),
        ("{Movie Title}{ - Edition Tags}", "Sintel"),
        ("{movie.title}.{release.year}.{quality.full}", "sintel.2010.bluray-1080p.proper"),
        ("{MOVIE TITLE}", "SINTEL"),
        ("{Movie Title} {tmdb-{TmdbId}}", "Sintel {tmdb-45745}"),
        ("{Movie Title} {edition-{Edition Tags}}", "Sintel"),
        ("{Movie Title} [{Edition Tags}] ({ImdbId})", "Sintel (tt1727587)"),
    ],
)
def test_a_pattern_is_filled(pattern: str, expected: str) -> None:
    assert render(pattern, SINTEL) == expected


def test_a_movie_without_a_year_leaves_no_empty_parentheses() -> None:
    assert movie_folder("{Movie Title} ({Release Year})", {"Movie Title": "Sintel"}) == "Sintel"


def test_an_unknown_token_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadPattern, match='did you mean "Movie Title"'):
        render("{Movie Titel}", SINTEL)


@pytest.mark.parametrize("pattern", ["{}", "{Movie Title:30}", "{Movie Title 2}"])
def test_what_is_no_token_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        render(pattern, SINTEL)


def test_the_full_quality_tells_the_revision() -> None:
    bluray = QUALITIES["Bluray-1080p"]
    assert quality_full(bluray, Revision()) == "Bluray-1080p"
    assert quality_full(bluray, Revision(version=2)) == "Bluray-1080p Proper"
    assert quality_full(bluray, Revision(version=2, real=1)) == "Bluray-1080p Proper REAL"


def test_a_title_cannot_leave_its_folder() -> None:
    assert movie_folder("{Movie Title}", {"Movie Title": "../../etc/passwd"}) == "+..+etc+passwd"


def test_a_folder_pattern_may_have_levels() -> None:
    assert movie_folder("{Release Year}/{Movie Title}", SINTEL) == "2010/Sintel"


def test_a_file_keeps_its_extension() -> None:
    assert movie_file("{Movie Title} {Quality Full}", SINTEL, extension=".MKV") == "Sintel Bluray-1080p Proper.mkv"
    long = movie_file("{Movie Title}", {"Movie Title": "é" * 300}, extension=".mkv")
    assert long.endswith("é.mkv")
    assert len(long.encode()) in (254, 255)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Mission: Impossible", "Mission - Impossible"),
        ("Movie:Name", "Movie-Name"),
        ("Face/Off", "Face+Off"),
        ('Who? "Me" <*> a|b', "Who! Me - ab"),
        ("Movie...", "Movie"),
        ("Movie. ", "Movie"),
        ("CON", "CON_"),
        ("con.mkv", "con_.mkv"),
        ("Lpt1 (2010)", "Lpt1 (2010)"),
        ("Concert", "Concert"),
        ("", "_"),
        (".", "_"),
        ("..", "_"),
        (" . ", "_"),
        ("a\x00b\u202ec\u200bd", "abcd"),
        ("Ame\u0301lie", "Am\u00e9lie"),
        (".45 (2006)", "45 (2006)"),
        ("tab\tand\nline", "tab and line"),
    ],
)
def test_a_name_is_made_safe(name: str, expected: str) -> None:
    assert safe_component(name) == expected


def test_a_cut_leaves_no_dot_before_the_extension() -> None:
    assert safe_component("a" * 250 + "." + "b" * 9 + " c.mkv") == "a" * 250 + ".mkv"


@given(st.text(max_size=400))
def test_a_safe_name_is_safe_everywhere_and_stays_as_it_is(name: str) -> None:
    safe = safe_component(name)
    assert 1 <= len(safe.encode()) <= 255
    assert not set('/\\:*?"<>|\0') & set(safe)
    assert safe not in (".", "..")
    assert safe == safe.strip(" ").rstrip(".")
    assert safe_component(safe) == safe
