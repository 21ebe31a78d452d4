"""The tokens of a release name: its words, split once, and what they mean where they stand.

A word or a row of words is looked up in the vocabulary, the longest row first; words with a number in them ("1080p",
"S01E02", "DDP5.1") are read by their shape. Each word is looked at a bounded number of times, so the work is linear.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from movies.languages import LANGUAGE_CODES, LANGUAGE_WORDS, SHORT_LANGUAGE_CODES
from movies.vocabulary import COUNTED, VOCABULARY, Branch, Kind, TokenKind

FIRST_YEAR, LAST_YEAR = 1880, 2045  # later ones ("2046", "2049") are titles so far

_PLAIN_MARKS = {".": " ", "_": " ", "\u00a0": " ", "\u2019": "'", "`": "'", "\u00b4": "'"}
_WORD = re.compile(r"([^\W_]+)")
_WORD_WITH_PLUS = re.compile(r"(dd\+|[^\W_]+(?:\+(?!\w))?)")  # "DD+5.1", "HDR10+"
_JOINTS = frozenset(" -'=")
_EDITION_NOUNS = frozenset({"cut", "edition", "version", "collection"})
_COUNT = re.compile(r"[0-9]{1,8}")
_LOW_CHANNELS = frozenset({"0", "1", "2"})
_MONTHS = frozenset(f"{month:02}" for month in range(1, 13))
_DAYS = frozenset(f"{day:02}" for day in range(1, 32))
_NUMBERED = re.compile(
    r"(?P<before>.{0,30}\D)?(?P<lines>\d{3,4}[pi])"
    r"|(?P<glued>(?:480|576|720|1080|2160)p)(?P<after>[a-z][a-z0-9]{2,8})"
    r"|(?P<size>\d{3,4}x\d{3,4})"
    r"|(?P<episode>.{0,40}?s\d{1,4}ep?\d{1,4}(?:[ev]\d{1,4}){0,9}|\d{1,2}x\d{2,3})"
    r"|(?P<season>s\d\d|ep?\d{2,3})"
    r"|(?P<repair>re(?:pack|rip)[2-9])"
    r"|\d{0,3}(?P<version>v[2-9])"
    r"|(?P<imdb>tt\d{7,8})"
    r"|tmdb(?:id)?(?P<tmdb>\d{1,8})"
    r"|(?P<several>[1-8])ch"
    r"|(?P<sound>ddp?a?|aac|e?ac3|dts|ma|hd|hra?|x|flac|l?pcm|truehd|opus|atmos)(?P<front>[1-9])(?P<low>[0-2])?"
    r"|(?P<twice>dts|ac3|aac|flac|ddp?)x[2-4]"
    r"|\dx(?P<language>[a-z]{2,10})"
)


class Token(NamedTuple):
    """A recognised row of a name's words, [first, end) in the list of words; `value` "" is the words themselves."""

    kind: TokenKind
    value: str
    first: int
    end: int
    is_strong: bool


Tail = Mapping[TokenKind, Sequence[Token]]  # the tokens of a name's technical part


class Name:
    """A release name split into words; `flat` is the text in lower case with plain separators, of the same length."""

    __slots__ = ("ends", "flat", "starts", "text", "words")

    def __init__(self, text: str) -> None:
        flat = text.lower()
        if len(flat) != len(text):  # a few letters grow in lower case ("İ")
            flat = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
        for mark, plain in _PLAIN_MARKS.items():
            flat = flat.replace(mark, plain)
        self.text, self.flat = text, flat
        pieces = (_WORD_WITH_PLUS if "+" in flat else _WORD).split(flat)  # gap, word, gap, word, ..., gap
        bounds = list(accumulate(map(len, pieces)))
        self.words = pieces[1::2]
        self.starts = bounds[:-1:2]
        self.ends = bounds[1::2]

    def is_joined(self, place: int) -> bool:
        """Say whether one plain separator parts a word from the next one."""
        return (
            place + 1 < len(self.words)
            and self.starts[place + 1] - self.ends[place] == 1
            and self.flat[self.ends[place]] in _JOINTS
        )

    def word_at(self, position: int) -> int:
        """Return the place of the first word that begins at or after a position in the text."""
        return bisect_left(self.starts, position)

    def written(self, first: int, end: int) -> str:
        """Return words as they are written in the name."""
        return self.text[self.starts[first] : self.ends[end - 1]]


