"""Release names: which movie a release claims to be, in which quality, by whom.

A name is split into words once (`tokens`), the words are looked up (`vocabulary`), and the border between the title and
the technical part is found (`release_layout`); what stands after it is the quality, the group and the rest.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from movies.files import DISC_EXTENSIONS, VIDEO_EXTENSIONS
from movies.languages import CAPITAL_CODES, ORIGINAL
from movies.quality import UNKNOWN, Quality, Revision
from movies.release_group import Signature, find_release_group
from movies.release_layout import Layout, lay_out, titles_of
from movies.release_media import DynamicRange, media_of
from movies.release_quality import quality_of, revision_of
from movies.release_refusal import is_obfuscated, is_sample, is_series
from movies.tokens import Name, Tail, Token, by_kind, tokenize
from movies.vocabulary import SPOKEN_LANGUAGES, Kind

MAXIMUM_NAME_LENGTH = 512


@dataclass(frozen=True, kw_only=True)
class ParsedRelease:
    """What a release name says.

    `titles` holds `title` first, then the others the name may stand for ("A AKA B", a language word that may belong to
    the title). `languages` is empty when the name tells none. `imdb_id` is written "tt0133093". `hardcoded_subs` is
    the name's word for them, "generic" when it only says that there are some. `is_truncated`: the end may be missing.
    The last five are as in `release_media.Media`.
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
    dynamic_range: frozenset[DynamicRange] = frozenset()
    video_codec: str | None = None
    audio_codecs: tuple[str, ...] = ()
    audio_channels: str | None = None
    is_3d: bool = False


class UnparsableReason(StrEnum):
    """Why a name is not read as a movie's release."""

    EMPTY = "empty"
    SERIES = "series"
    SAMPLE = "sample"
    OBFUSCATED = "obfuscated"
    NO_TITLE = "no_title"


@dataclass(frozen=True, kw_only=True)
class Unparsable:
    """A name that is no movie's release."""

    reason: UnparsableReason


class _Reading(NamedTuple):
    """A name taken apart; `tail` are the tokens that count, without those of the group's name."""

    name: Name
    extension: str
    tokens: Sequence[Token]
    layout: Layout
    group: Signature | None
    tail: Tail


_KNOWN_EXTENSIONS = (
    VIDEO_EXTENSIONS | DISC_EXTENSIONS | {".wmv", ".flv", ".rmvb", ".nzb", ".torrent", ".nfo", ".rar", ".srt"}
)
_LONGEST_EXTENSION = max(map(len, _KNOWN_EXTENSIONS))
_DOMAIN = r"(?:[a-z0-9-]{1,63}\.){1,4}"
_SITE = re.compile(
    rf"\s*(?:\[\s?{_DOMAIN}[a-z]{{2,6}}\s?\](?:\s?-)?\.?|www\.{_DOMAIN}[a-z]{{2,6}}\s{{0,8}}-"
    rf"|{_DOMAIN}(?:com|net|org|info|biz|cc|ca|eu|io|ru|me|to|tv|ws|co\.[a-z]{{2}}) -)\s*",
    re.IGNORECASE,
)
# of a post: [01/52] - "Name.part01.rar" yEnc (1/66)
_SUBJECT = re.compile(
    r'[^"]{0,64}"([^"]{1,500}?)(?:\.(?:part|vol)[0-9+]{1,9})?(?:\.(?:rar|par2|nfo|sfv|nzb))?" yEnc'
    r"(?: \([0-9/]{1,16}\))?"
)
_WIDE_BRACKETS = str.maketrans("\u3010\u3011", "[]")  # of Chinese names
_PLAIN_SUBS = frozenset({"sub", "subs"})
_GAPS = re.compile(r"[ ._]+")


def parse_release(name: str) -> ParsedRelease | Unparsable:
    """Read a release name; never raises, in time linear in its length. Longer names are cut at 512 characters."""
    reading = _read(name)
    if reading is None:
        return Unparsable(reason=UnparsableReason.EMPTY)
    words, tail = reading.name, reading.tail
    if is_obfuscated(words):
        return Unparsable(reason=UnparsableReason.OBFUSCATED)
    if is_series(words, reading.tokens, tail):
        return Unparsable(reason=UnparsableReason.SERIES)
    if is_sample(words, tail, is_file=bool(reading.extension)):
        return Unparsable(reason=UnparsableReason.SAMPLE)
    titles = titles_of(words, reading.layout)
    if not titles:
        return Unparsable(reason=UnparsableReason.NO_TITLE)
    media = media_of(tail)
    return ParsedRelease(
        title=titles[0],
        titles=titles,
        year=int(reading.layout.year.value) if reading.layout.year else None,
        quality=quality_of(words, tail, extension=reading.extension),
        revision=revision_of(words, tail),
        edition=_edition(words, tail[Kind.EDITION]) if Kind.EDITION in tail else None,
        languages=_languages(words, tail),
        release_group=reading.group.name if reading.group else None,
        imdb_id=tail[Kind.IMDB_ID][0].value if Kind.IMDB_ID in tail else None,
        tmdb_id=int(tail[Kind.TMDB_ID][0].value) if Kind.TMDB_ID in tail else None,
        hardcoded_subs=_hardcoded_subs(words, tail[Kind.HARDCODED_SUBS][0]) if Kind.HARDCODED_SUBS in tail else None,
        is_truncated=len(name) > MAXIMUM_NAME_LENGTH or words.text.endswith(("...", "\u2026")),
        dynamic_range=media.dynamic_range,
        video_codec=media.video_codec,
        audio_codecs=media.audio_codecs,
        audio_channels=media.audio_channels,
        is_3d=media.is_3d,
    )


