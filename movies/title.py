"""Titles as keys: two spellings of one title share a key, two titles do not.

Accents are dropped where groups drop them (Latin, Greek, Cyrillic); the marks of other scripts make other letters.
"""

import re
import unicodedata
from functools import lru_cache

# Letters that Unicode does not decompose, as release names spell them.
_SPELLED_OUT = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "æ": "ae",
        "œ": "oe",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "\u0131": "i",
        "&": " and ",
        "'": None,
        "`": None,
        "\u2018": None,
        "\u2019": None,
        "\u02bc": None,
    }
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_ACCENTS = re.compile("[\u0300-\u036f]+")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv")
_ARABIC = {numeral: str(number) for number, numeral in enumerate(_ROMAN, start=1)}
_NUMBER_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SPELLED_NUMBER = {word: str(number) for number, word in enumerate(_NUMBER_WORDS, start=1)}
_COUNTED = {"part": "part", "pt": "part", "vol": "vol", "volume": "vol", "chapter": "chapter", "episode": "episode"}
# Groups drop these at will, but never at the beginning or end, where they tell titles apart ("The Ring", "Ring").
_ARTICLES = frozenset({"a", "an", "the"})
_SMALL_WORDS = _ARTICLES | {"and", "or", "of"}
_FOLDED = _SMALL_WORDS | _ARABIC.keys() | _COUNTED.keys()
_WORD = re.compile(r"[a-z0-9]+")
_TRAILING_ARTICLE = re.compile(r"^([^,]+), (the|a|an)$")


def clean_title(title: str) -> str:
    """Return letters and digits only: no case, accents, punctuation, inner small words; numerals are arabic.

    Empty when the title has neither letter nor digit.
    """
    return _key(_words(title.casefold()))


@lru_cache(maxsize=1 << 14)
def title_keys(title: str) -> frozenset[str]:
    """Return the keys under which a title is looked for: those of `exact_keys`, and without its first article.

    Groups leave out the article of a long title ("American Werewolf in London"); a single word is another title without
    it ("The Ring", "Ring").
    """
    keys = exact_keys(title)
    bare = {_key(words[1:]) for words in _spellings(title) if words[0] in _ARTICLES and len(words) > 2}
    return keys | bare if bare else keys


@lru_cache(maxsize=1 << 14)
def exact_keys(title: str) -> frozenset[str]:
    """Return the keys of a title: it is another's when they share one. Empty like `clean_title`.

    "Göthe" is "gothe" and "goethe"; "Ring, The", also without its comma, is "The Ring".
    """
    keys = set()
    for words in _spellings(title):
        keys.add(_key(words))
        if words[-1] == "the":
            keys.add(_key(["the", *words[:-1]]))
    return frozenset(keys)


def _spellings(title: str) -> list[list[str]]:
    """Return the title's words, and those with its umlauts written as two letters; none without letter or digit."""
    folded = title.casefold()
    words = [_words(folded)]
    if not folded.isascii():
        words.append(_words(unicodedata.normalize("NFC", folded).translate(_UMLAUTS)))
    return [spelling for spelling in words if spelling]


def _words(folded: str) -> list[str]:
    text = folded.translate(_SPELLED_OUT).strip()
    if "," in text:
        text = _TRAILING_ARTICLE.sub(r"\2 \1", text)
    if text.isascii():
        return _WORD.findall(text)
    decomposed = unicodedata.normalize("NFKD", text)
    text = unicodedata.normalize("NFKC", _ACCENTS.sub("", decomposed)).casefold()
    return "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text).split()


def _key(words: list[str]) -> str:
    if _FOLDED.isdisjoint(words):
        return "".join(words)
    return "".join(_folded(words, place) for place in range(len(words)))


def _folded(words: list[str], place: int) -> str:
    """Return what one word adds to the key: nothing for an inner small word, a number for a numeral."""
    word = words[place]
    if place == 0:
        return word  # "X-Men", "V for Vendetta"
    if len(word) == 1 and any(len(w) == 1 and w.isalpha() for w in (words[place - 1], *words[place + 1 : place + 2])):
        return word  # a letter of an acronym: "S.W.A.T.", "R.I.P.D."
    if word in _SMALL_WORDS:
        return "" if place < len(words) - 1 else word
    if words[place - 1] in _COUNTED and word in _SPELLED_NUMBER:
        return _SPELLED_NUMBER[word]
    return _ARABIC.get(word) or _COUNTED.get(word, word)
