"""A small folder of guides in the shape in which the TRaSH guides are published, for tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROFILE_ID = "d1d67249d3890e49bc12e275d989a7e9"
FORMAT_ID = "dc98083864ea246d05a42df0d05f81cc"
GROUP_ID, ON_ID, OFF_ID = "0" * 32, "1" * 32, "2" * 32

NOT_REMUX = {
    "name": "Not Remux",
    "implementation": "QualityModifierSpecification",
    "negate": True,
    "required": True,
    "fields": {"value": 5},
}


def title(pattern: str, **flags: bool) -> dict[str, Any]:
    """A condition on the release's name."""
    usual = {"name": "x", "implementation": "ReleaseTitleSpecification", "negate": False, "required": False}
    return {**usual, **flags, "fields": {"value": pattern}}


def custom_format(trash_id: str, name: str, *conditions: dict[str, Any], **scores: int) -> dict[str, Any]:
    known = {"trash_id": trash_id, "name": name, "includeCustomFormatWhenRenaming": False}
    return {**known, "trash_scores": scores, "specifications": list(conditions)}


PROFILE: dict[str, Any] = {
    "trash_id": PROFILE_ID,
    "name": "HD Bluray + WEB",
    "trash_description": "x",
    "group": 1,
    "trash_score_set": "mine",
    "upgradeAllowed": True,
    "cutoff": "WEB 1080p",
    "minFormatScore": 0,
    "cutoffFormatScore": 10000,
    "minUpgradeFormatScore": 1,
    "language": "Original",
    "items": [
        {"name": "Bluray-1080p", "allowed": True},
        {"name": "WEB 1080p", "allowed": True, "items": ["WEBRip-1080p", "WEBDL-1080p"]},
        {"name": "Unknown", "allowed": False},
    ],
    "formatItems": {"Repack": GROUP_ID},
}
FILES: Mapping[str, dict[str, Any]] = {
    "cf/x265-hd.json": custom_format(FORMAT_ID, "x265 (HD)", title("[xh]265", required=True), NOT_REMUX, default=-9),
    "cf/repack.json": custom_format(GROUP_ID, "Repack", title(r"\b(repack)\b"), default=5, mine=6),
    "cf/on.json": custom_format(ON_ID, "On", title("on")),
    "cf/off.json": custom_format(OFF_ID, "Off", title("off"), default=1),
    "cf-groups/unwanted.json": {
        "name": "Unwanted",
        "trash_id": "3" * 32,
        "default": "true",
        "custom_formats": [
            {"name": "x265 (HD)", "trash_id": FORMAT_ID, "required": False, "default": True},
            {"name": "On", "trash_id": ON_ID, "required": True},
            {"name": "Off", "trash_id": OFF_ID, "required": False},
        ],
        "quality_profiles": {"include": {"HD Bluray + WEB": PROFILE_ID}},
    },
    "cf-groups/optional.json": {
        "name": "Optional",
        "trash_id": "4" * 32,
        "custom_formats": [{"name": "Off", "trash_id": OFF_ID, "required": True}],
        "quality_profiles": {"include": {"HD Bluray + WEB": PROFILE_ID}},
    },
    "quality-profiles/hd-bluray-web.json": PROFILE,
    "quality-size/movie.json": {
        "trash_id": "5" * 32,
        "type": "movie",
        "qualities": [{"quality": "Bluray-1080p", "min": 50.8, "preferred": 1999, "max": 2000}],
    },
}


def write_guides(folder: Path, **changed: Any) -> Path:
    """Write the files into a folder; `changed` gives other documents by their names without folder and extension."""
    for name, document in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(changed.get(path.stem.replace("-", "_"), document), indent=2))
    return folder
