"""Pairs of movies that are easily taken for each other, releases of both, and how many find the right one.

Every pair of a seed is made of titles nobody else has, so all movies of all pairs can be wanted at once. A release is
named as groups name them: small words dropped, numerals of either kind, accents spelled out or dropped, one of several
titles, now and then a neighbouring year or a movie id. What no name can tell (a title and a year that two movies share)
is asked for, too: such a release must be refused.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from movies.case import Moment
from movies.decision import decide
from movies.movie import MovieId
from movies.offer import Offer
from movies.profile import BUILTIN_PROFILES
from movies.release import parse_release
from movies.target import Namesake, Target
from movies.verdict import Reason
from movies.wanted_index import WantedIndex
from tests.movies.judging import NOW


def words_of(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = words_of(
    "amber arctic bitter blind broken burning copper crimson distant electric empty endless fallen foreign frozen"
    " gentle golden hidden hollow holy iron ivory lonely lost lucky marble midnight naked northern pale paper phantom"
    " private quiet rusty sacred savage scarlet secret seventh silent silver sleeping stolen strange twisted velvet"
    " wild winter wooden Älteste Höhere Süße Kærlige Première Última"
)
SECOND = words_of(
    "affair anchor angel archive avenue balloon bandit bride bridge candle captain carnival castle cathedral"
    " circus colony comet compass corridor cousin crown diary empire engine falcon feather fever fortune garden ghost"
    " harbour harvest horizon hunter island jungle kingdom lantern legacy letter lighthouse machine mirror monument"
    " mountain neighbour orchard orphan painter palace passenger pilgrim pirate planet prisoner prophet puzzle raven"
    " river sailor sanctuary season shadow shepherd sister soldier station storm stranger summer tailor temple thief"
    " thunder tiger tower valley village voyage warden weather widow window wolf Mädchen Brücke Fräulein Garçon Señora"
)
SUBTITLES = ("Homecoming", "The Reckoning", "Afterlife", "Dawn of Ashes", "No Way Back", "Origins", "The Long Road")
WORDS = ("Uncut", "Web", "German", "Internal", "Complete", "Limited", "Proper", "Unrated", "Redux", "Disc", "Cam", "HD")
SMALL = ("of the", "and the", "in the", "of", "without", "&")
ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
TECHNICAL = (
    "1080p.BluRay.x264-{}",
    "2160p.WEB-DL.DDP5.1.HEVC-{}",
    "720p.HDTV.x264-{}",
    "1080p.WEBRip.AAC5.1.H.264-{}",
    "BDRip.XviD-{}",
    "German.DL.1080p.BluRay.x264-{}",
    "PROPER.1080p.BluRay.DTS.x264-{}",
    "REMUX.1080p.BluRay.AVC.DTS-HD.MA.5.1-{}",
)
GROUPS = ("SPARKLE", "NTV", "FoRMAT", "d3vil", "KiNG", "AMB3R", "TIMELESS")


@dataclass(frozen=True, kw_only=True)
class Film:
    """A movie as the world knows it."""

    title: str
    year: int
    akas: tuple[str, ...] = ()
    tmdb_id: int = 0


@dataclass(frozen=True, kw_only=True)
class Release:
    """A name, the movie that it is of, and whether the name must suffice to tell it from the other."""

    name: str
    film: Film
    tmdb_id: int | None
    is_telling: bool


@dataclass
class Figures:
    """What became of the releases: `right` found their movie, `wrong` another one, `missed` none.

    `refused` were names that either movie could have, and neither took; `examples` went wrong or missing.
    """

    pairs: int = 0
    right: int = 0
    wrong: int = 0
    missed: int = 0
    refused: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def missed_ratio(self) -> float:
        return self.missed / max(self.right + self.missed, 1)


Pair = tuple[Film, Film]


def remake(random: Random, title: str, year: int) -> Pair:
    return Film(title=title, year=year), Film(title=title, year=year - random.choice((3, 7, 20, 31)))


def remake_nearby(random: Random, title: str, year: int) -> Pair:
    return Film(title=title, year=year), Film(title=title, year=year + random.choice((0, 1, 2)))


def sequel(random: Random, title: str, year: int) -> Pair:
    number = random.randint(2, 8)
    first = title if random.random() < 0.5 else _numbered(random, title, number)
    return Film(title=first, year=year), Film(title=_numbered(random, title, number + 1), year=_near(random, year))


def subtitle(random: Random, title: str, year: int) -> Pair:
    one, other = random.sample(SUBTITLES, 2)
    first = title if random.random() < 0.5 else _joined(random, title, one)
    return Film(title=first, year=year), Film(title=_joined(random, title, other), year=_near(random, year))


def number(random: Random, title: str, year: int) -> Pair:
    """Numbers that could be a year, or belong to the title's other end."""
    digits = str(random.choice((*range(3, 99), *range(1900, 2060), 3000)))
    other = f"{title} {digits}" if random.random() < 0.7 else f"{digits} {title}"
    named = int(digits) if digits.isdigit() and 1900 <= int(digits) <= 2024 else year
    return Film(title=title, year=random.choice((year, named))), Film(title=other, year=_near(random, year))


