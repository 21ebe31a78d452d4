"""Mistakes in the tables about releases: each is one line that says where, what, and the way out."""

from pathlib import Path
from typing import Any

import pytest

from config.loading import load
from config.mistakes import ConfigError
from tests.config.documents import mistakes_in, written
from tests.config.guides import FORMAT_ID, GROUP_ID, PROFILE, PROFILE_ID, custom_format, title, write_guides

PROFILE_X = '[profiles.x]\nqualities = ["SDTV", "DVD"]\n'
FORMAT_X = "[formats.x]\nconditions = [\n"
INDEXER = '[[indexers]]\nname = "x"\nurl = "http://x"\n'

FORMATS = [
    (
        "a broken pattern",
        FORMAT_X + '  { type = "release_title", regex = "x" },\n  { type = "edition", regex = "(cut" },\n]',
        '4: formats.x.conditions.regex: "(cut" is no regular expression: missing )',
    ),
    (
        "an empty pattern",
        FORMAT_X + '{ type = "edition", regex = "" }]',
        "3: formats.x.conditions.regex: expected a pattern that is not empty",
    ),
    (
        "a pattern that repeats without end",
        FORMAT_X + '{ type = "edition", regex = "a{99999999}" }]',
        '3: formats.x.conditions.regex: "a{99999999}" is too large',
    ),
    (
        "an unknown type of condition",
        FORMAT_X + '{ type = "titel" }]',
        "3: formats.x.conditions.type: expected one of 'release_title', 'edition', ",
    ),
    ("no type", FORMAT_X + '{ regex = "x" }]', "3: formats.x.conditions.type is missing"),
    ("no pattern", FORMAT_X + '{ type = "edition" }]', "3: formats.x.conditions.regex is missing"),
    (
        "a key of another type",
        FORMAT_X + '{ type = "source", source = "tv", regx = "x" }]',
        "3: unknown key formats.x.conditions.regx",
    ),
    (
        "an unknown key",
        FORMAT_X + '{ type = "edition", regex = "x", negated = true }]',
        '3: unknown key formats.x.conditions.negated; did you mean "negate"?',
    ),
    (
        "an unknown source",
        FORMAT_X + '{ type = "source", source = "blueray" }]',
        "3: formats.x.conditions.source: expected a source, one of unknown, cam, ",
    ),
    (
        "an unknown flag",
        FORMAT_X + '{ type = "indexer_flag", flag = 5 }]',
        "3: formats.x.conditions.flag: expected an indexer flag, one of freeleech, ",
    ),
    (
        "an unknown language",
        FORMAT_X + '{ type = "language", language = "Germn" }]',
        '3: formats.x.conditions.language: expected a language such as "German", or "original"; did you mean "German"?',
    ),
    (
        "a resolution that no quality has",
        FORMAT_X + '{ type = "resolution", resolution = 1081 }]',
        "3: formats.x.conditions.resolution: expected 480, 576, 720, 1080 or 2160",
    ),
    (
        "sizes the wrong way round",
        FORMAT_X + '{ type = "size", min = "2GiB", max = "1GiB" }]',
        "3: formats.x.conditions: expected a max over the min",
    ),
    (
        "years the wrong way round",
        FORMAT_X + '{ type = "year", min = 2000, max = 1999 }]',
        "3: formats.x.conditions: expected a max not under the min",
    ),
    ("no conditions", "\n[formats.x]\nconditions = []", "2: formats.x: expected either conditions or a trash_id"),
    (
        "conditions and an id",
        f'[formats.x]\nconditions = [{{ type = "edition", regex = "x" }}]\ntrash_id = "{FORMAT_ID}"',
        "1: formats.x: expected either conditions or a trash_id",
    ),
]

