"""From the tokens of a release name to its quality and revision."""

import re
from collections.abc import Sequence

from movies.quality import QUALITIES, UNKNOWN, Modifier, Quality, Revision, Source
from movies.tokens import Name, Tail, Token
from movies.vocabulary import Kind

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
    "hrtv": (Source.TV, Modifier.NONE, 720),
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
_ENCODE_CODECS = frozenset({"x264", "x265", "h264", "h265", "hevc", "xvid", "divx", "av1", "vp9"})
_OLD_CODECS = frozenset({"xvid", "divx"})
_SMALL_CODECS = _OLD_CODECS | {"x264"}  # with neither source nor size: from before there were larger pictures
_BY_EXTENSION = {
    ".avi": "SDTV",
    ".divx": "SDTV",
    ".mpg": "SDTV",
    ".mpeg": "SDTV",
    ".wmv": "SDTV",
    ".ts": "SDTV",
    ".mp4": "SDTV",
    ".m4v": "SDTV",
    ".mov": "SDTV",
    ".flv": "SDTV",
    ".rmvb": "SDTV",
    ".mkv": "HDTV-720p",
    ".mk3d": "HDTV-720p",
    ".vob": "DVD",
    ".iso": "DVD",
    ".m2ts": "Bluray-720p",
}
_NUMBER = re.compile(r"\d+")


def quality_of(name: Name, tail: Tail, *, extension: str = "") -> Quality:
    """Judge a release by its tokens, and by its file's extension (".mkv", "" for none) when they say nothing."""
    sources = tail.get(Kind.SOURCE, ())
    word = _source_word(sources)
    lines = _lines(tail.get(Kind.RESOLUTION, ()))
    codecs = {token.value for token in tail.get(Kind.CODEC, ())}
    is_german_dub = Kind.LANGUAGE in tail and any(t.value == "German" for t in tail[Kind.LANGUAGE])
    is_remux = word == "bdremux" or Kind.REMUX in tail
    if not is_remux and word == "bluray" and is_german_dub and not codecs.isdisjoint(_DISC_CODECS):
        is_remux = Kind.DISC not in tail  # German groups write "German.DL.1080p.BluRay.AVC" for a remux
    if not is_remux and _is_disc(tail, word, codecs, lines, is_dubbed=is_german_dub):
        return QUALITIES["BR-DISK"]
    if word == "hdtv" and "mpeg2" in codecs:
        return QUALITIES["Raw-HD"]
    if word is None:
        is_540 = any(t.value == "540p" for t in tail.get(Kind.RESOLUTION, ()))
        return _without_source(lines, codecs, is_remux=is_remux, is_540=is_540, extension=extension)
    source, modifier, assumed_lines = _SOURCES[word]
    if source is Source.BLURAY and not codecs.isdisjoint(_OLD_CODECS):
        assumed_lines = 480
    if is_remux and source is Source.BLURAY:
        modifier, assumed_lines = Modifier.REMUX, 1080
    if is_remux and source is Source.DVD and modifier is Modifier.NONE:
        modifier = Modifier.REMUX
    if not lines and any(name.words[t.first].startswith("uhd") for t in sources):
        lines = 2160
    return _rung(source, lines or assumed_lines, modifier)


def revision_of(name: Name, tail: Tail) -> Revision:
    """Count repairs: PROPER and REPACK are version 2, REPACK2 and v3 version 3; REAL counts in capitals only."""
    repairs = tail.get(Kind.REVISION)
    if repairs is None:
        return _FIRST
    version, real, is_repack = 1, 0, False
    for token in repairs:
        if token.value == "real":
            real += name.written(token.first, token.end) == "REAL"
            continue
        if token.value[0] == "v":
            if _is_of_a_file(name, token, tail):
                version = max(version, int(token.value[-1]))
            continue
        number = token.value[-1]
        version = max(version, 1 + (int(number) if number.isdecimal() else 1))
        is_repack |= token.value.startswith("re")
    return Revision(version=version, real=real, is_repack=is_repack)


_FIRST = Revision()


def _is_of_a_file(name: Name, token: Token, tail: Tail) -> bool:
    """Say whether "v2" counts files ("07v2", "[v2]", "HDRip.V2") and is not the last word of a title."""
    before = name.words[token.first - 1] if token.first else ""
    return (
        len(name.words[token.first]) > 2
        or before[-1:].isdecimal()
        or name.flat[name.starts[token.first] - 1 : name.starts[token.first]] == "["
        or any(other.end == token.first for others in tail.values() for other in others)
    )


def _source_word(sources: Sequence[Token]) -> str | None:
    """Return the last unmistakable source, else the last that might be a word."""
    for token in reversed(sources):
        if token.is_strong:
            return token.value
    return sources[-1].value if sources else None


def _lines(resolutions: Sequence[Token]) -> int:
    """Return the height the name states, as one of the ladder's; 0: none."""
    for token in resolutions:
        if token.value != "uhd":
            return _LINES.get(token.value) or _nearest_lines(token.value)
    return 2160 if resolutions else 0


_LINES = {"2160p": 2160, "1080p": 1080, "720p": 720, "576p": 576, "480p": 480}


def _nearest_lines(stated: str) -> int:
    numbers = [int(number) for number in _NUMBER.findall(stated)]
    height = numbers[0] if len(numbers) == 1 else max(numbers[1], numbers[0] * 9 // 16)
    for lowest, lines in ((1500, 2160), (1000, 1080), (700, 720), (560, 576)):
        if height >= lowest:
            return lines
    return 480


def _is_disc(tail: Tail, word: str | None, codecs: set[str], lines: int, *, is_dubbed: bool) -> bool:
    """Recognise a copied disc: it says so, or it has the disc's codec and nobody encoded it."""
    if lines == 720:  # no disc has such a picture
        return False
    said = {token.value for token in tail.get(Kind.DISC, ())}
    if "disc" in said and word not in ("dvd", "dvdr"):
        return codecs.isdisjoint(_ENCODE_CODECS) or Kind.RESOLUTION not in tail
    if word not in ("bluray", "hddvd"):
        return False
    if said and codecs.isdisjoint(_ENCODE_CODECS):
        return True
    if codecs == {"hevc"}:  # of a UHD disc; smaller pictures in HEVC are encodes
        return lines == 2160 and not is_dubbed
    return not codecs.isdisjoint(_DISC_CODECS) and codecs.isdisjoint(_ENCODE_CODECS)


def _without_source(lines: int, codecs: set[str], *, is_remux: bool, is_540: bool, extension: str) -> Quality:
    """Guess as Radarr does: a remux is of a disc, other pictures are from television."""
    if is_remux and lines:
        return _rung(Source.BLURAY, lines, Modifier.REMUX)
    if is_540:
        return QUALITIES["WEBDL-480p"]  # neither discs nor television have 540 lines
    if lines:
        return _rung(Source.TV, lines, Modifier.NONE)
    if not codecs.isdisjoint(_SMALL_CODECS):
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