def tokenize(name: Name) -> list[Token]:
    """Return the tokens of a name from left to right; two may share a word ("BD1080p")."""
    tokens: list[Token] = []
    free = 0  # the first word that no token has
    for place, word in enumerate(name.words):
        if place < free:
            continue
        branch = VOCABULARY.get(word)
        if branch is not None:
            free = _read_known(name, place, branch, tokens)
        if free <= place and not word.isalpha():
            free = _read_numbered(name, place, tokens)
    return tokens


def by_kind(tokens: Iterable[Token]) -> dict[TokenKind, list[Token]]:
    """Return tokens by their kinds, in the order of the name."""
    found: dict[TokenKind, list[Token]] = {}
    for token in tokens:
        if token.kind in found:
            found[token.kind].append(token)
        else:
            found[token.kind] = [token]
    return found


def _read_known(name: Name, first: int, branch: Branch, tokens: list[Token]) -> int:
    """Add the token of the longest row in the vocabulary that begins at a word; where it ends, or `first`."""
    meaning, end, place = branch.meaning, first + 1, first
    while branch.followers and name.is_joined(place):
        place += 1
        follower = branch.followers.get(name.words[place])
        if follower is None:
            break
        branch = follower
        if branch.meaning is not None:
            meaning, end = branch.meaning, place + 1
    if meaning is None:
        return first
    kind, value, is_strong = meaning
    if kind is Kind.EDITION_HEAD:
        return _read_edition(name, first, end, tokens, bare=value)
    if value == COUNTED:
        if not name.is_joined(end - 1) or not _COUNT.fullmatch(name.words[end]):
            return first
        if kind is Kind.SEASON and _is_year(name.words[end]):
            return first  # "Open Season 2006"
        value, end = name.words[end], end + 1
    elif kind is Kind.SUBTITLES:
        end = _end_of_subtitles(name, end)
    tokens.append(Token(kind, value, first, end, is_strong))
    return end


def _read_edition(name: Name, first: int, end: int, tokens: list[Token], *, bare: str) -> int:
    """Add an edition: a kind with its noun ("Final Cut"), or a kind that needs none; where it ends, or `first`.

    `bare` is the kind of token that its words are without a noun, "" for none.
    """
    noun = _edition_noun(name, first, end)
    if noun < 0 and not bare:
        return first
    if name.words[first] == "anniversary":
        if first > 0 and name.words[first - 1][0].isdecimal():
            first -= 1
        elif noun < 0:
            return first
    if noun >= 0:
        bare, end = Kind.EDITION, noun + 1
    tokens.append(Token(TokenKind(bare), "", first, end, False))
    return end


def _edition_noun(name: Name, first: int, place: int) -> int:
    """Return where the noun of an edition's kind is, after other kinds and at most one word; -1 if there is none.

    So "Extended Director's Cut" and "Ultimate Rekall Edition" are one, but not the words around the year in
    "The.Hunter.1980.Extended.Cut".
    """
    has_spare = True
    while place - first < 6 and name.is_joined(place - 1):
        word = name.words[place]
        if word in _EDITION_NOUNS:
            return place
        branch = VOCABULARY.get(word)
        if branch is None and word != "s":
            if not has_spare or word.isdecimal():
                break
            has_spare = False
        elif branch is not None and (branch.meaning is None or branch.meaning.kind is not Kind.EDITION_HEAD):
            break
        place += 1
    return -1


def _end_of_subtitles(name: Name, end: int) -> int:
    """Pass the codes of the subtitles' languages, which are not spoken."""
    words = name.words
    while end < len(words) and name.starts[end] - name.ends[end - 1] <= 2:
        if words[end] not in LANGUAGE_CODES and words[end] not in SHORT_LANGUAGE_CODES:
            break
        end += 1
    return end


