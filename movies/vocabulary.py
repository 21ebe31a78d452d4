"""The vocabulary of release names: which words, alone or in a row, mean what.

A spelling is written in lower case: `{a,b}` stands for either, `~` for an optional separator, `_` for one that must be
there, so "blu~ray" reads "BluRay", "Blu-Ray" and "blu.ray". Words with numbers of their own are `tokens`' matter.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, NewType

from movies.languages import LANGUAGE_CODES, LANGUAGE_WORDS, SHORT_LANGUAGE_CODES

TokenKind = NewType("TokenKind", str)


class Kind:
    """What a token tells about a release; no enumeration, for naming a member of one takes ten times as long."""

    IMDB_ID: Final = TokenKind("imdb_id")
    TMDB_ID: Final = TokenKind("tmdb_id")
    EPISODE: Final = TokenKind("episode")
    SEASON: Final = TokenKind("season")
    YEAR: Final = TokenKind("year")
    RESOLUTION: Final = TokenKind("resolution")
    SOURCE: Final = TokenKind("source")
    REMUX: Final = TokenKind("remux")
    DISC: Final = TokenKind("disc")
    STEREOSCOPIC: Final = TokenKind("stereoscopic")
    CODEC: Final = TokenKind("codec")
    AUDIO: Final = TokenKind("audio")
    CHANNELS: Final = TokenKind("channels")
    DYNAMIC_RANGE: Final = TokenKind("dynamic_range")
    REVISION: Final = TokenKind("revision")
    EDITION: Final = TokenKind("edition")
    EDITION_HEAD: Final = TokenKind("edition_head")
    LANGUAGE: Final = TokenKind("language")
    LANGUAGE_CODE: Final = TokenKind("language_code")
    SHORT_LANGUAGE_CODE: Final = TokenKind("short_language_code")
    SEVERAL_LANGUAGES: Final = TokenKind("several_languages")
    SUBTITLES: Final = TokenKind("subtitles")
    HARDCODED_SUBS: Final = TokenKind("hardcoded_subs")
    SAMPLE: Final = TokenKind("sample")
    TAG: Final = TokenKind("tag")
    OTHER: Final = TokenKind("other")


SPOKEN_LANGUAGES = frozenset({Kind.LANGUAGE, Kind.LANGUAGE_CODE, Kind.SHORT_LANGUAGE_CODE})


class Meaning(NamedTuple):
    """What a spelling stands for; `value` "" takes the words themselves, and of an edition's head is its kind alone.

    A strong one is no word of any language, so a title cannot contain it; a weak one counts only after the title.
    """

    kind: TokenKind
    value: str
    is_strong: bool


class Branch:
    """The words that may follow a word, and what the words so far mean, if they mean something."""

    __slots__ = ("followers", "meaning")

    def __init__(self) -> None:
        self.meaning: Meaning | None = None
        self.followers: dict[str, Branch] = {}


COUNTED = "counted"  # of a season or an id: needs a number

# Words that no title has.
_STRONG: tuple[tuple[TokenKind, str, str], ...] = (
    (Kind.RESOLUTION, "2160p", "2160p 4k"),
    (Kind.RESOLUTION, "1080p", "1080p 4kto1080p fhd"),
    (Kind.RESOLUTION, "720p", "720p"),
    (Kind.RESOLUTION, "480p", "480p"),
    # cinema and before the release
    (Kind.SOURCE, "workprint", "workprint"),
    (Kind.SOURCE, "cam", "{,new~}{hq,hd}~cam{,~rip} {,new}cam~rip newcam"),
    (Kind.SOURCE, "telesync", "telesync{,h} {,hq~}hd~ts{,~rip} hqts tsrip p{,re}dvd{,rip}"),
    (Kind.SOURCE, "telecine", "telecine hd~tc{,~rip} tcrip"),
    (Kind.SOURCE, "screener", "{dvd,bd,br,web,hd}~scr{,eener}"),
    # discs
    (Kind.SOURCE, "dvdr", "{,m,2x,3x,4x,5x,6x}dvd~r {,m}dvd~{5,9} {1,2,3,4,5,6}{,x}dvd{5,9} full~dvd"),
    (Kind.SOURCE, "hddvd", "hd~dvd{,rip}"),
    (Kind.SOURCE, "dvd", "dvd~{rip,mux} xvidvd"),
    (Kind.SOURCE, "bdremux", "{,uhd}{bd,blu~ray}~remux uhdremux"),
    (Kind.SOURCE, "bdrip", "{,uhd}bd~{rip,mux} {,m,uhd}br~rip {bd,hd,4k}light uhd~rip micro~hd mhd"),
    (Kind.SOURCE, "bluray", "{,m,uhd,hd~}blu~ray{,~rip} uhdbd"),
    (Kind.DISC, "disc", "{bd,uhd}~{iso,25,50,66,100} bd~{full,disk,disc} br~{disk,disc} bdmv video_ts full~bd 3d_bd"),
    (Kind.DISC, "disc", "{complete,full}~{,uhd~,m}blu~ray {,uhd~}blu~ray~{iso,disc,disk}"),
    (Kind.REMUX, "remux", "{,hybrid~}remux"),
    # television and the web
    (Kind.SOURCE, "rawhd", "raw~hd"),
    (Kind.SOURCE, "hdtv", "{,u}hdtv{,~rip} uhd_tv"),
    (Kind.SOURCE, "hrtv", "hd_tv hr_{,ws_}{pdtv,hdtv}"),
    (Kind.SOURCE, "sdtv", "pdtv sd~tv dsr{,ip} {tv,sat,dtv,dvb,dtt,ppv,vhs}~rip dvb"),
    (Kind.SOURCE, "webrip", "web~{,dl~}rip web~cap webmux hd~rip vod~rip"),
    (Kind.SOURCE, "webdl", "web~dl{,mux} dl~mux web~hd amazonsd"),
    (Kind.SOURCE, "webdl", "{amazon,netflix,itunes,maxdome,hbomax,disney}~{hd,uhd}"),
    # codecs
    (Kind.CODEC, "x264", "x~264 x~264hi10p"),
    (Kind.CODEC, "h264", "h~264"),
    (Kind.CODEC, "x265", "x~265"),
    (Kind.CODEC, "h265", "h~265"),
    (Kind.CODEC, "hevc", "hevc"),
    (Kind.CODEC, "avc", "avc mvc"),
    (Kind.CODEC, "vc1", "vc~1"),
    (Kind.CODEC, "mpeg2", "mpeg~2"),
    (Kind.CODEC, "xvid", "xvid"),
    (Kind.CODEC, "divx", "divx{,5,6}"),
    (Kind.CODEC, "av1", "av1"),
    (Kind.CODEC, "vp9", "vp9"),
    (Kind.CODEC, "10bit", "{8,10,12}~bit{,s} hi10{,p}"),
    # sound
    (Kind.AUDIO, "dts", "dts{,d}"),  # D: of a German dub
    (Kind.AUDIO, "dts-hd", "dts~hd dtshdd"),
    (Kind.AUDIO, "dts-hd ma", "dts~{,hd~}ma dts~hr_ma"),
    (Kind.AUDIO, "dts-hd hra", "dts~{,hd~}hr{,a}"),
    (Kind.AUDIO, "dts-x", "dts~x"),
    (Kind.AUDIO, "dts-es", "dts~es"),
    (Kind.AUDIO, "truehd", "true~hd{,a}"),
    (Kind.AUDIO, "dd+", "e~ac~3 eac3d ddp{,a} dd+ {,dolby_}digital_plus"),
    (Kind.AUDIO, "dd", "ac~3 ac3d {dolby,dd}_digital"),
    (Kind.AUDIO, "aac", "{,q}aac aaclc he~aac"),
    (Kind.AUDIO, "flac", "flac"),
    (Kind.AUDIO, "pcm", "{,l}pcm"),
    (Kind.AUDIO, "mp3", "mp3"),
    # dynamic range
    (Kind.DYNAMIC_RANGE, "hdr", "hdr"),
    (Kind.DYNAMIC_RANGE, "hdr10", "hdr~10"),
    (Kind.DYNAMIC_RANGE, "hdr10plus", "hdr~10{+,p,~plus} hdr+"),
    (Kind.DYNAMIC_RANGE, "dv", "dolby~vision dovi"),
    (Kind.REVISION, "repack", "re{pack,rip}"),
    (Kind.TMDB_ID, COUNTED, "tmdb{,id}"),
)

# Words of a language, or too short to be sure: they count after the title only.
_WEAK: tuple[tuple[TokenKind, str, str], ...] = (
    (Kind.SOURCE, "webdl", "web"),
    (Kind.SOURCE, "cam", "cam"),
    (Kind.SOURCE, "telesync", "ts"),
    (Kind.SOURCE, "telecine", "tc"),
    (Kind.SOURCE, "workprint", "wp"),
    (Kind.SOURCE, "screener", "scr{,eener}"),
    (Kind.SOURCE, "regional", "r{0,1,2,3,4,5,6,7,8,9} regional"),
    (Kind.SOURCE, "dvd", "dvd"),
    (Kind.SOURCE, "bluray", "bd"),
    (Kind.SOURCE, "sdtv", "dtv vhs"),
    (Kind.DISC, "disc", "iso untouched"),
    (Kind.DISC, "complete", "complete dis{c,k}"),
    (Kind.RESOLUTION, "uhd", "uhd ultra~hd"),
    (Kind.STEREOSCOPIC, "", "3d {,3d_}{,h~,half~,f~,full~}{sbs,ou,tab} anaglyph"),
    (Kind.AUDIO, "atmos", "atmos"),
    (Kind.AUDIO, "opus", "opus"),
    (Kind.AUDIO, "dd", "dd"),
    (Kind.AUDIO, "ma", "ma"),
    (Kind.DYNAMIC_RANGE, "dv", "dv"),
    (Kind.DYNAMIC_RANGE, "sdr", "sdr"),
    (Kind.DYNAMIC_RANGE, "hlg", "hlg"),
    (Kind.DYNAMIC_RANGE, "pq", "pq"),
    (Kind.REVISION, "proper", "proper"),
    (Kind.REVISION, "real", "real"),
    # editions by themselves, and kinds of editions that need the noun: "Extended", "Final Cut"
    (Kind.EDITION, "", "uncut unrated uncensored {,4k_}remaster{,ed} restored imax recut redux"),
    (Kind.EDITION, "", "open~matte fan~edit {2,3,4}in1"),
    (Kind.EDITION_HEAD, Kind.EDITION, "extended theatrical ultimate director~{,s} directors criterion anniversary"),
    (Kind.EDITION_HEAD, Kind.EDITION, "despeciali{s,z}ed"),
    (Kind.EDITION_HEAD, "", "{collector,producer}~s {collector,producer} special final assembly imperial diamond"),
    (Kind.EDITION_HEAD, "", "signature international deluxe definitive rogue rouge rekall hunter super premium"),
    (Kind.EDITION_HEAD, Kind.TAG, "limited"),
    (Kind.EDITION_HEAD, "", "roadshow alternat{e,ive}"),
    # languages and subtitles
    (Kind.LANGUAGE_CODE, "Original", "orig original"),
    (Kind.SEVERAL_LANGUAGES, "", "dl ml multi dual {dual,multi}~{audio,lang}"),
    (Kind.SUBTITLES, "", "{,soft,multi,multiple,e,en,ru}~sub{,s} vost napisy"),
    (Kind.HARDCODED_SUBS, "generic", "hc subbed hard~{,coded~}sub{,s}"),
    (Kind.HARDCODED_SUBS, "", "{ch,viet,indo}sub{,s}"),
    # what groups and sites say besides
    (Kind.SAMPLE, "", "sample"),
    (Kind.TAG, "", "dub dubbed internal pal ntsc ws fs read~nfo nfofix dirfix subfix"),
    (Kind.SEASON, COUNTED, "season{,s} episode{,s} saison{,s} staffel stagione temporada sezon сезон серия"),
    (Kind.OTHER, "", "retail line hybrid amzn nf dsnp hmax atvp hulu itunes pcok pmtp"),
)

_BRACES = re.compile(r"\{([^{}]*)\}")


def _spellings(pattern: str) -> Iterator[tuple[str, ...]]:
    """Every row of words that a spelling stands for."""
    choice = _BRACES.search(pattern)
    if choice is not None:
        for option in choice[1].split(","):
            yield from _spellings(pattern[: choice.start()] + option + pattern[choice.end() :])
    elif "~" in pattern:
        yield from _spellings(pattern.replace("~", "", 1))
        yield from _spellings(pattern.replace("~", "_", 1))
    else:
        yield tuple(word for word in pattern.split("_") if word)


def _grow(root: Branch, patterns: str, meaning: Meaning) -> None:
    for pattern in patterns.split():
        for words in _spellings(pattern):
            branch = root
            for word in words:
                branch = branch.followers.setdefault(word, Branch())
            branch.meaning = branch.meaning or meaning  # the first one said stands


def _grow_languages(root: Branch, kind: TokenKind, names: Mapping[str, str]) -> None:
    for spelling, name in names.items():
        _grow(root, spelling, Meaning(kind, name, False))
        if kind is not Kind.SHORT_LANGUAGE_CODE:
            _grow(root, f"{spelling}{{sub,subs}}", Meaning(Kind.HARDCODED_SUBS, "", False))


def _vocabulary() -> dict[str, Branch]:
    root = Branch()
    for is_strong, rows in ((True, _STRONG), (False, _WEAK)):
        for kind, value, patterns in rows:
            _grow(root, patterns, Meaning(kind, value, is_strong))
    _grow_languages(root, Kind.LANGUAGE, LANGUAGE_WORDS)
    _grow_languages(root, Kind.LANGUAGE_CODE, LANGUAGE_CODES)
    _grow_languages(root, Kind.SHORT_LANGUAGE_CODE, SHORT_LANGUAGE_CODES)
    return root.followers


VOCABULARY = _vocabulary()
