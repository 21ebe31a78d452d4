"""Release names: which movie a release claims to be, in which quality, by whom.

A name is a title followed by a technical part; `release_layout` finds the border, `tokens` holds the vocabulary.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from movies.files import DISC_EXTENSIONS, VIDEO_EXTENSIONS
from movies.languages import ORIGINAL
from movies.quality import UNKNOWN, Quality, Revision
from movies.release_group import find_release_group
from movies.release_layout import is_series, lay_out, titles_of
from movies.release_quality import quality_of, revision_of
from movies.tokens import Kind, Token, flatten, tokenize

MAXIMUM_NAME_LENGTH = 512


@dataclass(frozen=True, kw_only=True)
class ParsedRelease:
    """What a release name says.

    `titles` holds `title` first, then the others the name may stand for ("A AKA B", a language word that may belong to
    the title). `languages` is empty when the name tells none. `imdb_id` is written "tt0133093". `hardcoded_subs` is
    the name's word for them, "generic" when it only says that there are some. `is_truncated`: the end may be missing.
    """

    title: str
    titles: tuple[str, ...]
    year: int | None = None
    quality: Quality = UNKNOWN
    revision: Revision = field(default_factory=Revision)
    edition: str | None = None
    languages: tuple[str, ...] = ()
    release_group: str | None = None
    imdb_id: str | None = None
    tmdb_id: int | None = None
    hardcoded_subs: str | None = None
    is_truncated: bool = False


class UnparsableReason(StrEnum):
    """Why a name is not read as a movie's release."""

    EMPTY = "empty"
    SERIES = "series"
    OBFUSCATED = "obfuscated"
    NO_TITLE = "no_title"


@dataclass(frozen=True, kw_only=True)
class Unparsable:
    """A name that is no movie's release."""

    reason: UnparsableReason


_EXTENSION = re.compile(r"\.[a-z0-9]{2,7}$", re.IGNORECASE)
_KNOWN_EXTENSIONS = VIDEO_EXTENSIONS | DISC_EXTENSIONS | {".wmv", ".flv", ".rmvb", ".nzb", ".torrent"}
_DOMAIN = r"(?:[a-z0-9-]{1,63}\.){1,4}"
_SITE = re.compile(
    rf"\s*(?:\[\s?{_DOMAIN}[a-z]{{2,6}}\s?\](?:\s?-)?|www\.{_DOMAIN}[a-z]{{2,6}}\s?-"
    rf"|{_DOMAIN}(?:com|net|org|info|biz|cc|ca|eu|io|ru) -)\s*",
    re.IGNORECASE,
)
_TRUNCATED = re.compile(r"(?:\.\.\.|…)$")
_HEX = re.compile(r"[0-9a-f]{12,}", re.IGNORECASE)
_BACKUP = re.compile(r"backup_\d{5,}s\d{2}-\d{2}", re.IGNORECASE)


def parse_release(name: str) -> ParsedRelease | Unparsable:
    """Read a release name; never raises, in time linear in its length. Longer names are cut at 512 characters."""
    text = name[:MAXIMUM_NAME_LENGTH].strip()
    site = _SITE.match(text)
    text = text[site.end() :] if site else text
    text, extension = _split_extension(text)
    if not any(c.isalnum() for c in text):
        return Unparsable(reason=UnparsableReason.EMPTY)
    if _is_obfuscated(text):
        return Unparsable(reason=UnparsableReason.OBFUSCATED)
    flat = flatten(text)
    tokens = tokenize(flat)
    if is_series(tokens):
        return Unparsable(reason=UnparsableReason.SERIES)
    layout = lay_out(flat, tokens)
    titles = titles_of(text, layout)
    if not titles:
        return Unparsable(reason=UnparsableReason.NO_TITLE)
    group = find_release_group(text, layout.tail, first=layout.title_end)
    tail = [t for t in layout.tail if group is None or t.end <= group.start or t.start >= group.end]
    return ParsedRelease(
        title=titles[0],
        titles=titles,
        year=layout.year,
        quality=quality_of(tail, extension=extension),
        revision=revision_of(tail, text),
        edition=_edition(text, tail),
        languages=languages_of(flat, tail),
        release_group=group.name if group else None,
        imdb_id=next((t.value for t in tokens if t.kind is Kind.IMDB_ID), None),
        tmdb_id=next((int(t.value.lstrip("tmdbi =-")) for t in tokens if t.kind is Kind.TMDB_ID), None),
        hardcoded_subs=_hardcoded_subs(text, tail),
        is_truncated=len(name) > MAXIMUM_NAME_LENGTH or _TRUNCATED.search(text) is not None,
    )


def languages_of(flat: str, tail: Sequence[Token]) -> tuple[str, ...]:
    """Return the spoken languages in the order of the name; a German dub with a second track is also the original."""
    found: list[str] = []
    spoken = [t for t in tail if t.kind in (Kind.LANGUAGE, Kind.LANGUAGE_CODE, Kind.SHORT_LANGUAGE_CODE)]
    for token in spoken:
        if token.kind is not Kind.SHORT_LANGUAGE_CODE or _has_neighbour(flat, token, spoken):
            found.append(token.value)
    if "German" in found and any(t.kind is Kind.SEVERAL_LANGUAGES and t.value == "dl" for t in tail):
        found.append(ORIGINAL)
    return tuple(dict.fromkeys(found))


def _has_neighbour(flat: str, token: Token, spoken: Sequence[Token]) -> bool:
    """Say whether one separator parts a token from another language."""
    return any(
        (other.end + 1 == token.start and flat[other.end] in " -+/")
        or (token.end + 1 == other.start and flat[token.end] in " -+/")
        for other in spoken
    )


def _split_extension(text: str) -> tuple[str, str]:
    match = _EXTENSION.search(text)
    if match is None or match[0].lower() not in _KNOWN_EXTENSIONS:
        return text, ""
    return text[: match.start()], match[0].lower()


def _is_obfuscated(text: str) -> bool:
    """Recognise hashes and random words: no spaces, and letters mixed with digits or cases as no title mixes them."""
    if _BACKUP.fullmatch(text):
        return True
    words = re.findall(r"[^\W_]+", text)
    has_digits, has_letters = any(c.isdigit() for c in words[-1]), any(c.isalpha() for c in words[-1])
    if len(words) > 1:
        return len(words) <= 3 and has_digits and has_letters and _HEX.fullmatch(words[-1]) is not None
    word = words[0]
    if has_digits:
        return len(word) >= 16 or (not has_letters and len(word) >= 8)
    return len(word) >= 24 and not (word[1:].islower() or word.isupper())


def _edition(text: str, tail: Sequence[Token]) -> str | None:
    """Return the words of the first edition, neighbours joined ("Extended Directors Cut Fan Edit")."""
    parts: list[str] = []
    end = None
    for token in tail:
        if token.kind is not Kind.EDITION:
            continue
        if end is not None and any(c.isalnum() for c in text[end : token.start]):
            break
        parts.append(" ".join(re.split(r"[ ._]+", text[token.start : token.end])))
        end = token.end
    return " ".join(parts) or None


def _hardcoded_subs(text: str, tail: Sequence[Token]) -> str | None:
    token = next((t for t in tail if t.kind is Kind.HARDCODED_SUBS), None)
    if token is None:
        return None
    return token.value if token.value == "generic" else text[token.start : token.end]