def _read_numbered(name: Name, place: int, tokens: list[Token]) -> int:
    """Add the tokens of a word with digits, by its shape; where they end, or `place`."""
    word, end = name.words[place], place + 1
    if word.isdecimal():
        return _read_number(name, place, tokens)
    match = _NUMBERED.fullmatch(word)
    if match is None:
        return place
    shape = match.lastgroup
    if shape == "lines":
        _read_glued(match["before"], place, tokens)
        tokens.append(Token(Kind.RESOLUTION, match["lines"], place, end, True))
    elif shape == "after":
        _read_glued(match["after"], place, tokens)
        tokens.append(Token(Kind.RESOLUTION, match["glued"], place, end, True))
    elif shape == "twice":
        tokens.append(Token(Kind.AUDIO, _SOUNDS[match["twice"]], place, end, True))
    elif shape in ("front", "low"):
        return _read_sound(name, match, place, tokens)
    elif shape == "language":
        spoken = LANGUAGE_WORDS.get(match["language"]) or LANGUAGE_CODES.get(match["language"])
        if spoken is None:
            return place
        tokens.append(Token(Kind.LANGUAGE, spoken, place, end, False))
    elif shape is not None and not (shape == "episode" and place == 0 and word[0].isdecimal()):  # "10x10"
        kind, is_strong = _SHAPES[shape]
        tokens.append(Token(kind, match[shape], place, end, is_strong))
    return end


_SOUNDS = {"dts": "dts", "ac3": "dd", "dd": "dd", "ddp": "dd+", "aac": "aac", "flac": "flac"}
_SHAPES: dict[str, tuple[TokenKind, bool]] = {
    "size": (Kind.RESOLUTION, True),
    "episode": (Kind.EPISODE, True),
    "season": (Kind.SEASON, False),
    "repair": (Kind.REVISION, True),
    "version": (Kind.REVISION, False),
    "imdb": (Kind.IMDB_ID, True),
    "tmdb": (Kind.TMDB_ID, True),
    "several": (Kind.CHANNELS, False),
}


def _read_glued(before: str | None, place: int, tokens: list[Token]) -> None:
    """Add the source that a resolution is glued to ("Bluray2160p", "1080pBluRay")."""
    branch = VOCABULARY.get(before) if before else None
    if branch is not None and branch.meaning is not None and branch.meaning.kind is Kind.SOURCE:
        kind, value, is_strong = branch.meaning
        tokens.append(Token(kind, value, place, place + 1, is_strong))


def _read_sound(name: Name, match: re.Match[str], place: int, tokens: list[Token]) -> int:
    """Add a codec with its channels: "DDP5.1" is two words, "DD51" one."""
    end, low = place + 1, match["low"]
    if low is None:
        if not (name.is_joined(place) and name.words[end] in _LOW_CHANNELS):
            return place
        low, end = name.words[end], end + 1
    branch = VOCABULARY.get(match["sound"])
    if branch is not None and branch.meaning is not None:
        tokens.append(Token(Kind.AUDIO, branch.meaning.value, place, place + 1, True))
    tokens.append(Token(Kind.CHANNELS, f"{match['front']}.{low}", place, end, False))
    return end


def _read_number(name: Name, place: int, tokens: list[Token]) -> int:
    """Add a year, a date (of an episode) or channels ("5.1", also after the dots were lost)."""
    words = name.words
    word = words[place]
    if len(word) == 4:
        if not _is_year(word):
            return place
        if _is_date(name, place):
            tokens.append(Token(Kind.EPISODE, "", place, place + 3, True))
            return place + 3
        tokens.append(Token(Kind.YEAR, word, place, place + 1, False))
        return place + 1
    if len(word) == 1 and word != "0" and name.is_joined(place) and words[place + 1] in _LOW_CHANNELS:
        tokens.append(Token(Kind.CHANNELS, f"{word}.{words[place + 1]}", place, place + 2, False))
        return place + 2
    return place


def _is_year(word: str) -> bool:
    return len(word) == 4 and FIRST_YEAR <= int(word) <= LAST_YEAR


def _is_date(name: Name, year: int) -> bool:
    return (
        name.is_joined(year)
        and name.words[year + 1] in _MONTHS
        and name.is_joined(year + 1)
        and name.words[year + 2] in _DAYS
    )