PROFILES = [
    (
        "an unknown format",
        PROFILE_X + 'formats = { x256 = 5 }\n[formats.x265]\nconditions = [{ type = "release_title", regex = "x265" }]',
        '3: profiles.x.formats: no format is called "x256"; did you mean "x265"?',
    ),
    (
        "a minimum that no release reaches",
        PROFILE_X + "minimum_score = 6\nformats = { y = 5, z = -50 }\n"
        '[formats.y]\nconditions = [{ type = "edition", regex = "x" }]\n'
        '[formats.z]\nconditions = [{ type = "edition", regex = "x" }]',
        "3: profiles.x.minimum_score: no release reaches 6, its formats add up to 5",
    ),
    (
        "a cutoff under the minimum",
        PROFILE_X + "minimum_score = -5\ncutoff_score = -6",
        "4: profiles.x.cutoff_score: -6 is under the minimum_score of -5",
    ),
    (
        "no upgrade worth making",
        PROFILE_X + "score_increment = 0",
        "3: profiles.x.score_increment: expected a value greater than or equal to 1",
    ),
    ("a language nobody speaks", PROFILE_X + 'language = "Klingon"', "3: profiles.x.language: expected a language"),
    ("a score that is no number", PROFILE_X + 'formats = { y = "5" }', "3: profiles.x.formats.y: expected a whole"),
    ("a huge score", PROFILE_X + "formats = { y = 1000001 }", "3: profiles.x.formats.y: expected a value less than"),
]

OTHERS = [
    (
        "an unknown quality's size",
        '[sizes]\n"Bluray-180p" = { min = 5 }',
        '2: sizes.Bluray-180p: "Bluray-180p" is no quality; did you mean "Bluray-1080p"?',
    ),
    ("a size's unknown key", "[sizes]\nDVD = { mn = 5 }", '2: unknown key sizes.DVD.mn; did you mean "min"?'),
    ("a number for a size", "[sizes]\nDVD = 5", "2: sizes.DVD: expected a table"),
    (
        "a size under zero",
        "[sizes]\nDVD = { min = -1 }",
        "2: sizes.DVD.min: expected a value greater than or equal to 0",
    ),
    (
        "a size's bounds the wrong way round",
        "[sizes]\nDVD = { min = 99 }",
        "2: sizes.DVD: expected min <= preferred <= max, not 99, 95, 100",
    ),
    (
        "a protocol that is not enabled",
        '[[delays]]\nprotocols = ["usenet"]\npreferred = "torrent"',
        '3: delays.preferred: "torrent" is not among the protocols',
    ),
    ("an unknown protocol", '[[delays]]\nprotocols = ["ftp"]', "2: delays.protocols: expected 'torrent' or 'usenet'"),
    ("no protocol", "[[delays]]\nprotocols = []", "2: delays.protocols: expected at least one entry"),
    (
        "a delay that is never asked",
        '[[delays]]\ntags = ["x"]\n[[delays]]\n[[delays]]\ntags = ["y"]',
        "3: delays: this one is without tags, so it concerns all movies and those after it none; put it last",
    ),
    (
        "a restriction of nothing",
        '[[restrictions]]\ntags = ["x"]',
        "1: restrictions: expected required or ignored terms",
    ),
    (
        "a restriction with a broken pattern",
        '[[restrictions]]\nignored = [\n"x",\n"/[/"]',
        '4: restrictions.ignored: "[" is no regular expression',
    ),
    (
        "a restriction of an indexer that is none",
        INDEXER + '[[restrictions]]\nignored = ["x"]\nindexer = "y"',
        '6: restrictions.indexer: no indexer is called "y"',
    ),
    ("a word that is none", '[selection]\npropers = "always"', "2: selection.propers: expected 'prefer', 'do_not_up"),
    ("an unknown flag", INDEXER + 'required_flags = ["free"]', "4: indexers.required_flags: expected an indexer flag"),
    ("an availability", '[wanted.hd]\nminimum_availability = "x"', "2: wanted.hd.minimum_availability: expected 'ann"),
]

ALL = FORMATS + PROFILES + OTHERS


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_a_mistake_is_one_line_that_says_where_and_what(text: str, expected: str, tmp_path: Path) -> None:
    shown = mistakes_in(written(tmp_path, text))
    assert len(shown) == 1, shown
    assert shown[0].startswith(expected)


