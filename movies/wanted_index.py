"""The wanted index: which of very many movies a release may be, found without asking each.

Movies stand under their ids, and under every title key with their year, so that a look-up costs the same whatever the
number of movies, and titles that many movies share do not add up.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from movies.match import imdb_digits
from movies.movie import MovieId
from movies.offer import Offer
from movies.release import ParsedRelease, Unparsable
from movies.target import Target, keys_of

Key: TypeAlias = tuple[str, int | str | None, int | None]


class WantedIndex:
    """Not for several threads at once."""

    def __init__(self, targets: Iterable[Target] = ()) -> None:
        self._targets: dict[MovieId, Target] = {}
        self._ids: dict[Key, tuple[MovieId, ...]] = {}
        for target in targets:
            self.add(target)

    def __len__(self) -> int:
        return len(self._targets)

    def __iter__(self) -> Iterator[Target]:
        return iter(self._targets.values())

    def add(self, target: Target) -> None:
        """Add a movie, or put it in the place of what was known of it."""
        self.remove(target.movie_id)
        self._targets[target.movie_id] = target
        for key in _keys_of_movie(target):
            self._ids[key] = (*self._ids.get(key, ()), target.movie_id)

    def remove(self, movie_id: MovieId) -> None:
        """Forget a movie; one that is not there makes no difference."""
        target = self._targets.pop(movie_id, None)
        if target is None:
            return
        for key in _keys_of_movie(target):
            others = tuple(other for other in self._ids.pop(key) if other != movie_id)
            if others:
                self._ids[key] = others

    def candidates(self, offer: Offer, parsed: ParsedRelease | Unparsable) -> list[Target]:
        """Return the movies that an offer may be, by id; every one that `match_movie` accepts is among them."""
        found: set[MovieId] = set()
        for key in _keys_of_release(offer, parsed):
            found.update(self._ids.get(key, ()))
        return [self._targets[movie_id] for movie_id in sorted(found)]


def _keys_of_movie(target: Target) -> Iterator[Key]:
    if target.tmdb_id:
        yield "tmdb", target.tmdb_id, None
    if number := imdb_digits(target.imdb_id):
        yield "imdb", number, None
    for key in target.keys:
        yield "title", key, target.year


def _keys_of_release(offer: Offer, parsed: ParsedRelease | Unparsable) -> Iterator[Key]:
    release = parsed if isinstance(parsed, ParsedRelease) else None
    if tmdb_id := offer.tmdb_id or (release and release.tmdb_id):
        yield "tmdb", tmdb_id, None
    if number := imdb_digits(offer.imdb_id) or (release and imdb_digits(release.imdb_id)):
        yield "imdb", number, None
    if release is None:
        return
    year = release.year
    years = (None,) if year is None else (year, year - 1, year + 1, None)
    for key in keys_of(release.titles):
        for near in years:
            yield "title", key, near
