"""Names with what they say, one JSON object a line; a key not there says nothing.

release_cases.jsonl has everything a name says. release_names.jsonl has names by category, and as what they are read
(`as`), without codecs, sound and dynamic range.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from movies.parse_contract import NameKind, parsed_json

CASES = Path(__file__).with_name("release_cases.jsonl").read_text(encoding="utf-8").splitlines()
NAMES = Path(__file__).with_name("release_names.jsonl").read_text(encoding="utf-8").splitlines()
PARTS = {NameKind.QUALITY, NameKind.LANGUAGES, NameKind.RELEASE_GROUP}
MEDIA = {"dynamic_range", "video_codec", "audio_codecs", "audio_channels", "is_3d", "is_truncated"}
UNSAID: dict[str, Any] = {
    "year": None,
    "edition": None,
    "quality": "Unknown",
    "languages": [],
    "release_group": None,
    "version": 1,
    "repack": False,
    "real": 0,
    "hardcoded_subs": None,
    "imdb_id": None,
    "tmdb_id": None,
    "dynamic_range": [],
    "video_codec": None,
    "audio_codecs": [],
    "audio_channels": None,
    "is_3d": False,
    "is_truncated": False,
}


@pytest.mark.parametrize("case", [json.loads(line) for line in CASES], ids=lambda case: case["name"])
def test_a_name_says_all_of_this_and_nothing_else(case: dict[str, Any]) -> None:
    name = case.pop("name")
    if "reason" in case:
        assert parsed_json(name) == {"input": name, "parsed": False, "reason": case["reason"]}
    else:
        expected = {"input": name, "parsed": True, "titles": [case["title"]], **UNSAID, **case}
        assert parsed_json(name) == expected


@pytest.mark.parametrize(
    "case", [json.loads(line) for line in NAMES], ids=lambda case: f"{case['category']}-{case['name']}"
)
def test_a_name_of_any_origin_says_this(case: dict[str, Any]) -> None:
    name, kind = case.pop("name"), NameKind(case.pop("as", "release"))
    del case["category"]
    said = parsed_json(name, kind)
    if "reason" in case:
        assert said == {"input": name, "parsed": False, "reason": case["reason"]}
    elif kind in PARTS:
        assert said == {"input": name, **case}
    else:
        expected = {"input": name, "parsed": True, "titles": [case["title"]], **UNSAID, **case}
        assert {key: value for key, value in said.items() if key not in MEDIA} == {
            key: value for key, value in expected.items() if key not in MEDIA
        }