def article(random: Random, title: str, year: int) -> Pair:
    one, other = random.sample((title, f"The {title}", f"A {title}", f"{title}s"), 2)
    return Film(title=one, year=year), Film(title=other, year=_near(random, year))


def alias(random: Random, title: str, year: int) -> Pair:
    """One's alternative title is the other's title."""
    own = f"{random.choice(SECOND).title()} Nights {random.randint(100, 999)} {title}"
    return Film(title=own, year=year, akas=(title,)), Film(title=title, year=year + random.choice((0, 1, 2, 5, 12)))


def one_word_more(random: Random, title: str, year: int) -> Pair:
    word = random.choice(SECOND).title()
    other = f"{title} {word}" if random.random() < 0.5 else f"{word} {title}"
    return Film(title=title, year=year), Film(title=other, year=_near(random, year))


def technical_word(random: Random, title: str, year: int) -> Pair:
    """One's title has a word that release names also use otherwise."""
    other = f"{title} {random.choice(WORDS)}"
    return Film(title=title, year=year), Film(title=other, year=_near(random, year))


KINDS: tuple[Callable[[Random, str, int], Pair], ...] = (
    remake,
    remake_nearby,
    sequel,
    subtitle,
    number,
    article,
    alias,
    one_word_more,
    technical_word,
)


def pairs(count: int, *, seed: int = 1) -> Iterator[tuple[str, Pair]]:
    """Make pairs with the names of their kinds; no two pairs share a title."""
    random, used = Random(seed), set[str]()
    for place in range(count):
        title = _title(random)
        while _ascii(title).casefold() in used:
            title = _title(random)
        used.add(_ascii(title).casefold())
        kind = KINDS[place % len(KINDS)]
        one, other = kind(random, title, random.randint(1930, 2020))
        ids = 2 * place + 1
        aka = f"{random.choice(SECOND).title()} {ids} {random.choice(FIRST).title()}"
        one = replace(one, tmdb_id=ids, akas=(*one.akas, aka) if random.random() < 0.3 else one.akas)
        yield kind.__name__, (one, replace(other, tmdb_id=ids + 1))


def release_of(random: Random, film: Film, *, other: Film) -> Release:
    """Name a release as a group would; `other` is the movie that it could be taken for."""
    is_long = film.title.count(" ") > 1 and _plain(_bare(film.title)) not in (_plain(film.title), _plain(other.title))
    if is_long and random.random() < 0.1:
        return _without_article(random, film, other)
    titles: tuple[str, ...] = (film.title,)
    if film.akas and random.random() < 0.5:
        aka = random.choice(film.akas)
        titles = random.choice(((aka,), (aka, film.title)))
    shared = sum(_could_be(title, other) for title in titles)
    year = film.year + (random.choice((-1, 1)) if random.random() < 0.05 else 0)
    if shared and year == other.year:
        year = film.year
    is_telling = shared < len(titles) or abs(year - other.year) > 1 or year == film.year != other.year
    tmdb_id = film.tmdb_id if random.random() < 0.1 else None
    written = " AKA ".join(_spelled(random, title) for title in titles)
    return Release(
        name=_named(random, written, year), film=film, tmdb_id=tmdb_id, is_telling=is_telling or tmdb_id is not None
    )


def _without_article(random: Random, film: Film, other: Film) -> Release:
    """Groups leave out the first article of a long title."""
    name = _named(random, _spelled(random, _bare(film.title)), film.year)
    is_telling = _plain(_bare(film.title)) != _plain(_bare(other.title))
    return Release(name=name, film=film, tmdb_id=None, is_telling=is_telling)


def _named(random: Random, title: str, year: int) -> str:
    name = f"{title} {year} {random.choice(TECHNICAL).format(random.choice(GROUPS))}"
    separator = random.choice((".", ".", ".", " ", "_"))
    return separator.join(part for part in name.replace(".", " ").split(" ") if part)


