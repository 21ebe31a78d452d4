import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.errors import BadWanted
from movies.movie import DownloadState, MovieState, parse_wanted


@pytest.mark.parametrize(
    ("line", "title", "year"),
    [
        ("Sintel (2010)", "Sintel", 2010),
        ("  Big Buck Bunny(2008) ", "Big Buck Bunny", 2008),
        ("Sintel", "Sintel", None),
        ("2012 (2009)", "2012", 2009),
        ("Blade Runner 2049", "Blade Runner 2049", None),
        ("Movie (Extended) (1999)", "Movie (Extended)", 1999),
    ],
)
def test_a_wanted_line_has_a_title_and_perhaps_a_year(line: str, title: str, year: int | None) -> None:
    assert parse_wanted(line) == (title, year)


@pytest.mark.parametrize("line", ["", "   ", "()", "?? (2010)"])
def test_a_line_without_a_title_is_refused(line: str) -> None:
    with pytest.raises(BadWanted, match="names no movie"):
        parse_wanted(line)


@given(st.from_regex(r"[A-Za-z][A-Za-z ]{0,20}[A-Za-z]", fullmatch=True), st.integers(1000, 9999))
def test_title_and_year_make_the_round_trip(title: str, year: int) -> None:
    assert parse_wanted(f"{title} ({year})") == (title, year)


def test_states_are_written_as_they_are_named() -> None:
    assert all(state.value == state.name.lower() for state in (*MovieState, *DownloadState))
