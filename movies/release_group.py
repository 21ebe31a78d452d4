"""Who made a release: the last word of its name, in the places where groups sign."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from movies.tokens import Name, Token
from movies.vocabulary import SPOKEN_LANGUAGES, Kind


class Signature(NamedTuple):
    """A release group and where it stands in the name's text."""

    name: str
    start: int
    end: int


# Reposters and indexers append themselves to other people's releases, with a hyphen or in brackets.
_REPOSTERS = re.compile(
    r"rp|1|pre|xpost|postbot|obfuscat(?:ed|ion)|scrambled|sample|nzbgeek|buymore|asrequested|alternativetorequested"
    r"|rakuv\w{0,10}|whiterev|altezachen|gerov|repackpost|wrteam|captcha|inc0gnito|chamele0n|z0ids3n|4p|4planet",
    re.IGNORECASE,
)
_USENET = " yEnc"  # of the subject of a post
_COPY = re.compile(r" \([1-9]\)")  # of a second download of the same file
_REPOSTING_SITES = frozenset({"eztv", "rartv", "rarbg", "ettv"})
_SITE = re.compile(r"[\w-]{1,40}(?:\.[\w-]{1,40}){0,3}\.(?:com|net|org|io|info|biz)", re.IGNORECASE)
_NAME = re.compile(r"[^\s\-\[\](){}]{2,30}")
_IN_BRACKETS = re.compile(r"\[([^\s\[\]]{2,30})\]")
_BETWEEN_BRACKETS = re.compile(r"\)? ?\[([^\s\[\]]{2,30})\] ?\[")
_LAST_WORD = re.compile(r"[^\W_][\w-]{1,29}")
_LEADING_BRACKET = re.compile(r"\s*\[([^\[\]]{2,40})\]")
_MIXED_CASE = re.compile(r"(?=.{0,30}[a-z])[^\W_].{0,30}[A-Z]")
_LAST_KINDS = frozenset({Kind.CODEC, Kind.AUDIO, Kind.CHANNELS})
_CLOSING = (")", "]")
_NO_GROUPS = frozenset({"eng", "ita", "ger", "fra", "fre", "jap", "jpn", "esp", "spa", "rus", "en", "es"})  # "XviD-ENG"
_CHECKSUM = re.compile(r"[0-9A-Fa-f]{8}")


def find_release_group(name: Name, tail: Sequence[Token], *, first: int, year: Token | None) -> Signature | None:
    """Return who signed a name whose title begins with the word `first`; `tail` are the tokens after it."""
    text, end = name.text, _signed_end(name, tail)
    after_year = name.ends[year.end - 1] if year is not None else -1
    if year is not None:  # "Title 2017 [Group] [Blu-ray][1080p]"
        match = _BETWEEN_BRACKETS.match(text, after_year)
        if match is not None and not _is_technical(name, tail, *match.span(1), is_alone=True):
            return Signature(match[1], *match.span(1))
    begin = name.ends[tail[0].end - 1] if tail else end
    places = chain(
        _in_closing_bracket(name, tail, begin, end),
        _in_own_bracket(name, after_year if after_year >= 0 else begin, end),
        _after_hyphen(name, tail, begin, end),
        _after_separator(name, tail, end),
    )
    for start, stop in places:
        is_alone = text[start - 1] == "[" and text[stop : stop + 1] == "]"
        is_checksum = is_alone and _CHECKSUM.fullmatch(text, start, stop) is not None
        if not is_checksum and not _is_technical(name, tail, start, stop, is_alone=is_alone):
            return Signature(text[start:stop].rstrip("."), start, stop)
    return _leading_group(name, tail, first)