def measure(count: int, *, seed: int = 1) -> Figures:
    """Want both movies of every pair at once, offer releases of both, and count who takes them."""
    made = list(pairs(count, seed=seed))
    wanted = {film: target for _, (one, other) in made for film, target in _targets(one, other)}
    index, random, figures = WantedIndex(wanted.values()), Random(seed), Figures(pairs=count)
    for kind, (one, other) in made:
        for film, rival in ((one, other), (other, one)):
            _judge(release_of(random, film, other=rival), wanted[film], index, kind, figures)
    return figures


def _judge(release: Release, own: Target, index: WantedIndex, kind: str, figures: Figures) -> None:
    offer = Offer(indexer="open", guid=release.name, title=release.name, tmdb_id=release.tmdb_id)
    parsed, moment = parse_release(release.name), Moment(now=NOW)
    takers: list[Target] = []
    for target in {target.movie_id: target for target in (own, *index.candidates(offer, parsed))}.values():
        found = {rejection.reason for rejection in decide(offer, parsed, target, moment=moment).rejections}
        if not found & {Reason.MOVIE_DOES_NOT_MATCH, Reason.AMBIGUOUS_MOVIE, Reason.UNPARSABLE}:
            takers.append(target)
    if not takers and not release.is_telling:
        figures.refused += 1
        return
    if takers == [own]:
        figures.right += 1
        return
    if takers:
        figures.wrong += 1
    else:
        figures.missed += 1
    figures.by_kind[kind] += 1
    figures.examples.append(f"{release.name} ({kind}) is of {own}, taken for {', '.join(map(str, takers)) or 'none'}")


def _targets(one: Film, other: Film) -> Iterator[tuple[Film, Target]]:
    for film, rival in ((one, other), (other, one)):
        namesake = Namesake(titles=(rival.title, *rival.akas), year=rival.year, tmdb_id=rival.tmdb_id)
        yield (
            film,
            Target(
                movie_id=MovieId(film.tmdb_id),
                title=film.title,
                alternative_titles=film.akas,
                year=film.year,
                tmdb_id=film.tmdb_id,
                profile=BUILTIN_PROFILES["any"],
                namesakes=(namesake,),
            ),
        )


def _title(random: Random) -> str:
    first, second = random.choice(FIRST), random.choice(SECOND)
    title = f"{first} {second}"
    if random.random() < 0.5:
        title += f" {random.choice(SMALL)} {random.choice(SECOND)}"
    if random.random() < 0.1:
        title = f"{random.choice(SECOND)}'s {title}"
    words = title.split()
    return " ".join(w if w in ("of", "the", "and", "in") else w[:1].upper() + w[1:] for w in words)


def _numbered(random: Random, title: str, number: int) -> str:
    numeral = random.choice((str(number), ROMAN[number]))
    return f"{title} {random.choice(('', '', 'Part ', 'Chapter '))}{numeral}"


def _joined(random: Random, title: str, rest: str) -> str:
    return f"{title}{random.choice((': ', ' - '))}{rest}"


def _near(random: Random, year: int) -> int:
    return year + random.choice((0, 0, 1, 2, 5))


def _spelled(random: Random, title: str) -> str:
    """Write a title as a group would."""
    text = unicodedata.normalize("NFC", title)
    if random.random() < 0.5:
        text = _ascii(text) if random.random() < 0.6 else _ascii(text.translate(_UMLAUTS))
    text = text.replace("'", random.choice(("", "'")))
    if "&" in text:
        text = text.replace("&", random.choice(("&", "and", "")))
    for character in ":-,":
        text = text.replace(character, " ")
    words: list[str] = text.split()
    return " ".join(_word(random, words, place) for place in range(len(words)))


def _word(random: Random, words: Sequence[str], place: int) -> str:
    word = words[place]
    is_inner = 0 < place < len(words) - 1
    if is_inner and word in ("of", "the", "and") and random.random() < 0.05:
        return ""
    if place and word in ROMAN and random.random() < 0.3:
        return str(ROMAN.index(word))
    if place and word.isdigit() and int(word) < len(ROMAN) and random.random() < 0.3:
        return ROMAN[int(word)]
    return word


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o"})


def _ascii(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _could_be(title: str, film: Film) -> bool:
    """Whether a title is also one of another film's, or reads as an edition of it."""
    first, _, last = title.rpartition(" ")
    read_as = {_plain(title), _plain(first)} if last in WORDS else {_plain(title)}
    return any(_plain(theirs) in read_as for theirs in (film.title, *film.akas))


def _bare(title: str) -> str:
    return title.removeprefix("The ").removeprefix("A ")


def _plain(title: str) -> str:
    return "".join(c for c in _ascii(title).casefold() if c.isalnum())
