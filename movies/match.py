"""Matching: whether a release is of this movie, of another one, or could be of two.

Ids decide before titles; without them a title must be the same, and the year within one. The wrong film is worse than
none, so a release that could be two known movies is neither.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from movies.offer import Offer
from movies.release import ParsedRelease
from movies.target import Namesake, Target
from movies.title import exact_keys, title_keys


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """Whether a release is of the movie; `text` says why not."""

    kind: Literal["same", "other", "ambiguous"]
    text: str = ""


class Identified(Protocol):
    """Whatever has movie ids."""

    @property
    def tmdb_id(self) -> int | None: ...
    @property
    def imdb_id(self) -> str | None: ...


SAME = Match(kind="same")


def match_movie(offer: Offer, release: ParsedRelease, target: Target) -> Match:
    """Compare a release with a movie and its namesakes.

    A title without its first article counts where the year is the same. Where several movies have the title, the exact
    year beats a neighbouring and an unknown one; anything less certain is ambiguous.
    """
    is_same = has_same_id(offer, release, target)
    if is_same is not None:
        return SAME if is_same else Match(kind="other", text="its movie id is another movie's")
    for namesake in target.namesakes:
        if has_same_id(offer, release, namesake):
            return Match(kind="other", text=f"its movie id is that of {namesake}")
    if not target.keys:
        return Match(kind="other", text="the movie is known by id only, and the release has none")
    if not _likeness(release, target):
        return Match(kind="other", text=f'its title is "{release.title}", not "{target.titles[0]}"')
    if target.year is not None and release.year is None:
        return Match(kind="other", text=f"it names no year, and the movie is of {target.year}")
    if not is_near(release.year, target.year):
        return Match(kind="other", text=f"it is of {release.year}, the movie of {target.year}")
    if release.year != target.year and not any(_is_exact(title, target) for title in release.titles):
        text = f'its title is "{release.title}", not quite "{target.titles[0]}", and its year differs'
        return Match(kind="other", text=text)
    return _among_namesakes(offer, release, target)


def _among_namesakes(offer: Offer, release: ParsedRelease, target: Target) -> Match:
    """A namesake that knows more of the release's titles ("A AKA B"), or has its exact year, is the likelier movie."""
    for namesake in target.namesakes:
        theirs = _likeness(release, namesake)
        if not theirs or not is_near(release.year, namesake.year) or has_same_id(offer, release, namesake) is False:
            continue
        by_titles = _likeness(release, target) - theirs
        by_year = (release.year == target.year) - (release.year == namesake.year) if release.year else 0
        speaks_for_target = {difference > 0 for difference in (by_titles, by_year) if difference}
        if speaks_for_target == {False}:
            return Match(kind="other", text=f"it is {namesake}, another known movie")
        if speaks_for_target != {True}:
            return Match(kind="ambiguous", text=f"it could be {target} or {namesake}")
    return SAME


def _likeness(release: ParsedRelease, movie: Target | Namesake) -> int:
    """Count the release's titles that the movie has, and those twice that it has with the same article."""
    return sum(_is_alike(title, movie) + _is_exact(title, movie) for title in release.titles)


def _is_alike(title: str, movie: Target | Namesake) -> bool:
    """One of the two may lack its first article; "A Place" and "The Place" are two."""
    return not (exact_keys(title).isdisjoint(movie.keys) and title_keys(title).isdisjoint(movie.exact_keys))


def _is_exact(title: str, movie: Target | Namesake) -> bool:
    return not exact_keys(title).isdisjoint(movie.exact_keys)


def is_near(year: int | None, other: int | None) -> bool:
    """Say whether two years may be one movie's: at most one apart, or not known."""
    return year is None or other is None or abs(year - other) <= 1


def has_same_id(offer: Offer, release: ParsedRelease, movie: Identified) -> bool | None:
    """Compare movie ids; `None` when the two sides know no id of the same kind. TMDB's decides before IMDb's."""
    if movie.tmdb_id:
        tmdb_id = offer.tmdb_id or release.tmdb_id
        if tmdb_id:
            return tmdb_id == movie.tmdb_id
    if movie.imdb_id:
        imdb_number = imdb_digits(offer.imdb_id) or imdb_digits(release.imdb_id)
        wanted_number = imdb_digits(movie.imdb_id)
        if imdb_number and wanted_number:
            return imdb_number == wanted_number
    return None


def imdb_digits(imdb_id: str | None) -> str:
    """Return the significant digits of "tt0133093", empty where there are none."""
    digits = (imdb_id or "").removeprefix("tt").lstrip("0")
    return digits if digits.isascii() and digits.isdecimal() else ""