UNKNOWN_IDS = [
    ("profile", '[profiles.x]\ntrash_id = "x"', '2: profiles.x.trash_id: no profile in "{guides}" has the id "x"'),
    ("format", '[formats.x]\ntrash_id = "x"', '2: formats.x.trash_id: no format in "{guides}" has the id "x"'),
    ("type of sizes", '[sizes]\ntrash = "moovie"', '2: sizes.trash: there are movie; did you mean "movie"?'),
    (
        "quality of a guide's profile",
        f'[profiles.x]\ntrash_id = "{PROFILE_ID}"\ncutoff = "DVD"',
        '3: profiles.x.cutoff: "DVD" is not among the qualities',
    ),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in UNKNOWN_IDS], ids=[c[0] for c in UNKNOWN_IDS])
def test_what_the_guides_do_not_have_is_told(text: str, expected: str, tmp_path: Path) -> None:
    guides = write_guides(tmp_path / "trash-guides")
    assert mistakes_in(written(tmp_path, text)) == [expected.format(guides=guides)]


@pytest.mark.parametrize(
    "text", ['[profiles.x]\ntrash_id = "x"', '[formats.x]\ntrash_id = "x"', '[sizes]\ntrash = "x"']
)
def test_without_the_guides_their_folder_is_told(text: str, tmp_path: Path) -> None:
    (shown,) = mistakes_in(written(tmp_path, text))
    assert shown.endswith(f'there are no guides in "{tmp_path}/trash-guides"; trash_guides.path says where they are')
    assert shown.startswith("2: ")


BROKEN_GUIDES: list[tuple[str, dict[str, Any], str]] = [
    (
        "a broken pattern",
        {"repack": custom_format(GROUP_ID, "Repack", title("fine"), title(r"(\d"))},
        r'cf/repack.json:22: "(\d" is no regular expression: missing ) at position 3',
    ),
    (
        "a kind of condition that nobody knows",
        {"repack": custom_format(GROUP_ID, "Repack", {**title("x"), "implementation": "Codec"})},
        'cf/repack.json:9: "Codec" is no kind of condition that is known here',
    ),
    (
        "a cutoff that is not allowed",
        {"hd_bluray_web": {**PROFILE, "cutoff": "Unknown"}},
        'quality-profiles/hd-bluray-web.json:8: its cutoff "Unknown" is none of its qualities',
    ),
    (
        "no name",
        {"hd_bluray_web": {**PROFILE, "name": None}},
        'quality-profiles/hd-bluray-web.json: "name" is missing, or no string',
    ),
]


@pytest.mark.parametrize(("changed", "expected"), [c[1:] for c in BROKEN_GUIDES], ids=[c[0] for c in BROKEN_GUIDES])
def test_a_guides_file_that_is_wrong_is_told_with_its_line(
    changed: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    guides = write_guides(tmp_path / "trash-guides", **changed)
    assert raised_by(tmp_path, f'[profiles.x]\ntrash_id = "{PROFILE_ID}"') == f"{guides}/{expected}"


def test_a_format_of_a_guides_profile_without_a_file_is_told(tmp_path: Path) -> None:
    guides = write_guides(tmp_path / "trash-guides")
    (guides / "cf" / "repack.json").unlink()
    assert mistakes_in(written(tmp_path, f'[profiles.x]\ntrash_id = "{PROFILE_ID}"')) == [
        f'2: profiles.x.trash_id: it has a format that is not there: no format in "{guides}" has the id "{GROUP_ID}"'
    ]


def test_a_guides_file_that_is_no_json_is_told(tmp_path: Path) -> None:
    guides = write_guides(tmp_path / "trash-guides")
    (guides / "cf" / "repack.json").write_text('{\n"trash_id": "x",\n}')
    shown = raised_by(tmp_path, f'[formats.x]\ntrash_id = "{FORMAT_ID}"')
    assert shown.startswith(f"{guides}/cf/repack.json:3: is not JSON: ")


def test_a_guides_file_that_is_wrong_and_not_used_does_not_matter(tmp_path: Path) -> None:
    write_guides(tmp_path / "trash-guides", repack=custom_format(GROUP_ID, "Repack", title("(")))
    assert mistakes_in(written(tmp_path, f'[formats.x]\ntrash_id = "{FORMAT_ID}"')) == []


def raised_by(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text))
    return str(caught.value)
