"""Names with everything they say, one JSON object a line in release_cases.jsonl; a key not there says nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from movies.parse_contract import parsed_json

CASES = Path(__file__).with_name("release_cases.jsonl").read_text(encoding="utf-8").splitlines()
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