def read_quality(name: str) -> tuple[Quality, Revision]:
    """Read only the quality of a name, which may be an episode's."""
    reading = _read(name)
    if reading is None:
        return UNKNOWN, Revision()
    words, tail = reading.name, reading.tail
    return quality_of(words, tail, extension=reading.extension), revision_of(words, tail)


def read_languages(name: str) -> tuple[str, ...]:
    """Read only the spoken languages of a name, which may be an episode's."""
    reading = _read(name)
    return _languages(reading.name, reading.tail) if reading else ()


def read_release_group(name: str) -> str | None:
    """Read only the release group of a name, which may be an episode's."""
    reading = _read(name)
    return reading.group.name if reading and reading.group else None


def _read(name: str) -> _Reading | None:
    """Take a name apart; None when it has no words."""
    text, extension = _without_extension(name[:MAXIMUM_NAME_LENGTH].strip())
    if '"' in text:
        subject = _SUBJECT.fullmatch(text)
        text, extension = _without_extension(subject[1]) if subject else (text, extension)
    if "\u3010" in text:
        text = text.translate(_WIDE_BRACKETS)
    site = _SITE.match(text)
    words = Name(text[site.end() :] if site else text)
    if not words.words:
        return None
    tokens = tokenize(words)
    layout = lay_out(words, tokens)
    group = find_release_group(words, layout.tail, first=layout.title_first, year=layout.year)
    tail = layout.tail
    if group is not None:
        first, end = words.word_at(group.start), words.word_at(group.end)
        tail = [t for t in tail if t.end <= first or t.first >= end]
    return _Reading(words, extension, tokens, layout, group, by_kind(tail))


def _without_extension(text: str) -> tuple[str, str]:
    dot = text.rfind(".", -_LONGEST_EXTENSION)
    extension = text[dot:].lower() if dot >= 0 else ""
    return (text[:dot], extension) if extension in _KNOWN_EXTENSIONS else (text, "")


def _languages(name: Name, tail: Tail) -> tuple[str, ...]:
    """Return the spoken languages in the order of the name.

    A German dub with a second track is also the original, and with several ("ML") also English.
    """
    spoken = [token for kind in SPOKEN_LANGUAGES if kind in tail for token in tail[kind]]
    if not spoken:
        return ()
    spoken.sort(key=attrgetter("first"))
    found = [token.value for token in spoken if _is_spoken(name, token, spoken, tail)]
    if "German" in found:
        several = {name.words[token.first] for token in tail.get(Kind.SEVERAL_LANGUAGES, ())}
        found += [ORIGINAL] * (not several.isdisjoint({"dl", "ml"})) + ["English"] * ("ml" in several)
    return tuple(dict.fromkeys(found))


def _is_spoken(name: Name, token: Token, spoken: Sequence[Token], tail: Tail) -> bool:
    """Say whether a language is of the sound: not of subtitles after it, and a short code not by chance."""
    if any(_are_neighbours(name, token, other) or _are_neighbours(name, other, token) for other in spoken):
        return True
    if any(_are_neighbours(name, token, t) and _follows_its_language(name, t) for t in tail.get(Kind.SUBTITLES, ())):
        return False
    written = name.written(token.first, token.end)
    return token.kind is not Kind.SHORT_LANGUAGE_CODE or (written.isupper() and written.lower() in CAPITAL_CODES)


def _follows_its_language(name: Name, subtitles: Token) -> bool:
    """Say whether subtitles are of the language before them: not "ITA.SUB.ENG", nor "Inglés+Subs"."""
    first = subtitles.first
    is_added = name.flat[name.starts[first] - 1] == "+"
    return subtitles.end == first + 1 and name.words[first] in _PLAIN_SUBS and not is_added


def _are_neighbours(name: Name, one: Token, other: Token) -> bool:
    """Say whether one separator parts a token from the next."""
    return one.end == other.first and name.starts[other.first] - name.ends[one.end - 1] == 1


def _edition(name: Name, editions: Sequence[Token]) -> str:
    """Return the words of the first edition, neighbours joined ("Extended Directors Cut Fan Edit")."""
    parts: list[str] = []
    end = 0
    for token in editions:
        if parts and token.first != end:
            break
        parts.append(_GAPS.sub(" ", name.written(token.first, token.end)))
        end = token.end
    return " ".join(parts)


def _hardcoded_subs(name: Name, token: Token) -> str:
    return token.value or name.written(token.first, token.end)
