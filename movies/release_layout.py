"""Where a release name's title ends and its technical part begins.

The title ends before the year, or before the first token that is no word of any language. Words that are also tokens
("Web", "German", "Extended") count only after that point, or directly before it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from movies.tokens import Name, Token
from movies.vocabulary import Kind, TokenKind


class Layout(NamedTuple):
    """The parts of a name, in places of its words: the title is [title_first, title_end).

    `tail` are the tokens that count. `widest_title_end` is after the words before the year that were taken for tokens
    and may belong to the title.
    """

    title_first: int
    title_end: int
    widest_title_end: int
    year: Token | None
    tail: list[Token]


# What may stand between a title and its year ("My Movie Extended 2012", "My Movie German 2012"), and what may stand
# between a title and the first technical word when there is no year.
_BEFORE_YEAR = frozenset({Kind.EDITION, Kind.LANGUAGE, Kind.SEVERAL_LANGUAGES, Kind.REVISION})
_BEFORE_TECHNICAL = _BEFORE_YEAR | {
    Kind.RESOLUTION,
    Kind.SOURCE,
    Kind.HARDCODED_SUBS,
    Kind.LANGUAGE_CODE,
    Kind.SUBTITLES,
    Kind.STEREOSCOPIC,
    Kind.TAG,
}
_SHORT_WORDS = frozenset({Kind.SOURCE, Kind.LANGUAGE_CODE})  # written in capitals when they are no words

_ARTICLES = frozenset({"the", "a", "an"})
_ACRONYM = re.compile(r"(?<!\w)(?:[^\W\d_]\.){2,10}")
_AKA = re.compile(r"[ (]a\.?k\.?a\.? | / ", re.IGNORECASE)


def lay_out(name: Name, tokens: Sequence[Token]) -> Layout:
    """Find the title, the year and the tokens that count."""
    first = _after_leading(name, tokens)
    if first < len(name.words) and name.words[first] in _ARTICLES:  # alone it is no title: "The.Workprint.2014"
        tokens = [t for t in tokens if t.first != first + 1 or t.kind is not Kind.SOURCE]
    strong = next((t.first for t in tokens if t.is_strong and t.first >= first), len(name.words))
    year, is_before = _leading_year(name, tokens, first), False
    if year is not None:  # "(1995) Movie Name"
        first = year.end
    else:
        years = [t for t in tokens if t.kind is Kind.YEAR and t.first >= first]
        year = _choose_year(name, first, [t for t in years if t.first < strong], tokens) if years else None
        is_before = year is not None
        if year is None:
            year = next((t for t in years if t.first > strong), None)
    widest_end = min(strong, _next_bracket(name, first))
    if year is not None and is_before:
        widest_end = min(widest_end, year.first)
    end = _walk_back(name, first, widest_end, tokens, _BEFORE_YEAR if is_before else _BEFORE_TECHNICAL)
    return Layout(
        first,
        end,
        widest_end if is_before else end,
        year,
        [
            token
            for token in tokens
            if (token.first >= end or token.is_strong or token.end <= first)
            and token is not year
            and (token.is_strong or token.kind is not Kind.SOURCE or _is_source(name, token, tokens))
        ],
    )


def titles_of(name: Name, layout: Layout) -> tuple[str, ...]:
    """Return the titles a name may stand for, the likeliest first; empty when nothing is left for a title."""
    title = _title(name, layout.title_first, layout.title_end)
    if not title:
        return ()
    titles = [title]
    if _AKA.search(title):
        parts = [part.strip(" ()-/") for part in _AKA.split(title)]
        titles = [part for part in parts if any(letter.isalnum() for letter in part)]
    if layout.widest_title_end > layout.title_end:
        widest = _title(name, layout.title_first, layout.widest_title_end)
        if not _AKA.search(widest):
            titles.append(widest)
    return tuple(dict.fromkeys(titles))


def _after_leading(name: Name, tokens: Sequence[Token]) -> int:
    """Return the title's first word: after a bracket ("[Group] Title") and technical words ("BD25.Title.1994")."""
    first = _after_bracket(name, tokens) if name.flat[0] == "[" else 0
    for token in tokens:
        if token.first > first:
            break
        if token.is_strong and token.first == first:
            first = token.end
    return first


