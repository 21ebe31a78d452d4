"""Rules about the movie: is it the right one, and may anything be taken for it."""

from movies.availability import available_on
from movies.case import Case


def movie_does_not_match(case: Case) -> str | None:
    return case.match.text if case.match.kind == "other" else None


def ambiguous_movie(case: Case) -> str | None:
    return case.match.text if case.match.kind == "ambiguous" else None


def not_monitored(case: Case) -> str | None:
    return None if case.target.monitored else "the movie is not monitored"


def not_available(case: Case) -> str | None:
    target = case.target
    day = available_on(
        target.minimum_availability,
        in_cinemas_on=target.in_cinemas_on,
        physical_on=target.physical_on,
        digital_on=target.digital_on,
        year=target.year,
    )
    if day is None or day <= case.moment.now.date():
        return None
    return f"the movie is not {target.minimum_availability.replace('_', ' ')} before {day}"


def tags(case: Case) -> str | None:
    """An indexer with tags serves only the movies that have one of them."""
    wanted = case.policy.terms_of(case.offer.indexer).tags
    if not wanted or wanted & case.target.tags:
        return None
    return f"{case.offer.indexer} is for movies tagged {', '.join(sorted(wanted))}"
