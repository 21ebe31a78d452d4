from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.availability import Availability, available_on

CINEMA, DISC, STREAM = date(2026, 1, 10), date(2026, 5, 20), date(2026, 4, 1)


@pytest.mark.parametrize(
    ("minimum", "dates", "day"),
    [
        ("announced", {"in_cinemas_on": CINEMA}, None),
        ("in_cinemas", {"in_cinemas_on": CINEMA, "digital_on": STREAM}, CINEMA),
        ("in_cinemas", {"digital_on": STREAM}, STREAM),
        ("released", {"physical_on": DISC, "digital_on": STREAM}, STREAM),
        ("released", {"physical_on": DISC, "in_cinemas_on": CINEMA}, DISC),
        ("released", {"in_cinemas_on": CINEMA}, date(2026, 4, 10)),
        ("released", {"year": 2026}, date(2026, 4, 1)),
        ("in_cinemas", {"year": 2026}, date(2026, 1, 1)),
        ("in_cinemas", {"digital_on": STREAM, "year": 2020}, STREAM),
        ("released", {}, None),
        ("released", {"in_cinemas_on": date.max}, date.max),
        ("in_cinemas", {"year": 0}, date.min),
        ("in_cinemas", {"year": 10_000}, date(9999, 1, 1)),
    ],
)
def test_released_is_the_earlier_of_disc_and_stream_else_ninety_days_after_the_cinema(
    minimum: str, dates: dict[str, date], day: date | None
) -> None:
    assert available_on(Availability(minimum), **dates) == day  # type: ignore[arg-type]


@given(st.sampled_from(Availability), st.none() | st.integers())
def test_any_year_has_an_answer(minimum: Availability, year: int | None) -> None:
    day = available_on(minimum, year=year)
    assert (day is None) is (year is None or minimum is Availability.ANNOUNCED)
