"""Where a release name's title ends and its technical part begins.

The title ends before the year, or before the first token that is no word of any language. Words that are also tokens
("Web", "German", "Extended") count only after that point, or directly before it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from movies.tokens import Kind, Token


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The parts of a name: the title is [title_start, title_end), `tail` are the tokens that count.

    `widest_title_end` is after the words before the year that were taken for tokens and may belong to the title.
    """

    title_start: int
    title_end: int
    widest_title_end: int
    year: int | None
    tail: tuple[Token, ...]


# What may stand between a title and its year ("My Movie Extended 2012", "My Movie German 2012"), and what may stand
# between a title and the first technical word when there is no year.
_BEFORE_YEAR = frozenset({Kind.EDITION, Kind.LANGUAGE, Kind.SEVERAL_LANGUAGES})
_BEFORE_TECHNICAL = _BEFORE_YEAR | {Kind.REVISION, Kind.SOURCE, Kind.HARDCODED_SUBS, Kind.LANGUAGE_CODE}

_LEADING_BRACKET = re.compile(r"\s*\[[^\[\]]{1,60}\][ -]*")
_ONLY_GAPS = re.compile(r"[ \-()\[\]{},+]*")
_WORD = re.compile(r"\w+")
_ARTICLES = frozenset({"the", "a", "an"})
_ACRONYM = re.compile(r"(?<!\w)(?:[^\W\d_]\.){2,10}(?!\w\w)")
_AKA = re.compile(r"[ (]a\.?k\.?a\.? ", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def lay_out(flat: str, tokens: Sequence[Token]) -> Layout:
    """Find the title, the year and the tokens that count in a flattened name."""
    bracket = _LEADING_BRACKET.match(flat)
    start = bracket.end() if bracket and _has_word(flat[bracket.end() :]) else 0
    for token in tokens:  # "BD25.Some.Film.1994"
        if token.is_strong and token.end > start and not _has_word(flat[start : token.start]):
            start = token.end
    strong_start = next((t.start for t in tokens if t.is_strong and t.start > start), len(flat))
    years = [t for t in tokens if t.kind is Kind.YEAR and t.end > start]
    leading = [t for t in years if not _has_word(flat[start : t.start]) and flat[t.end : t.end + 1] in (")", "]")]
    if leading and _has_word(flat[leading[0].end :]):  # "(1995) Movie Name"
        year: Token | None = leading[0]
        start = leading[0].end + 1
        before_year = False
    else:
        year = _choose_year(flat, start, [t for t in years if t.start < strong_start], tokens)
        before_year = year is not None
        year = year or next((t for t in years if t.start > strong_start), None)
    widest_end = min(strong_start, _next_bracket(flat, start))
    if year is not None and before_year:
        widest_end = min(widest_end, year.start)
    end = _walk_back(flat, start, widest_end, tokens, _BEFORE_YEAR if before_year else _BEFORE_TECHNICAL)
    return Layout(
        title_start=start,
        title_end=end,
        widest_title_end=widest_end if before_year else end,
        year=int(year.value) if year else None,
        tail=tuple(t for t in tokens if (t.start >= end or t.is_strong) and t is not year),
    )


def titles_of(text: str, layout: Layout) -> tuple[str, ...]:
    """Return the titles a name may stand for, the likeliest first; empty when nothing is left for a title."""
    title = _spoken(text[layout.title_start : layout.title_end])
    widest = _spoken(text[layout.title_start : layout.widest_title_end])
    names = [name.strip(" ()") for name in _AKA.split(title)] if _AKA.search(title) else [title]
    return tuple(dict.fromkeys(name for name in (*names, widest) if _has_word(name) and not _AKA.search(name)))


def is_series(tokens: Sequence[Token]) -> bool:
    """Say whether a name is an episode's or a season's; "Open Season 2 (2008)" is a movie, so a later year excuses."""
    last_year = max((t.start for t in tokens if t.kind is Kind.YEAR), default=-1)
    first_technical = min((t.start for t in tokens if t.is_strong), default=len(tokens) and tokens[-1].end)
    return any(
        token.kind is Kind.EPISODE or (token.kind is Kind.SEASON and last_year < token.start < first_technical)
        for token in tokens
    )


def _choose_year(flat: str, start: int, years: Sequence[Token], tokens: Sequence[Token]) -> Token | None:
    """Return the year of release among years before the technical part.

    One in brackets wins. Otherwise the last ("Death Race 2000 1975"), unless only tokens stand between it and an
    earlier one ("Movie 1982 Final Cut 2007").
    """
    years = [year for year in years if _has_word(flat[start : year.start])]
    in_brackets = [y for y in years if flat[y.start - 1] in "([" and flat[y.end : y.end + 1] in (")", "]")]
    if in_brackets:
        return in_brackets[0]
    if not years:
        return None
    chosen = years[0]
    for year in years[1:]:
        between = [t for t in tokens if chosen.end <= t.start and t.end <= year.start]
        if not between or not _are_covered(flat, chosen.end, year.start, between):
            chosen = year
    return chosen


def _walk_back(flat: str, start: int, end: int, tokens: Sequence[Token], kinds: frozenset[Kind]) -> int:
    """Move the title's end before tokens that stand directly before it, as long as a title is left."""
    first_word = _WORD.search(flat, start)
    begins_with_article = first_word is not None and first_word[0] in _ARTICLES
    for token in reversed([t for t in tokens if t.end <= end]):
        if token.kind not in kinds or not _ONLY_GAPS.fullmatch(flat, token.end, end):
            break
        if token.kind is Kind.LANGUAGE and (token.value == "English" or begins_with_article):
            break  # nobody marks English before the year, and a dub bears a translated title: "The Good German"
        left = _WORD.findall(flat[start : token.start])
        if not left or (len(left) == 1 and left[0] in _ARTICLES):
            break  # "The Final Cut"
        end = token.start
    return end


def _next_bracket(flat: str, start: int) -> int:
    """Return where the first square bracket after some word opens."""
    position = flat.find("[", start)
    while position >= 0 and not _has_word(flat[start:position]):
        position = flat.find("[", position + 1)
    return position if position >= 0 else len(flat)


def _are_covered(flat: str, start: int, end: int, tokens: Sequence[Token]) -> bool:
    for token in tokens:
        if _has_word(flat[start : token.start]):
            return False
        start = token.end
    return not _has_word(flat[start:end])


def _spoken(raw: str) -> str:
    """Write a title with spaces, keeping acronyms' dots ("R.I.P.D.")."""
    kept = _ACRONYM.sub(lambda match: match[0].replace(".", "\0") + " ", raw)
    spaced = kept.replace(".", " ").replace("_", " ").replace("\0", ".")
    return _SPACES.sub(" ", spaced).strip(" -([{,")


def _has_word(text: str) -> bool:
    return any(c.isalnum() for c in text)
