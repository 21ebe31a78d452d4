"""From the tokens of a release name to its quality and revision."""

import re
from collections.abc import Sequence

from movies.quality import QUALITIES, UNKNOWN, Modifier, Quality, Revision, Source
from movies.tokens import Kind, Token

# token value: source, modifier, lines assumed when the name gives none
_SOURCES: dict[str, tuple[Source, Modifier, int]] = {
    "workprint": (Source.WORKPRINT, Modifier.NONE, 0),
    "cam": (Source.CAM, Modifier.NONE, 0),
    "telesync": (Source.TELESYNC, Modifier.NONE, 0),
    "telecine": (Source.TELECINE, Modifier.NONE, 0),
    "screener": (Source.DVD, Modifier.SCREENER, 480),
    "regional": (Source.DVD, Modifier.REGIONAL, 480),
    "dvdr": (Source.DVD, Modifier.REMUX, 480),
    "dvd": (Source.DVD, Modifier.NONE, 0),
    "sdtv": (Source.TV, Modifier.NONE, 480),
    "hdtv": (Source.TV, Modifier.NONE, 480),
    "rawhd": (Source.TV, Modifier.RAWHD, 1080),
    "webrip": (Source.WEBRIP, Modifier.NONE, 480),
    "webdl": (Source.WEBDL, Modifier.NONE, 480),
    "bdrip": (Source.BLURAY, Modifier.NONE, 480),
    "bluray": (Source.BLURAY, Modifier.NONE, 720),
    "hddvd": (Source.BLURAY, Modifier.NONE, 720),
    "bdremux": (Source.BLURAY, Modifier.REMUX, 1080),
}
_LADDER = {(q.source, q.resolution, q.modifier): q for q in QUALITIES.values()}
# These have one rung each, whatever the picture's size.
_ANY_RESOLUTION = frozenset({Source.WORKPRINT, Source.CAM, Source.TELESYNC, Source.TELECINE, Source.DVD})
_DISC_CODECS = frozenset({"avc", "vc1", "mpeg2"})
_ENCODE_CODECS = frozenset({"x264", "x265", "xvid", "av1"})
_BY_EXTENSION = {
    ".avi": "SDTV",
    ".divx": "SDTV",
    ".mpg": "SDTV",
    ".mpeg": "SDTV",
    ".wmv": "SDTV",
    ".ts": "SDTV",
    ".mkv": "HDTV-720p",
    ".mk3d": "HDTV-720p",
    ".vob": "DVD",
    ".iso": "BR-DISK",
    ".m2ts": "Bluray-720p",
}


def quality_of(tokens: Sequence[Token], *, extension: str = "") -> Quality:
    """Judge a release by its tokens, and by its file's extension (".mkv", "" for none) when they say nothing."""
    word = _source_word(tokens)
    lines = _lines(tokens)
    codecs = {token.value for token in tokens if token.kind is Kind.CODEC}
    if _is_disc(tokens, word, codecs):
        return QUALITIES["BR-DISK"]
    if word == "hdtv" and "mpeg2" in codecs and _has(tokens, Kind.RESOLUTION, "1080i"):
        return QUALITIES["Raw-HD"]
    is_remux = word == "bdremux" or _has(tokens, Kind.REMUX) or _is_german_remux(tokens, word, codecs)
    if word is None:
        return _without_source(lines, codecs, is_remux=is_remux, extension=extension)
    source, modifier, assumed_lines = _SOURCES[word]
    if source is Source.BLURAY and "xvid" in codecs:
        assumed_lines = 480
    if is_remux and source is Source.BLURAY:
        modifier, assumed_lines = Modifier.REMUX, 1080
    if is_remux and source is Source.DVD and modifier is Modifier.NONE:
        modifier = Modifier.REMUX
    return _rung(source, lines or assumed_lines, modifier)


