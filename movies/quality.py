"""The quality ladder: thirty qualities from worst to best, their usual sizes, and revisions.

Ids, names and weights are those of Radarr v3, so its clients and the TRaSH guides' numbers keep their meaning.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from movies.errors import UnknownQuality, did_you_mean


class Source(IntEnum):
    """Where the picture came from, worst to best."""

    UNKNOWN = 0
    CAM = 1
    TELESYNC = 2
    TELECINE = 3
    WORKPRINT = 4
    DVD = 5
    TV = 6
    WEBDL = 7
    WEBRIP = 8
    BLURAY = 9


class Modifier(IntEnum):
    """What sets a quality apart from others of its source and resolution."""

    NONE = 0
    REGIONAL = 1
    SCREENER = 2
    RAWHD = 3
    BRDISK = 4
    REMUX = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """One rung of the ladder; `resolution` in lines (0: any), equal weights belong together by default."""

    id: int
    name: str
    weight: int
    source: Source
    resolution: int
    modifier: Modifier = Modifier.NONE

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeBounds:
    """Sizes in MiB per minute of runtime; `None` means unlimited."""

    minimum: float = 0
    preferred: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Revision:
    """How often a release was repaired: compares by `real`, then by `version` (1: first release, 2: PROPER or REPACK).

    A repack (its own group's repair) weighs as much as a proper (another group's), so `is_repack` is not compared.
    """

    real: int = 0
    version: int = 1
    is_repack: bool = field(default=False, compare=False)


_ROWS: tuple[tuple[int, int, str, Source, int, Modifier], ...] = (
    (1, 0, "Unknown", Source.UNKNOWN, 0, Modifier.NONE),
    (2, 24, "WORKPRINT", Source.WORKPRINT, 0, Modifier.NONE),
    (3, 25, "CAM", Source.CAM, 0, Modifier.NONE),
    (4, 26, "TELESYNC", Source.TELESYNC, 0, Modifier.NONE),
    (5, 27, "TELECINE", Source.TELECINE, 0, Modifier.NONE),
    (6, 29, "REGIONAL", Source.DVD, 480, Modifier.REGIONAL),
    (7, 28, "DVDSCR", Source.DVD, 480, Modifier.SCREENER),
    (8, 1, "SDTV", Source.TV, 480, Modifier.NONE),
    (9, 2, "DVD", Source.DVD, 0, Modifier.NONE),
    (10, 23, "DVD-R", Source.DVD, 480, Modifier.REMUX),
    (11, 8, "WEBDL-480p", Source.WEBDL, 480, Modifier.NONE),
    (11, 12, "WEBRip-480p", Source.WEBRIP, 480, Modifier.NONE),
    (12, 20, "Bluray-480p", Source.BLURAY, 480, Modifier.NONE),
    (13, 21, "Bluray-576p", Source.BLURAY, 576, Modifier.NONE),
    (14, 4, "HDTV-720p", Source.TV, 720, Modifier.NONE),
    (15, 5, "WEBDL-720p", Source.WEBDL, 720, Modifier.NONE),
    (15, 14, "WEBRip-720p", Source.WEBRIP, 720, Modifier.NONE),
    (16, 6, "Bluray-720p", Source.BLURAY, 720, Modifier.NONE),
    (17, 9, "HDTV-1080p", Source.TV, 1080, Modifier.NONE),
    (18, 3, "WEBDL-1080p", Source.WEBDL, 1080, Modifier.NONE),
    (18, 15, "WEBRip-1080p", Source.WEBRIP, 1080, Modifier.NONE),
    (19, 7, "Bluray-1080p", Source.BLURAY, 1080, Modifier.NONE),
    (20, 30, "Remux-1080p", Source.BLURAY, 1080, Modifier.REMUX),
    (21, 16, "HDTV-2160p", Source.TV, 2160, Modifier.NONE),
    (22, 18, "WEBDL-2160p", Source.WEBDL, 2160, Modifier.NONE),
    (22, 17, "WEBRip-2160p", Source.WEBRIP, 2160, Modifier.NONE),
    (23, 19, "Bluray-2160p", Source.BLURAY, 2160, Modifier.NONE),
    (24, 31, "Remux-2160p", Source.BLURAY, 2160, Modifier.REMUX),
    (25, 22, "BR-DISK", Source.BLURAY, 1080, Modifier.BRDISK),
    (26, 10, "Raw-HD", Source.TV, 1080, Modifier.RAWHD),
)

QUALITIES: dict[str, Quality] = {
    name: Quality(id=id_, name=name, weight=weight, source=source, resolution=resolution, modifier=modifier)
    for weight, id_, name, source, resolution, modifier in _ROWS
}
UNKNOWN = QUALITIES["Unknown"]

_FIRST_UNLIMITED_WEIGHT = QUALITIES["Bluray-1080p"].weight
SIZE_BOUNDS: dict[str, SizeBounds] = {
    name: SizeBounds(preferred=95, maximum=100) if quality.weight < _FIRST_UNLIMITED_WEIGHT else SizeBounds()
    for name, quality in QUALITIES.items()
}

_BY_FOLDED_NAME = {name.casefold(): quality for name, quality in QUALITIES.items()}


def quality_named(name: str) -> Quality:
    """Return the quality of the table with this name, in any case; raises `UnknownQuality` naming the nearest."""
    quality = _BY_FOLDED_NAME.get(name.casefold())
    if quality is None:
        raise UnknownQuality(f'"{name}" is no quality{did_you_mean(name, QUALITIES)}')
    return quality
