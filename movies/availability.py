"""Availability: from which day on releases of a movie can be more than a fake or a camera in a cinema."""

from datetime import date, timedelta
from enum import StrEnum

CINEMA_WINDOW = timedelta(days=90)
"""A movie without a release date is taken as released this long after it came to cinemas."""


class Availability(StrEnum):
    """How far a movie must have come before it is taken."""

    ANNOUNCED = "announced"
    IN_CINEMAS = "in_cinemas"
    RELEASED = "released"


def available_on(
    minimum: Availability,
    *,
    in_cinemas_on: date | None = None,
    physical_on: date | None = None,
    digital_on: date | None = None,
    year: int | None = None,
) -> date | None:
    """Return the first day on which a movie is as available as asked; `None`: it always was, or nobody knows.

    Released is the earlier of disc (`physical_on`) and stream (`digital_on`), else 90 days after the cinema. A movie
    with none of the dates counts as in cinemas from the first day of its year.
    """
    if minimum is Availability.ANNOUNCED:
        return None
    out_on = min((day for day in (physical_on, digital_on) if day is not None), default=None)
    cinema_on = in_cinemas_on
    if cinema_on is None and out_on is None and year is not None:
        cinema_on = date(min(max(year, date.min.year), date.max.year), 1, 1)
    if minimum is Availability.IN_CINEMAS:
        return cinema_on or out_on
    return out_on or (cinema_on and min(cinema_on, date.max - CINEMA_WINDOW) + CINEMA_WINDOW)