def revision_of(tokens: Sequence[Token], name: str) -> Revision:
    """Count repairs: PROPER and REPACK are version 2, REPACK2 and v3 version 3; REAL counts in capitals only."""
    version, real, is_repack = 1, 0, False
    for token in tokens:
        if token.kind is not Kind.REVISION:
            continue
        if token.value == "real":
            real += name[token.start : token.end] == "REAL"
            continue
        digits = token.value.lstrip("abcdefghijklmnopqrstuvwxyz")
        is_repack |= token.value.startswith("re")
        repaired = int(digits or 1) + (0 if token.value.startswith("v") else 1)
        version = max(version, repaired)
    return Revision(version=version, real=real, is_repack=is_repack)


def _source_word(tokens: Sequence[Token]) -> str | None:
    """Return the first unmistakable source, else the first that might be a word."""
    sources = [token for token in tokens if token.kind is Kind.SOURCE]
    strong = [token for token in sources if token.is_strong]
    return (strong or sources)[0].value if sources else None


def _lines(tokens: Sequence[Token]) -> int:
    """Return the height the name states, as one of the ladder's; 0: none."""
    stated = [token.value for token in tokens if token.kind is Kind.RESOLUTION]
    exact = [value for value in stated if value != "uhd"]
    if not exact:
        return 2160 if stated else 0
    numbers = [int(number) for number in re.findall(r"\d+", exact[0])]
    height = numbers[0] if len(numbers) == 1 else max(numbers[1], numbers[0] * 9 // 16)
    for lowest, lines in ((1500, 2160), (1000, 1080), (700, 720), (560, 576)):
        if height >= lowest:
            return lines
    return 480


def _is_disc(tokens: Sequence[Token], word: str | None, codecs: set[str]) -> bool:
    """Recognise a copied disc: it says so, or it has the disc's codec and nobody encoded or remuxed it."""
    if _has(tokens, Kind.REMUX) or word == "bdremux":
        return False
    if _has(tokens, Kind.DISC) and word not in ("dvd", "dvdr"):
        return codecs.isdisjoint(_ENCODE_CODECS) or not _has(tokens, Kind.RESOLUTION)
    is_untouched = not codecs.isdisjoint(_DISC_CODECS) and codecs.isdisjoint(_ENCODE_CODECS)
    return word in ("bluray", "hddvd") and is_untouched and not _is_german_remux(tokens, word, codecs)


def _is_german_remux(tokens: Sequence[Token], word: str | None, codecs: set[str]) -> bool:
    """German groups write "German.DL.1080p.BluRay.AVC" for a remux with a second sound track."""
    is_dubbed = _has(tokens, Kind.LANGUAGE, "German") and _has(tokens, Kind.SEVERAL_LANGUAGES)
    return is_dubbed and word == "bluray" and not codecs.isdisjoint(_DISC_CODECS)


def _without_source(lines: int, codecs: set[str], *, is_remux: bool, extension: str) -> Quality:
    """Guess as Radarr does: a remux is of a disc, other pictures are from television."""
    if is_remux and lines:
        return _rung(Source.BLURAY, lines, Modifier.REMUX)
    if lines:
        return _rung(Source.TV, lines, Modifier.NONE)
    if "xvid" in codecs:
        return QUALITIES["SDTV"]
    return QUALITIES.get(_BY_EXTENSION.get(extension, ""), UNKNOWN)


def _rung(source: Source, lines: int, modifier: Modifier) -> Quality:
    """Return the ladder's quality nearest to the facts: without the modifier, then with fewer lines."""
    if source in _ANY_RESOLUTION:
        lines = 0 if modifier is Modifier.NONE else 480
    for candidate_modifier in (modifier, Modifier.NONE):
        for candidate_lines in (lines, 480 if lines < 720 else lines):
            quality = _LADDER.get((source, candidate_lines, candidate_modifier))
            if quality is not None:
                return quality
    return UNKNOWN


def _has(tokens: Sequence[Token], kind: Kind, value: str | None = None) -> bool:
    return any(token.kind is kind and value in (None, token.value) for token in tokens)
