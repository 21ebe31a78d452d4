"""Release names to measure parsers with: made from known parts, the project's own cases, and hostile ones."""

import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OWN_CASES = Path(__file__).resolve().parents[1] / "tests" / "movies" / "release_cases.jsonl"
Facts = Mapping[str, Any]
DEFAULTS: Facts = {
    "year": None,
    "edition": None,
    "quality": "Unknown",
    "languages": [],
    "release_group": None,
    "version": 1,
    "hardcoded_subs": None,
}

_WORDS = re.findall(
    r"\w+",
    "Amber Anchor Autumn Bridge Burning Carnival Castle City Crimson Crown Daughter Desert Distant Dream Echo Empire "
    "Falling Forest Garden Ghost Glass Golden Harbour Heart Hollow Hunter Island Journey Kingdom Lantern Last Light "
    "Lonely Lost Midnight Mirror Moon Mountain Night Ocean Paper Promise Quiet River Road Secret Shadow Silent Silver "
    "Snow Song Star Stone Storm Stranger Summer Thunder Tower Valley Velvet Voyage Whisper Wild Winter Wolf"
    " ",
)
_PICTURES = {
    "1080p.BluRay": "Bluray-1080p",
    "720p.BluRay": "Bluray-720p",
    "2160p.UHD.BluRay": "Bluray-2160p",
    "1080p.BluRay.REMUX": "Remux-1080p",
    "2160p.UHD.BluRay.REMUX": "Remux-2160p",
    "1080p.WEB-DL": "WEBDL-1080p",
    "2160p.AMZN.WEB-DL": "WEBDL-2160p",
    "720p.WEBRip": "WEBRip-720p",
    "1080p.WEBRip": "WEBRip-1080p",
    "720p.HDTV": "HDTV-720p",
    "DVDRip": "DVD",
    "BDRip": "Bluray-480p",
}
_SOUNDS = ("", "DTS", "DD5.1", "DDP5.1.Atmos", "AAC2.0", "TrueHD.7.1.Atmos", "DTS-HD.MA.5.1", "AC3")
_CODECS = ("x264", "x265", "H.264", "H.265", "x264.10bit")
_EDITIONS = ("Extended", "Extended.Cut", "Directors.Cut", "Unrated", "Remastered", "IMAX", "Final.Cut", "Uncut")
_LANGUAGES = ("FRENCH", "iTALiAN", "SPANISH", "German", "DANiSH", "HiNDi", "RUSSiAN", "Polish")
_REPAIRS = {"PROPER": 2, "REPACK": 2, "REPACK2": 3, "RERIP": 2}


def made_names(count: int, *, seed: int = 1926) -> list[tuple[str, Facts]]:
    """Distinct names of ordinary length, 40 to 90 characters for most, with the facts they were made from."""
    rng = random.Random(seed)
    made: dict[str, Facts] = {}
    while len(made) < count:
        name, facts = _made(rng)
        made[name] = facts
    return list(made.items())


def _made(rng: random.Random) -> tuple[str, Facts]:
    title = rng.sample(_WORDS, rng.randint(1, 5))
    if rng.random() < 0.2:
        title.insert(0, rng.choice(("The", "A")))
    if rng.random() < 0.1:
        title.append(str(rng.randint(2, 9)))
    picture, quality = rng.choice(list(_PICTURES.items()))
    edition = rng.choice(_EDITIONS) if rng.random() < 0.2 else ""
    language = rng.choice(_LANGUAGES) if rng.random() < 0.2 else ""
    repair = rng.choice(list(_REPAIRS)) if rng.random() < 0.1 else ""
    year = rng.randint(1930, 2026)
    group = "".join(rng.choices("abcdefghiklmnoprstuvwzABDEFGHKLMNRSTVZ", k=rng.randint(4, 8)))
    parts = [*title, str(year), edition, language, repair, picture, rng.choice(_SOUNDS), rng.choice(_CODECS)]
    name = ".".join(part for part in parts if part)
    separator = rng.choice("...._ ")
    facts = {
        "title": " ".join(title),
        "year": year,
        "edition": edition.replace(".", " ") or None,
        "quality": quality,
        "languages": [language.capitalize()] if language else [],
        "release_group": group,
        "version": _REPAIRS.get(repair, 1),
    }
    return f"{name.replace('.', separator)}-{group}", facts


def own_cases() -> list[tuple[str, Facts]]:
    """The names of the project's tests with everything they say; `reason` when they are no movie's."""
    cases = [json.loads(line) for line in OWN_CASES.read_text(encoding="utf-8").splitlines()]
    return [(case["name"], case if "reason" in case else {**DEFAULTS, **case}) for case in cases]


_HOSTILE = (
    "[", "(", "] [", "2012 ", "(2012)", "2012-10-10 ", "german ", "eng-", "extended ", "extended a ", "anniversary ",
    "directors cut ", "a.b.", "- ", "-a", "www.", "[a.b", "web-", "hd ", "blu-", "1080p", "1a1a", "s1e1", "tt1234567 ",
    "v2 ", "5 1 ", "sub-", "subs eng ", "dts-hd ", "a.k.a. ", "[a]-", "x", "1", "_", "\u0130", "\u00df", "\u6620",
)  # fmt: skip


def hostile_names() -> list[str]:
    """Names of 512 characters that repeat one piece, alone and after an ordinary beginning."""
    repeated = [piece * (512 // len(piece)) for piece in _HOSTILE]
    return [*repeated, *(f"Some Film 2010 1080p {name}"[:512] for name in repeated)]
