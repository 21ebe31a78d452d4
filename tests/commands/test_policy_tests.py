from pathlib import Path

import pytest

from tests.commands.offline import CONFIG, understudy, written

TESTS = """
[[tests]]
name = "a Blu-ray replaces a file in WEB quality"
movie = { title = "Sintel", year = 2010, file = "Sintel.2010.1080p.WEB-DL.x264-DURIAN" }
releases = [
  { title = "Sintel.2010.1080p.BluRay.x264-DURIAN", expect = "accepted", score = 0, formats = [] },
  { title = "Sintel.2010.1080p.WEB-DL.x265-DURIAN", reasons = ["existing_file", "custom_format_minimum"], score = -50 },
  { title = "Sintel.2010.1080p.BluRay.Remux", name = "remux", formats = [] },
]
ranking = ["remux", "Sintel.2010.1080p.BluRay.x264-DURIAN"]

[[tests]]
name = "torrents wait for two hours"
movie = { title = "Sintel", year = 2010 }
releases = [
  { title = "Sintel.2010.1080p.WEB-DL", published_at = "30m", expect = "pending", reasons = ["delay"] },
  { title = "Cosmos.Laundromat.2015.1080p.WEB-DL", expect = "rejected" },
]
ranking = []
"""


def output_of(folder: Path, tests: str, *, config: str = CONFIG, code: int) -> str:
    """What the command prints, without the folder's name."""
    done = understudy(folder, "policy", "test", written(folder, "tests.toml", tests), config=config)
    assert done.exit_code == code, done.output
    return done.output.replace(f"{folder}/", "")


def test_what_comes_as_expected_is_a_success(tmp_path: Path) -> None:
    assert output_of(tmp_path, TESTS, code=0) == "Unit Testing:  tests.toml\n  SUCCESS\n"


def test_a_failure_shows_what_was_expected_what_came_and_why(tmp_path: Path) -> None:
    tests = TESTS.replace('reasons = ["existing_file", "custom_format_minimum"], score = -50', 'expect = "accepted"')
    assert output_of(tmp_path, tests.replace('["remux", ', "["), code=1) == (
        """Unit Testing:  tests.toml
  FAILED:
    name: a Blu-ray replaces a file in WEB quality
      Sintel.2010.1080p.WEB-DL.x265-DURIAN
        exp: accepted
        got: rejected
        custom_format_minimum: its score is -50 (x265), -10 is asked for
        existing_file: the file stays: WEBDL-1080p is equal or better, and so is its score: 0 to -50
        it would be accepted with
          profiles.hd.formats.x265: -50 -> 1
          profiles.hd.cutoff_score: 0 -> 1
      ranking
        exp: [Sintel.2010.1080p.BluRay.x264-DURIAN]
        got: [remux, Sintel.2010.1080p.BluRay.x264-DURIAN]
"""
    )


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("score = 0,", "score = 5,", "exp: score 5\n        got: score 0"),
        ("formats = [] },\n  { title", 'formats = ["x265"] },\n  { title', "exp: [x265]\n        got: []"),
        ('reasons = ["delay"]', "reasons = []", "exp: []\n        got: [delay]"),
        ('expect = "pending"', 'expect = "rejected"', "exp: rejected\n        got: pending"),
        ("ranking = []", 'ranking = ["Sintel.2010.1080p.WEB-DL"]', "exp: [Sintel.2010.1080p.WEB-DL]\n        got: []"),
    ],
)
def test_each_expectation_can_fail(tmp_path: Path, old: str, new: str, difference: str) -> None:
    assert difference in output_of(tmp_path, TESTS.replace(old, new, 1), code=1)


def test_every_file_is_run_and_the_worst_code_counts(tmp_path: Path) -> None:
    good, bad = (
        written(tmp_path, "good.toml", TESTS),
        written(tmp_path, "bad.toml", TESTS.replace('"rejected"', '"accepted"')),
    )
    broken = written(tmp_path, "broken.toml", "tests =")
    done = understudy(tmp_path, "policy", "test", bad, broken, good)
    assert done.exit_code == 2
    assert [line.strip().rpartition("/")[2] for line in done.stdout.splitlines() if not line.startswith("   ")] == [
        "bad.toml",
        "FAILED:",
        "broken.toml",
        "good.toml",
        "SUCCESS",
    ]


def test_a_file_may_name_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "strict").mkdir()
    written(tmp_path / "strict", "config.toml", CONFIG.replace("minimum_score = -10", "minimum_score = -100"))
    tests = f'config = "strict/config.toml"\n{TESTS}'
    assert "got: [existing_file]" in output_of(tmp_path, tests, config="not read", code=1)


def test_the_time_and_closed_indexers_are_the_tests_own(tmp_path: Path) -> None:
    tests = """
[[tests]]
name = "the indexer is down on the day of the release"
now = 2026-05-01T12:00:00Z
closed_indexers = ["open"]
movie = { title = "Sintel", year = 2010, digital_on = 2026-05-01 }
releases = [{ title = "Sintel.2010.1080p.WEB-DL", indexer = "open", reasons = ["blocked_indexer"], expect = "pending" }]
"""
    output_of(tmp_path, tests, code=0)
    assert "not_available" in output_of(tmp_path, tests.replace("now = 2026-05-01", "now = 2026-04-30"), code=1)


ONE = """[[tests]]
name = "x"
movie = { title = "Sintel", year = 2010 }
releases = [{ title = "x", expect = "accepted" }]"""


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("", "tests.toml: tests is missing"),
        ("tests = [", "tests.toml:1: is not valid TOML"),
        (ONE.replace("expect", "expct"), '4: unknown key tests.releases.expct; did you mean "expect"?'),
        (ONE.replace("year", "yer"), '3: unknown key tests.movie.yer; did you mean "year"?'),
        (ONE.replace("accepted", "acepted"), "4: tests.releases.expect: expected 'accepted', 'pending' or 'rejected'"),
        (
            ONE.replace('expect = "accepted"', 'reasons = ["sise"]'),
            '4: tests.releases.reasons: "sise" is no reason; did',
        ),
        (ONE.replace(', expect = "accepted"', ""), "1: tests: nothing is expected; give a ranking, or a release's"),
        (f'{ONE}\nranking = ["y"]', 'tests: ranking: no release is called "y"'),
        (f'{ONE}\nnow = "3d"', "5: tests.now: expected a time, not an age"),
        (ONE.replace("Sintel", "Cosmos"), "3: tests.movie: profile is missing, and no [wanted] table names the movie"),
        (f'config = "none.toml"\n{ONE}', "none.toml: cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_line(tmp_path: Path, tests: str, message: str) -> None:
    assert message in output_of(tmp_path, tests, code=2)


def test_a_pattern_that_runs_out_of_time_is_told_once(tmp_path: Path) -> None:
    slow = CONFIG + '[[restrictions]]\nignored = ["/(a|aa)+$/"]\n'
    offered = f'{{ title = "{"a" * 60}!", expect = "rejected" }}'
    test = f'[[tests]]\nname = "slow"\nmovie = {{ title = "Sintel", year = 2010 }}\nreleases = [{offered}, {offered}]\n'
    shown = output_of(tmp_path, test, config=slow, code=0)
    assert shown.count("the pattern (a|aa)+$ takes too long with some release names") == 1
