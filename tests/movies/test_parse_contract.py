import json

import pytest

from movies.parse_contract import NameKind, parsed_json

WHOLE = [
    "input", "parsed", "title", "titles", "year", "edition", "quality", "languages", "release_group", "version",
    "repack", "real", "hardcoded_subs", "imdb_id", "tmdb_id", "dynamic_range", "video_codec", "audio_codecs",
    "audio_channels", "is_3d", "is_truncated",
]  # fmt: skip


@pytest.mark.parametrize("kind", [NameKind.RELEASE, NameKind.FOLDER, NameKind.PATH])
def test_a_whole_name_has_all_keys_in_one_order(kind: NameKind) -> None:
    said = parsed_json("Sintel.2010.1080p.BluRay.x264-DURIAN", kind)
    assert list(said) == WHOLE
    assert json.loads(json.dumps(said)) == said


def test_a_refused_name_has_the_reason() -> None:
    assert parsed_json("Some.Show.S01E02") == {"input": "Some.Show.S01E02", "parsed": False, "reason": "series"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (NameKind.QUALITY, {"quality": "WEBDL-720p", "version": 2, "repack": False, "real": 0}),
        (NameKind.LANGUAGES, {"languages": ["French"]}),
        (NameKind.RELEASE_GROUP, {"release_group": "NTb"}),
    ],
)
def test_a_part_is_read_of_an_episode_too(kind: NameKind, expected: dict[str, object]) -> None:
    name = "Some.Show.S01E02.FRENCH.PROPER.720p.WEB-DL.H.264-NTb"
    assert parsed_json(name, kind) == {"input": name, **expected}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (NameKind.QUALITY, {"quality": "Unknown", "version": 1, "repack": False, "real": 0}),
        (NameKind.LANGUAGES, {"languages": []}),
        (NameKind.RELEASE_GROUP, {"release_group": None}),
    ],
)
def test_a_part_of_nothing_is_nothing(kind: NameKind, expected: dict[str, object]) -> None:
    assert parsed_json("", kind) == {"input": "", **expected}


@pytest.mark.parametrize(
    "path",
    [
        "/films/9f86d081884c7d659a2feaa0c55ad015/Sintel.2010.1080p.BluRay.mkv",
        "/films/Sintel.2010.1080p.BluRay/9f86d081884c7d659a2feaa0c55ad015.mkv",
        r"C:\films\Sintel.2010.1080p.BluRay\abc.xyz.af6021c37f7852.mkv",
        "Sintel.2010.1080p.BluRay/",
    ],
)
def test_a_path_is_read_by_the_file_or_else_by_its_folder(path: str) -> None:
    said = parsed_json(path, NameKind.PATH)
    assert (said["title"], said["year"], said["quality"]) == ("Sintel", 2010, "Bluray-1080p")


def test_a_sample_in_a_movies_folder_is_no_movie() -> None:
    said = parsed_json("/films/Sintel.2010.1080p.BluRay/Sintel.2010.sample.mkv", NameKind.PATH)
    assert said["reason"] == "sample"


def test_a_path_of_nothing_is_empty() -> None:
    assert parsed_json("//", NameKind.PATH)["reason"] == "empty"