def _after_bracket(name: Name, tokens: Sequence[Token]) -> int:
    """Return the first word after a bracket at the beginning, unless the bracket is the title or a year."""
    closed = name.flat.find("]", 1, 64)
    after = name.word_at(closed) if closed > 0 else 0
    if not 0 < after < len(name.words):
        return 0
    of_bracket = [t for t in tokens if t.first < after]
    if of_bracket and of_bracket[0].kind is Kind.YEAR and of_bracket[0].end == after:
        return 0  # "[1995] Movie Name"
    is_followed_by_year = any(t.kind is Kind.YEAR and t.first == after for t in tokens)
    is_title = not of_bracket and is_followed_by_year and name.text[closed + 1] in ".["
    return 0 if is_title else after  # "[Title].2007", "[Title][2007]"


def _leading_year(name: Name, tokens: Sequence[Token], first: int) -> Token | None:
    """Return a year in brackets before the title."""
    for token in tokens:
        if token.first > first:
            break
        if token.kind is Kind.YEAR and token.first == first and token.end < len(name.words):
            return token if name.flat[name.ends[token.first]] in ")]" else None
    return None


def _choose_year(name: Name, first: int, years: Sequence[Token], tokens: Sequence[Token]) -> Token | None:
    """Return the year of release among years before the technical part.

    One in brackets wins. Otherwise the last ("Death Race 2000 1975"), unless only tokens stand between it and an
    earlier one ("Movie 1982 Final Cut 2007").
    """
    chosen: Token | None = None
    for year in years:
        if year.first == first:
            continue
        start, end = name.starts[year.first], name.ends[year.first]
        if name.flat[start - 1] in "([" and name.flat[end : end + 1] in (")", "]"):
            return year
        if chosen is None or not _are_covered(chosen.end, year.first, tokens):
            chosen = year
    return chosen


def _are_covered(first: int, end: int, tokens: Sequence[Token]) -> bool:
    """Say whether tokens, at least one, and nothing else fill the words [first, end)."""
    if first == end:
        return False
    for token in tokens:
        if token.first == first and token.end <= end:
            first = token.end
    return first == end


def _walk_back(name: Name, first: int, end: int, tokens: Sequence[Token], kinds: frozenset[TokenKind]) -> int:
    """Move the title's end before tokens that stand directly before it, as long as a title is left."""
    if end <= first:
        return end
    begins_with_article = name.words[first] in _ARTICLES
    for token in reversed(tokens):
        if token.end > end:
            continue
        if token.end < end or token.kind not in kinds:
            break
        if token.kind is Kind.LANGUAGE and (token.value == "English" or begins_with_article):
            break  # nobody marks English before the year, and a dub bears a translated title: "The Good German"
        if token.first <= first + begins_with_article:
            break  # "The Final Cut"
        if kinds is _BEFORE_YEAR and token.kind is Kind.REVISION and not _is_shouted(name, first, token):
            break  # "Get.Real.1998", but "Film.PROPER.1998"
        if token.kind in _SHORT_WORDS and not name.written(token.first, token.end).isupper():
            break  # "Charlottes.Web", "Big.Fat.Cat"
        end = token.first
    return end


def _is_shouted(name: Name, first: int, token: Token) -> bool:
    """Say whether a token of letters is in capitals and the words before it are not."""
    written = name.written(token.first, token.end)
    return written.isupper() and written.isalpha() and not name.written(first, token.first).isupper()


def _next_bracket(name: Name, first: int) -> int:
    """Return the place of the word after the first square bracket that opens after some word."""
    if first >= len(name.words):
        return first
    opened = name.flat.find("[", name.ends[first])
    return name.word_at(opened) if opened >= 0 else len(name.words)


def _is_source(name: Name, token: Token, tokens: Sequence[Token]) -> bool:
    """Say whether a word that may be a source is one: in capitals, in brackets or beside another token."""
    before, after = name.starts[token.first] - 1, name.ends[token.end - 1]
    return (
        name.flat[before : before + 1] in ("[", "(")
        or name.flat[after : after + 1] in ("]", ")")
        or any(other.end == token.first or other.first == token.end for other in tokens)
        or name.written(token.first, token.end).isupper()
    )


def _title(name: Name, first: int, end: int) -> str:
    """Write words as a title, with spaces, keeping acronyms' dots ("R.I.P.D.")."""
    if first >= end:
        return ""
    stop = name.starts[end] if end < len(name.words) else len(name.text)
    raw = name.text[name.ends[first - 1] if first else 0 : stop]
    if "." in raw:
        kept = _ACRONYM.sub(lambda match: match[0].replace(".", "\0") + " ", raw)
        raw = kept.replace(".", " ").replace("\0", ".")
    title = " ".join(raw.replace("_", " ").split()).rstrip(" -([{,+/").lstrip(" -([{,+/)]}")
    return title[:-1] if title.endswith("]") and "[" not in title else title
