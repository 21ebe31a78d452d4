"""File and folder names in the library: patterns with tokens, and names that every file system takes.

A token stands in braces. What else is inside the braces vanishes with an empty value (`{-Release Group}`), and the
token's own case and separator shape the value (`{movie.title}`). Braces around a token stay: `{tmdb-{TmdbId}}`.
"""

import re
import unicodedata
from collections.abc import Mapping

from movies.errors import BadPattern, did_you_mean
from movies.quality import Quality, Revision

TOKENS = (
    "Movie Title",
    "Release Year",
    "Quality Full",
    "TmdbId",
    "ImdbId",
    "Release Group",
    "Edition Tags",
)
MAXIMUM_NAME_BYTES = 255

_BRACES = re.compile(r"\{([^{}]*)\{([^{}]*)\}([^{}]*)\}|\{([^{}]*)\}")
_NOT_IN_NAMES = str.maketrans({"/": "+", "\\": "+", "?": "!", "*": "-", '"': None, "<": None, ">": None, "|": None})
# Control, format (bidi marks, zero width), surrogate, line and paragraph separator: nothing a name should hide.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_RESERVED_BY_DOS = re.compile(r"(con|prn|aux|nul|(?:com|lpt)[1-9¹²³])(?=\.|$)", re.IGNORECASE)
_EXTENSION = re.compile(r"(?<=.)\.[A-Za-z0-9]{1,10}$")
_SPACES = re.compile(r"\s+")
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")

_CANONICAL_TOKENS = {re.sub(r"[^a-z]", "", token.lower()): token for token in TOKENS}


def render(pattern: str, values: Mapping[str, str | int | None]) -> str:
    """Fill a pattern's tokens from `values` (keyed as in `TOKENS`; missing, `None` and "" are empty).

    Raises `BadPattern` for a token nobody knows. Brackets left empty vanish. The result is no safe name yet.
    """

    def fill(match: re.Match[str]) -> str:
        before, inner, after, plain = match.groups()
        if plain is not None:
            return _fill_token(plain, values)
        filled = _fill_token(inner, values)
        return f"{{{before}{filled}{after}}}" if filled else ""

    return _SPACES.sub(" ", _EMPTY_BRACKETS.sub("", _BRACES.sub(fill, pattern))).strip()


def quality_full(quality: Quality, revision: Revision) -> str:
    """Return the quality's name with its revision, as in "Bluray-1080p Proper" or "WEBDL-720p REAL"."""
    proper = " Proper" if revision.version > 1 else ""
    real = " REAL" if revision.real else ""
    return f"{quality.name}{proper}{real}"


def safe_component(name: str) -> str:
    """Return one path element that every common file system takes, at most 255 bytes of UTF-8.

    Never empty, "." or "..": what cannot be kept becomes "_". A short extension survives the cut. Idempotent.
    """
    visible = "".join(c for c in unicodedata.normalize("NFC", name) if _is_visible(c))
    text = visible.replace(": ", " - ").replace(":", "-").translate(_NOT_IN_NAMES)
    text = unicodedata.normalize("NFC", _SPACES.sub(" ", text)).lstrip(" .").rstrip(" .")
    text = _RESERVED_BY_DOS.sub(r"\1_", text, count=1) if _RESERVED_BY_DOS.match(text) else text
    return _cut(text) or "_"


def movie_folder(pattern: str, values: Mapping[str, str | int | None]) -> str:
    """Return a movie's folder relative to its root, "/" between levels; raises `BadPattern`."""
    return "/".join(safe_component(render(level, values)) for level in pattern.split("/") if level.strip()) or "_"


def movie_file(pattern: str, values: Mapping[str, str | int | None], *, extension: str) -> str:
    """Return a movie's file name; `extension` with its dot, as in ".mkv". Raises `BadPattern`."""
    return safe_component(f"{render(pattern, values)}{extension.lower()}")


def _fill_token(inside: str, values: Mapping[str, str | int | None]) -> str:
    """Fill what stood between two braces: prefix, token, suffix."""
    name = re.sub(r"^[^A-Za-z]+|[^A-Za-z]+$", "", inside)
    token = _CANONICAL_TOKENS.get(re.sub(r"[^a-z]", "", name.lower()))
    prefix, _, suffix = inside.partition(name) if name else ("", "", "")
    if token is None or any(c.isalnum() for c in prefix + suffix):
        raise BadPattern(f"{{{inside}}} is no naming token{did_you_mean(name, TOKENS)}")
    value = values.get(token)
    if value is None or value == "":
        return ""
    return f"{prefix}{_shaped(str(value), name)}{suffix}"


def _shaped(value: str, name: str) -> str:
    """Give a value the case and the separator in which its token was written."""
    separator = next((c for c in name if not c.isalnum()), " ")
    if name.islower():
        value = value.lower()
    elif name.isupper():
        value = value.upper()
    return value if separator == " " else value.replace(" ", separator)


def _is_visible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) not in _INVISIBLE


def _cut(text: str) -> str:
    """Cut to the bytes a name may have, on a character's boundary, keeping the extension."""
    if len(text.encode()) <= MAXIMUM_NAME_BYTES:
        return text
    match = _EXTENSION.search(text)
    extension = match[0] if match else ""
    stem = text.removesuffix(extension).encode()[: MAXIMUM_NAME_BYTES - len(extension)]
    return (stem.decode(errors="ignore").rstrip(" .") + extension).rstrip(" .")
