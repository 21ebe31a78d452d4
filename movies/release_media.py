"""From the tokens of a release name to its picture and sound: codecs, channels, dynamic range, depth."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from movies.tokens import Tail, Token
from movies.vocabulary import Kind


class DynamicRange(StrEnum):
    """How the picture's brightness is coded; `HDR` is a high range whose kind the name does not tell."""

    SDR = "sdr"
    HDR = "hdr"
    HDR10 = "hdr10"
    HDR10PLUS = "hdr10plus"
    DV = "dv"
    HLG = "hlg"
    PQ = "pq"


class Media(NamedTuple):
    """What a name says of picture and sound; empty or None where it says nothing.

    `video_codec` is h264, h265, xvid, divx, mpeg2, vc1, av1 or vp9; `audio_codecs` as a name has them, such as
    "dts-hd ma" or "atmos"; `audio_channels` is written "5.1".
    """

    dynamic_range: frozenset[DynamicRange]
    video_codec: str | None
    audio_codecs: tuple[str, ...]
    audio_channels: str | None
    is_3d: bool


_VIDEO_CODECS = {
    "x264": "h264",
    "h264": "h264",
    "avc": "h264",
    "x265": "h265",
    "h265": "h265",
    "hevc": "h265",
    "xvid": "xvid",
    "divx": "divx",
    "mpeg2": "mpeg2",
    "vc1": "vc1",
    "av1": "av1",
    "vp9": "vp9",
}
_CHANNELS = {"1": "1.0", "2": "2.0", "6": "5.1", "8": "7.1"}  # of "6ch"
_RANGES: dict[str, DynamicRange] = {value.value: value for value in DynamicRange}
_EXACT_RANGES = frozenset({DynamicRange.HDR10, DynamicRange.HDR10PLUS, DynamicRange.HLG, DynamicRange.PQ})
_NO_RANGE: frozenset[DynamicRange] = frozenset()


def media_of(tail: Tail) -> Media:
    """Read the picture and the sound from the tokens of the technical part."""
    return Media(
        _dynamic_range(tail[Kind.DYNAMIC_RANGE]) if Kind.DYNAMIC_RANGE in tail else _NO_RANGE,
        _video_codec(tail[Kind.CODEC]) if Kind.CODEC in tail else None,
        _audio_codecs(tail[Kind.AUDIO]) if Kind.AUDIO in tail else (),
        _audio_channels(tail[Kind.CHANNELS][0]) if Kind.CHANNELS in tail else None,
        Kind.STEREOSCOPIC in tail,
    )


def _dynamic_range(tokens: Sequence[Token]) -> frozenset[DynamicRange]:
    ranges = {_RANGES[token.value] for token in tokens}
    if not ranges.isdisjoint(_EXACT_RANGES):
        ranges.discard(DynamicRange.HDR)
    return frozenset(ranges)


def _video_codec(tokens: Sequence[Token]) -> str | None:
    return next((_VIDEO_CODECS[token.value] for token in tokens if token.value in _VIDEO_CODECS), None)


def _audio_codecs(tokens: Sequence[Token]) -> tuple[str, ...]:
    codecs: list[str] = []
    for token in tokens:
        if token.value == "ma":  # "DTS-HD.MA5.1": the master audio of the codec before it
            codecs = [codec for codec in codecs if codec not in ("dts", "dts-hd")]
        codecs.append("dts-hd ma" if token.value == "ma" else token.value)
    return tuple(dict.fromkeys(codecs))


def _audio_channels(token: Token) -> str:
    return _CHANNELS.get(token.value, token.value)
