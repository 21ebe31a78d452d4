"""Who made a release: the last word of its name, in the places where groups sign."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from movies.tokens import Kind, Token


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """A release group and where it stands in the name."""

    name: str
    start: int
    end: int


# Sites and reposters append themselves to other people's releases.
_APPENDED = re.compile(
    r"(?:[ -]?\[[^\[\]]{0,40}\.(?:com|net|org|io|info|biz)\]|-(?:rp|pre|xpost|postbot|obfuscated|scrambled|nzbgeek"
    r"|buymore|asrequested|rakuv\w{0,8}|whiterev|altezachen|gerov|repackpost|chamele0n|z0ids3n|4p|\[?eztv\]?|\[?rartv\]?)"
    r"| ?\[eztv\]|_)$",
    re.IGNORECASE,
)
_AFTER_HYPHEN = re.compile(r"-\s?([^\s\-\[\](){}]{2,30})(?: \([^()]{0,80}\))?[)\]]?$")
_LAST_BRACKET = re.compile(r"\[([^\s\[\]]{2,30})\]$")
_LAST_WORD_IN_BRACKET = re.compile(r"[ .]([^\W_][\w-]{1,29})[)\]]$")
_BRACKET_AFTER_YEAR = re.compile(r"\d{4}\)? \[([^\s\[\]]{2,30})\] ?\[")
_LEADING_BRACKET = re.compile(r"\s*\[([^\[\]]{2,40})\]")
_LANGUAGES = frozenset({Kind.LANGUAGE, Kind.LANGUAGE_CODE, Kind.SHORT_LANGUAGE_CODE})
_CHECKSUM = re.compile(r"[0-9A-Fa-f]{8}")


def find_release_group(text: str, tail: Sequence[Token], *, first: int) -> Signature | None:
    """Return who signed a name whose title ends at `first`; `tail` are the tokens after it."""
    end = _signed_end(text, tail)
    for pattern in (_BRACKET_AFTER_YEAR, _AFTER_HYPHEN, _LAST_BRACKET, _LAST_WORD_IN_BRACKET):
        match = pattern.search(text, first, end)
        if match is None or _CHECKSUM.fullmatch(match[1]):
            continue
        start, stop = match.span(1)
        if _is_technical(tail, start, stop):
            continue
        if pattern is not _BRACKET_AFTER_YEAR and not any(t.end <= start for t in tail):
            continue
        if pattern is _LAST_WORD_IN_BRACKET and not _stands_after_token(text, tail, start, stop):
            continue
        return Signature(name=match[1].rstrip("."), start=start, end=stop)
    return _leading_group(text, first)


def _is_technical(tail: Sequence[Token], start: int, stop: int) -> bool:
    """Say whether a stretch is, holds or cuts through a token, or is of a list of languages ("ENG-ITA", "[EN+ES]")."""
    if sum(t.kind in _LANGUAGES and _is_inside(t, start, stop) for t in tail) > 1:
        return True
    for token in tail:
        if token.start >= stop or token.end <= start:
            continue
        if token.is_strong or not _is_inside(token, start, stop):
            return True
        is_listed = any(t.kind in _LANGUAGES and t.end + 1 == start for t in tail)
        if token.kind in _LANGUAGES and token.start == start and is_listed:
            return True
    return False


def _leading_group(text: str, first: int) -> Signature | None:
    """Return the group that signs before the title, as anime groups do."""
    match = _LEADING_BRACKET.match(text)
    if match is None or match.end() > first or "." in match[1] or match[1].isdigit():
        return None
    return Signature(name=match[1], start=match.start(1), end=match.end(1))


def _signed_end(text: str, tail: Sequence[Token]) -> int:
    """Return where the name ends without what others appended to it, and without a language after the signature."""
    end = len(text)
    for _ in range(3):
        match = _APPENDED.search(text, max(0, end - 60), end)
        if match is None:
            break
        end = match.start()
    last = tail[-1] if tail else None
    if last is not None and last.end == end and last.kind is Kind.LANGUAGE and text[last.start - 1] in " ._":
        hyphen = text.rfind("-", 0, last.start)
        if hyphen >= 0 and not any(t.end > hyphen and t is not last for t in tail):
            end = last.start - 1
    return end


def _stands_after_token(text: str, tail: Sequence[Token], start: int, stop: int) -> bool:
    """Say whether a word is no token itself and only separators part it from one."""
    if any(_is_inside(token, start, stop) for token in tail):
        return False
    before = max((token.end for token in tail if token.end <= start), default=0)
    return not any(c.isalnum() for c in text[before:start])


def _is_inside(token: Token, start: int, stop: int) -> bool:
    return start <= token.start and token.end <= stop
