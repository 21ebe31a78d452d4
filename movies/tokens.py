"""The words of release names: one table of rules, compiled into one lexer that runs over a name once.

The lexer reads a flattened copy of the name: lower case, separators as spaces, of the same length, so that positions
carry over. In the rules "~" stands for an optional separator. Rules are tried in order at each word's start; none
repeats without a bound, so the lexer is linear in the length of the name.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from movies.languages import LANGUAGE_CODES, LANGUAGE_WORDS, SHORT_LANGUAGE_CODES


class Kind(StrEnum):
    """What a token tells about a release."""

    IMDB_ID = "imdb_id"
    TMDB_ID = "tmdb_id"
    EPISODE = "episode"
    SEASON = "season"
    YEAR = "year"
    RESOLUTION = "resolution"
    SOURCE = "source"
    REMUX = "remux"
    DISC = "disc"
    CODEC = "codec"
    AUDIO = "audio"
    DYNAMIC_RANGE = "dynamic_range"
    REVISION = "revision"
    EDITION = "edition"
    LANGUAGE = "language"
    LANGUAGE_CODE = "language_code"
    SHORT_LANGUAGE_CODE = "short_language_code"
    SEVERAL_LANGUAGES = "several_languages"
    HARDCODED_SUBS = "hardcoded_subs"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """One recognised stretch of a name.

    `value` is the rule's value, or the flattened text where the rule has none. A strong token is no word of any
    language, so a title cannot contain it; a weak one means something only after the title.
    """

    kind: Kind
    value: str
    start: int
    end: int
    is_strong: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRule:
    """How one token is written; `value` "" takes the flattened text, `meanings` translates it."""

    kind: Kind
    pattern: str
    value: str = ""
    is_strong: bool = True
    meanings: Mapping[str, str] | None = None


def _one_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


def _strong(kind: Kind, value: str, pattern: str) -> TokenRule:
    return TokenRule(kind=kind, value=value, pattern=pattern)


def _weak(kind: Kind, value: str, pattern: str) -> TokenRule:
    return TokenRule(kind=kind, value=value, pattern=pattern, is_strong=False)


def _language(kind: Kind, words: Mapping[str, str], prefix: str = "") -> TokenRule:
    meanings = {word.replace("~", ""): name for word, name in words.items()}
    return TokenRule(kind=kind, pattern=f"{prefix}(?:{_one_of(words)})", is_strong=False, meanings=meanings)


_HEADED = (
    "director'?s?|collector'?s?|extended|theatrical|ultimate|special|final|assembly|imperial|diamond|signature|"
    "international|deluxe|definitive|anniversary|criterion|producer'?s?|rogue|hunter|super|premium|limited"
)
_CODES = _one_of(LANGUAGE_CODES)

RULES: tuple[TokenRule, ...] = (
    _strong(Kind.IMDB_ID, "", r"tt\d{7,8}"),
    _strong(Kind.TMDB_ID, "", r"tmdb(?:id)?[ =-]?\d{1,8}"),
    _strong(Kind.EPISODE, "", r"s\d{1,4}~e\d{1,4}(?:~?(?:e|v)\d{1,4}){0,9}|(?<!^)\d{1,2}x\d{2,3}"),
    _strong(Kind.EPISODE, "", r"(?:19|20)\d\d[ -](?:0[1-9]|1[0-2])[ -](?:0[1-9]|[12]\d|3[01])"),
    _weak(Kind.SEASON, "", r"s\d\d(?:~s?\d\d)?|(?:seasons?|episodes?)~\d{1,3}"),
    _strong(Kind.RESOLUTION, "1080i", r"1080i"),
    _strong(Kind.RESOLUTION, "1080p", r"4kto1080p|fhd"),
    _strong(Kind.RESOLUTION, "2160p", r"4k"),
    _weak(Kind.RESOLUTION, "uhd", r"(?:ultra~hd|uhd)(?=[ -](?:blu|bd|web|hdtv|remux|hdr))"),
    _strong(Kind.RESOLUTION, "", r"\d{3,4}x\d{3,4}"),
    _weak(Kind.YEAR, "", r"(?:18[89]|19\d|20[0-3])\d|204[0-5]"),  # later ones ("2046", "2049") are titles so far
    # picture: cinema and pre-release first, so that "hdcam" is no "hd" of anything
    _strong(Kind.SOURCE, "workprint", r"workprint"),
    _strong(Kind.SOURCE, "cam", r"(?:new ?)?(?:hq|hd)~cam(?:~rip)?|(?:new)?cam~rip|newcam"),
    _strong(Kind.SOURCE, "telesync", r"telesynch?|hd~ts(?:~rip)?|tsrip|p(?:re)?dvd(?:rip)?"),
    _strong(Kind.SOURCE, "telecine", r"telecine|hd~tc(?:~rip)?|tcrip"),
    _strong(Kind.SOURCE, "screener", r"(?:dvd|bd|br|web|hd)~scr(?:eener)?"),
    _strong(Kind.SOURCE, "hddvd", r"hd~dvd(?:rip)?"),
    _strong(Kind.SOURCE, "dvdr", r"(?:\d{1,2}~?x~?)?(?:dvd~r|dvd~?[59])|full~dvd"),
    _strong(Kind.SOURCE, "dvd", r"(?:hd)?dvd~?(?:rip|mux)"),
    _strong(Kind.SOURCE, "rawhd", r"raw~hd"),
    _strong(Kind.SOURCE, "hdtv", r"u?hd~tv(?:~rip)?"),
    _strong(Kind.SOURCE, "sdtv", r"pdtv|sdtv|dsr(?:ip)?|(?:tv|sat|dtv|dvb)~rip|dvb"),
    _strong(Kind.SOURCE, "webrip", r"web~(?:dl)?rip|web~cap|webmux|(?:hd|uhd)~rip"),
    _strong(Kind.SOURCE, "webdl", r"web~dl(?:mux)?|web~hd|itunes~hd|amazonhd|netflix~?u?hd"),
    _strong(Kind.DISC, "disc", r"bd~iso|bd~?(?:25|50|66|100)|bd~full|bd~dis[ck]|bdmv|video ts"),
    _strong(Kind.DISC, "disc", r"(?:complete|full)~(?:uhd~)?blu~ray|blu~ray~iso"),
    _strong(Kind.SOURCE, "bdremux", r"(?:uhd~)?(?:bd~|blu~ray~|uhd~?)remux"),
    _strong(Kind.SOURCE, "bdrip", r"(?:uhd~)?bd~(?:rip|mux)|(?:m|uhd)?br~rip"),
    _strong(Kind.SOURCE, "bluray", r"(?:m|(?:uhd|hd)~)?blu~ray(?:~rip)?|uhd~bd"),
    _strong(Kind.REMUX, "remux", r"(?:hybrid~)?remux"),
    # codecs
    _strong(Kind.CODEC, "x264", r"[xh]~264|x~?264hi10p"),
    _strong(Kind.CODEC, "x265", r"[xh]~265|hevc"),
    _strong(Kind.CODEC, "xvid", r"xvid|divx(?:\d)?"),
    _strong(Kind.CODEC, "avc", r"avc"),
    _strong(Kind.CODEC, "vc1", r"vc~1"),
    _strong(Kind.CODEC, "mpeg2", r"mpeg~2"),
    _strong(Kind.CODEC, "av1", r"av1|vp9"),
    _strong(Kind.CODEC, "10bit", r"(?:8|10|12)~bits?|hi10p?"),
    _strong(Kind.AUDIO, "dts", r"dts(?:~(?:hd|x|es))?(?: ?(?:ma|hra?))?(?:~[2-7] ?[01])?"),
    _strong(Kind.AUDIO, "truehd", r"true~hd(?:~[2-7] [01])?"),
    _strong(Kind.AUDIO, "ac3", r"e?~?ac~?3(?:~[1-7] [01])?|dd[p+]{0,2} ?[1-7] ?[01]|ddpa?|dd\+"),
    _strong(Kind.AUDIO, "aac", r"aac ?(?:[1-7] [01])?|flac ?(?:[1-7] [01])?|l?pcm|mp3"),
    _weak(Kind.AUDIO, "other", r"atmos|opus|[257] [01]|[268]ch"),
    _strong(Kind.DYNAMIC_RANGE, "hdr", r"hdr(?:10)?(?:\+|p(?:lus)?)?|dolby~vision|dovi"),
    _weak(Kind.DYNAMIC_RANGE, "other", r"dv|sdr|hlg"),
    # repairs
    _strong(Kind.REVISION, "", r"re(?:pack|rip)\d?"),
    _weak(Kind.REVISION, "", r"proper|real|v[2-9]"),
    # editions: a kind with its noun, or a word that is an edition by itself
    _weak(Kind.EDITION, "", rf"(?:\d\d in 1 |)(?:{_HEADED})(?: \w{{1,20}})?? (?:cut|edition|version)"),
    _weak(Kind.EDITION, "", r"\d{2,3}(?:th|st|nd|rd)? anniversary(?: (?:cut|edition|version))?"),
    _weak(Kind.EDITION, "", r"extended|theatrical|director'?s|uncut|unrated|uncensored|(?:4k )?remaster(?:ed)?"),
    _weak(Kind.EDITION, "", r"restored|despeciali[sz]ed|imax|open~matte|fan~edit|[2-4]in1|ultimate|recut"),
    # languages and subtitles; subtitles first, so that theirs are not taken for spoken ones
    _weak(Kind.OTHER, "subtitles", rf"(?:soft|multi|multiple)?~?subs?~(?:{_CODES}|[a-z]{{2}})"),
    _weak(Kind.OTHER, "subtitles", r"(?:soft|multi(?:ple)?|e|en|ru)?~?subs?"),
    _weak(Kind.HARDCODED_SUBS, "generic", r"hc|subbed|hard~?(?:coded~)?subs?"),
    _weak(Kind.HARDCODED_SUBS, "", rf"(?:{_CODES}|{_one_of(w for w in LANGUAGE_WORDS if w.isalpha())})subs?"),
    _language(Kind.LANGUAGE, LANGUAGE_WORDS, prefix=r"(?:\dx)?"),
    _language(Kind.LANGUAGE_CODE, LANGUAGE_CODES, prefix=r"(?:\dx)?"),
    _weak(Kind.LANGUAGE_CODE, "Original", r"original"),
    _weak(Kind.SEVERAL_LANGUAGES, "", r"dl|ml|dual~?(?:audio|lang)?|multi"),
    _language(Kind.SHORT_LANGUAGE_CODE, SHORT_LANGUAGE_CODES),
    # words that are tokens in the technical part only
    _weak(Kind.SOURCE, "webdl", r"web"),
    _weak(Kind.SOURCE, "cam", r"cam"),
    _weak(Kind.SOURCE, "telesync", r"ts"),
    _weak(Kind.SOURCE, "telecine", r"tc"),
    _weak(Kind.SOURCE, "workprint", r"wp"),
    _weak(Kind.SOURCE, "screener", r"scr(?:eener)?"),
    _weak(Kind.SOURCE, "regional", r"r[1-9]|regional"),
    _weak(Kind.SOURCE, "dvd", r"dvd"),
    _weak(Kind.SOURCE, "bluray", r"bd"),
    _weak(Kind.DISC, "disc", r"iso|untouched"),
    _weak(Kind.OTHER, "", r"(?:dub(?:bed)?|limited|internal|complete|pal|ntsc|ws|fs|retail|line|hybrid|readnfo|3d)"),
    _weak(Kind.OTHER, "", r"(?:amzn|nf|netflix|dsnp|hmax|max|hulu|atvp?|pcok|pmtp|it|stan|ma|cr|mkv|mp4|nordic|dub)"),
)

_SEPARATORS = {ord(c): " " for c in "._\t\r\n\u00a0\u3000"} | {0x2018: "'", 0x2019: "'", 0x2013: "-"}
_END = r"(?=\W|$|\d{3,4}[pi](?!\w))"  # "bluray1080p" is two tokens


def _compile() -> re.Pattern[str]:
    words = "|".join(f"(?P<r{i}>{rule.pattern.replace('~', '[ -]?')})" for i, rule in enumerate(RULES))
    return re.compile(rf"(?<!\w)(?:{words}){_END}|(?<!\d)(?P<lines>\d{{3,4}}[pi])(?!\w)")


_LEXER = _compile()


def flatten(text: str) -> str:
    """Return the text in lower case with plain separators, character for character."""
    flat = text.lower()
    if len(flat) != len(text):  # a few letters grow in lower case ("İ")
        flat = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return flat.translate(_SEPARATORS)


def tokenize(flat: str) -> list[Token]:
    """Return the tokens of a flattened name from left to right, without overlaps."""
    return [_token(match) for match in _LEXER.finditer(flat)]


def _token(match: re.Match[str]) -> Token:
    name, text = match.lastgroup, match[0]
    if name is None or name == "lines":
        return Token(kind=Kind.RESOLUTION, value=text, start=match.start(), end=match.end(), is_strong=True)
    rule = RULES[int(name[1:])]
    value = rule.value or text
    if rule.meanings is not None:
        value = rule.meanings[re.sub(r"^\dx|[ -]", "", text)]
    return Token(kind=rule.kind, value=value, start=match.start(), end=match.end(), is_strong=rule.is_strong)