def _in_closing_bracket(name: Name, tail: Sequence[Token], begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The last word before a bracket that closes: "(1080p BluRay x265 10bit Group)"."""
    text = name.text
    if text[end - 1 : end] in _CLOSING:
        start = max(text.rfind(" ", begin, end), text.rfind(".", begin, end)) + 1
        if start and _LAST_WORD.fullmatch(text, start, end - 1) and _stands_after_token(name, tail, start):
            yield start, end - 1


def _after_hyphen(name: Name, tail: Sequence[Token], begin: int, end: int) -> Iterator[tuple[int, int]]:
    """What follows the last hyphen, at the end or before a remark in brackets: "x264-Group", "x264-Group (remark)"."""
    text = name.text
    stops = [end - 1, text.rfind(" (", begin, end)] if text[end - 1 : end] in _CLOSING else [end]
    for stop in stops:
        hyphen = text.rfind("-", begin, stop) if stop > 0 else -1
        if hyphen < 0:
            continue
        start = hyphen + 1 + (text[hyphen + 1 : hyphen + 2] == " ")
        if _NAME.fullmatch(text, start, stop):
            whole = _whole(name, tail, start, begin)
            if whole < start:
                yield whole, stop
            yield start, stop
        elif _is_of_words(name, tail, hyphen, stop):
            yield hyphen + 1, stop


def _in_own_bracket(name: Name, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The last square bracket, with one word in it: "[1080p] [Group]", "(1080p [Group])"."""
    stop = end - 1 if name.text.endswith("])", 0, end) else end
    opened = name.text.rfind("[", begin, stop)
    if opened >= 0 and _IN_BRACKETS.fullmatch(name.text, opened, stop):
        yield opened + 1, stop - 1


def _after_separator(name: Name, tail: Sequence[Token], end: int) -> Iterator[tuple[int, int]]:
    """A last word after codec or sound, if it is spelled as no ordinary word is: "x265.KRoWD", not "x265.Crowd"."""
    place = name.word_at(end) - 1
    if tail and tail[-1].end == place and tail[-1].kind in _LAST_KINDS and name.ends[place] == end:
        start = name.starts[place]
        if name.text[start - 1] in " ._" and _MIXED_CASE.match(name.text, start, end):
            yield start, end


def _whole(name: Name, tail: Sequence[Token], start: int, begin: int) -> int:
    """Return where a signature with a hyphen in it begins ("x264-Fight-AB", "x264.-D-Z"): after the technical part."""
    before = name.text.rfind("-", max(begin, start - 30), start - 1)
    first, end = name.word_at(before), name.word_at(start)
    is_one = end - first == 1 and name.starts[first] == before + 1 and name.ends[first] == start - 1
    if before < begin or not is_one or any(token.first <= first < token.end for token in tail):
        return start
    is_signing = name.text[before - 1] in "._ " or any(name.ends[token.end - 1] == before for token in tail)
    return before + 1 if is_signing else start


def _is_of_words(name: Name, tail: Sequence[Token], hyphen: int, end: int) -> bool:
    """Say whether two or three words that are no tokens follow a token's hyphen at the end ("H.264-ONE Team")."""
    first, stop = name.word_at(hyphen), name.word_at(end)
    return (
        2 <= stop - first <= 3
        and name.starts[first] == hyphen + 1
        and name.ends[stop - 1] == end
        and name.text.count(" ", hyphen, end) == stop - first - 1
        and "(" not in name.text[hyphen:end]
        and any(t.end == first and name.ends[first - 1] == hyphen for t in tail)
        and not any(t.end > first for t in tail)
    )


def _is_technical(name: Name, tail: Sequence[Token], start: int, stop: int, *, is_alone: bool) -> bool:
    """Say whether a stretch is, holds or cuts through a token, or is of a list of languages ("ENG-ITA", "[EN+ES]").

    A word that is also a token may be a group's name ("x264-CAT"), but not alone in brackets ("[v2]").
    """
    first, end = name.word_at(start), name.word_at(stop)
    languages = 0
    for token in tail:
        if token.end <= first or token.first >= end:
            continue
        if (
            token.is_strong
            or token.kind is Kind.SUBTITLES
            or name.flat[start:stop] in _NO_GROUPS
            or token.first < first
            or token.end > end
            or (is_alone and end - first == 1)
        ):
            return True
        if token.kind in SPOKEN_LANGUAGES:
            languages += 1
            is_listed = token.first == first and any(
                t.kind in SPOKEN_LANGUAGES and t.end == first and start - name.ends[first - 1] <= 1 for t in tail
            )
            if languages > 1 or is_listed:
                return True
    return False


def _leading_group(name: Name, tail: Sequence[Token], first: int) -> Signature | None:
    """Return the group that signs before the title, as anime groups do."""
    match = _LEADING_BRACKET.match(name.text)
    if match is None or "." in match[1] or match[1].isdecimal():
        return None
    end = name.word_at(match.end())
    inside = [token for token in tail if token.first < end]
    if end > first or any(token.is_strong for token in inside) or sum(t.end - t.first for t in inside) >= end:
        return None  # "[1080p]", "[Multi Subs]", but "[Group Subs]"
    return Signature(match[1], *match.span(1))


def _signed_end(name: Name, tail: Sequence[Token]) -> int:
    """Return where the name ends without what others appended to it, and without a language after the signature."""
    text, end = name.text, len(name.text.rstrip("_ "))
    for _ in range(3):
        appended = _appended(name, tail, end)
        if appended < 0:
            break
        end = appended
    last = tail[-1] if tail else None
    if last is not None and last.kind is Kind.LANGUAGE and name.ends[last.end - 1] == end:
        before = tail[-2].end if len(tail) > 1 else 0
        hyphen = text.rfind("-", name.ends[before - 1] if before else 0, name.starts[last.first])
        if hyphen >= 0 and text[name.starts[last.first] - 1] in " ._" and before < last.first:
            end = name.starts[last.first] - 1
    return end


def _appended(name: Name, tail: Sequence[Token], end: int) -> int:
    """Return where the last thing that others appended begins; -1 if there is none."""
    text = name.text
    hyphen = text.rfind("-", max(0, end - 64), end)
    if text[end - 1 : end] == "]":
        opened = text.rfind("[", max(0, end - 64), end)
        inner = text[opened + 1 : end - 1].strip()
        is_site = inner.lower() in _REPOSTING_SITES or _SITE.fullmatch(inner) is not None
        if opened > 0 and (is_site or _is_signed(name, tail, hyphen, opened)):
            return len(text[:opened].rstrip(" -"))
        return -1
    if text[end - 1 : end] == "}":  # "{imdb-tt0133093}"
        opened = text.rfind("{", 0, end)
        return len(text[:opened].rstrip(" -")) if opened > 0 else -1
    if text.endswith(_USENET, 0, end):
        return end - len(_USENET)
    if text[end - 1 : end] == ")" and _COPY.fullmatch(text, end - 4, end) is not None:
        return end - 4
    return hyphen if hyphen > 0 and _REPOSTERS.fullmatch(text, hyphen + 1, end) else -1


def _is_signed(name: Name, tail: Sequence[Token], hyphen: int, opened: int) -> bool:
    """Say whether a group has signed already before a bracket: "x264-Group[index]", "(1080p x265 Group) [team]"."""
    end = opened - (name.text[opened - 1] == " ")
    if name.text[end - 1] == ")":
        return any(_in_closing_bracket(name, tail, name.text.rfind("(", 0, end), end))
    if not 0 < hyphen < end or not _NAME.fullmatch(name.text, hyphen + 1, end):
        return False
    place = name.word_at(hyphen)
    is_after_token = end == opened or any(token.end == place for token in tail)
    return is_after_token and not any(token.first <= place < token.end for token in tail)


def _stands_after_token(name: Name, tail: Sequence[Token], start: int) -> bool:
    """Say whether a word is no token itself and only separators part it from one."""
    place = name.word_at(start)
    before = max((token.end for token in tail if token.end <= place), default=-1)
    return before == place and not any(token.first <= place < token.end for token in tail)
