"""Names that are no movie's release: series, samples, and words that mean nothing."""

import re
from collections.abc import Sequence

from movies.tokens import Name, Tail, Token
from movies.vocabulary import Kind

_HEX = re.compile(r"[0-9a-f]{12,}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COUNTED = re.compile(r"backup_\d{5,}s\d{2}-\d{2}|\d{6}_\d{2}", re.IGNORECASE)
_LETTERS_AND_COUNT = re.compile(r"[a-z]{11,}\d{3}")
_TYPED = frozenset({"abc", "123"})  # what people call a post that must not be found
# "[Group] Title - 07 [1080p]": how groups number the episodes of a series
_NUMBERED = re.compile(r"\[[^\[\]]{1,60}\][^\[\]()]{1,200} - \d{2,3}(?:v\d)?(?: ?[\[(].*)?")


def is_obfuscated(name: Name) -> bool:
    """Recognise hashes and random words: no spaces, and letters mixed with digits or cases as no title mixes them."""
    words = name.words
    if len(words) > 3:
        return len(words) == 5 and _UUID.fullmatch(name.flat) is not None
    last = words[-1]
    is_mixed = not last.isdecimal() and not last.isalpha()
    if len(words) > 1:
        is_long = len(words[0]) >= 32 and not words[0].isalpha()
        return is_long or _COUNTED.fullmatch(name.text) is not None or (is_mixed and _HEX.fullmatch(last) is not None)
    if last in _TYPED:
        return True
    if not last.isalpha():
        return len(last) >= (16 if is_mixed else 8) or _LETTERS_AND_COUNT.fullmatch(last) is not None
    word = name.written(0, 1)
    return len(word) >= 24 and not (word.istitle() or word.isupper())


def is_series(name: Name, tokens: Sequence[Token], tail: Tail) -> bool:
    """Say whether a name is an episode's or a season's; "Open Season 2 (2008)" is a movie, so a later year excuses."""
    if Kind.EPISODE in tail:
        return True
    seasons = [token.first for token in tokens if token.kind is Kind.SEASON]
    if not seasons and name.text[0] != "[":
        return False
    last_year = max((token.first for token in tokens if token.kind is Kind.YEAR), default=-1)
    technical = min((token.first for token in tokens if token.is_strong), default=len(name.words))
    if any(last_year < season < technical for season in seasons):
        return True
    return last_year < 0 and _NUMBERED.fullmatch(name.text) is not None


def is_sample(name: Name, tail: Tail, *, is_file: bool) -> bool:
    """Recognise a sample: it says so after the title, before a hyphen at the beginning, or at the end of a file."""
    if Kind.SAMPLE in tail:
        return True
    if name.words[-1] == "sample" and is_file and name.text[name.starts[-1] - 1] in ".-":
        return True
    return name.words[0] == "sample" and (len(name.words) == 1 or name.text[name.ends[0]] == "-")
