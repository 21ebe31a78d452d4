"""Titles as keys: two spellings of one title compare equal, two titles do not."""

import re
import unicodedata

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
        "\u2019": "'",
        "`": "'",
    }
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv")
_ARABIC = {numeral: str(number) for number, numeral in enumerate(_ROMAN, start=1)}
# Groups drop these at will, but never at the beginning or end, where they tell titles apart ("The Ring", "Ring").
_SMALL_WORDS = frozenset({"a", "an", "the", "and", "or", "of"})
_WORD = re.compile(r"[^\W_]+")
_TRAILING_ARTICLE = re.compile(r"^([^,]+), (the|a|an)$")


def clean_title(title: str) -> str:
    """Return letters and digits only: no case, accents, punctuation, inner small words; numerals are arabic.

    Empty when the title has neither letter nor digit.
    """
    folded = title.casefold().translate(_SPELLED_OUT).replace("'", "")
    letters = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c)).casefold()
    words: list[str] = _WORD.findall(_TRAILING_ARTICLE.sub(r"\2 \1", letters.strip()))
    return "".join(_folded(words, place) for place in range(len(words)))


def _folded(words: list[str], place: int) -> str:
    """Return what one word adds to the key: nothing for an inner small word, a number for a numeral."""
    word, neighbours = words[place], words[max(place - 1, 0) : place + 2]
    if len(word) == 1 and sum(len(neighbour) == 1 for neighbour in neighbours) > 1:
        return word  # a letter of an acronym: "S.W.A.T.", "R.I.P.D."
    if word in _SMALL_WORDS and 0 < place < len(words) - 1:
        return ""
    return _ARABIC.get(word, word)


def is_same_title(one: str, other: str) -> bool:
    """Say whether two spellings name one title; "Göthe", "Gothe" and "Goethe" are the same."""
    return not _keys(one).isdisjoint(_keys(other))


def _keys(title: str) -> set[str]:
    composed = unicodedata.normalize("NFC", title)
    return {clean_title(composed), clean_title(composed.translate(_UMLAUTS))} - {""}
