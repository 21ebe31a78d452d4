import collections
import json
import os
import threading
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commands.decide import Bench
from movies.case import Moment
from movies.movie import MovieId
from movies.parse_contract import parsed_json
from movies.policy import Policy
from movies.profile import BUILTIN_PROFILES
from movies.target import Target
from tests.commands.offline import CONFIG, understudy, written

WEB, X265 = "Sintel.2010.1080p.WEB-DL.x264-DURIAN", "Sintel.2010.1080p.WEB-DL.x265-DURIAN"
BLURAY = "Sintel.2010.1080p.BluRay.x264-DURIAN"
OTHER = "Cosmos.Laundromat.2015.1080p.WEB-DL"


def decided(folder: Path, releases: str | bytes, *words: str, movie: str = "Sintel (2010)") -> list[dict[str, Any]]:
    """What is written about each release, and at last the ranking."""
    file = written(folder, "releases", releases)
    done = understudy(folder, "decide", "--movie", movie, "--releases", file, *words)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(folder: Path, releases: str | bytes, movie: str = "Sintel (2010)") -> str:
    """What stands on standard error, without the folder's name."""
    file = written(folder, "releases", releases)
    done = understudy(folder, "decide", "--movie", movie, "--releases", file)
    assert done.exit_code == 2, done.output
    return done.stderr.replace(f"{folder}/", "")


def test_names_are_judged_one_to_a_line(tmp_path: Path) -> None:
    web, x265, other, last = decided(tmp_path, f"{WEB}\r\n\n{X265}\n{OTHER}")
    assert (web["line"], web["title"], web["verdict"], web["reasons"]) == (1, WEB, "accepted", [])
    assert (web["quality"], web["score"], web["formats"]) == ("WEBDL-1080p", 0, [])
    assert (x265["line"], x265["verdict"], x265["score"], x265["formats"]) == (3, "rejected", -50, ["x265"])
    assert [rejection["reason"] for rejection in x265["reasons"]] == ["custom_format_minimum"]
    assert other["reasons"][0]["reason"] == "movie_does_not_match"
    assert last == {
        "movie": "Sintel (2010)",
        "profile": "hd",
        "ranking": [{"line": 1, "title": WEB}],
        "accepted": 1,
        "pending": 0,
        "rejected": 2,
    }


def test_what_a_name_says_is_told_as_by_parse(tmp_path: Path) -> None:
    release, hash_, _ = decided(tmp_path, f"{WEB}\n{'0123456789abcdef' * 2}")
    assert release["facts"] == {key: value for key, value in parsed_json(WEB).items() if key != "input"}
    assert hash_["facts"] == {"parsed": False, "reason": "obfuscated"}


def test_the_change_that_would_help_is_named(tmp_path: Path) -> None:
    x265, other, _ = decided(tmp_path, f"{X265}\n{OTHER}")
    assert x265["remedy"]["possible"]
    assert [change["text"] for change in x265["remedy"]["changes"]] == ["profiles.hd.minimum_score: -10 -> -50"]
    assert not other["remedy"]["possible"]
    assert [hindrance["reason"] for hindrance in other["remedy"]["hindrances"]] == ["movie_does_not_match"]


def test_remedies_may_be_left_out(tmp_path: Path) -> None:
    x265, _ = decided(tmp_path, X265, "--no-remedies")
    assert "remedy" not in x265


def test_the_best_release_ranks_first(tmp_path: Path) -> None:
    *_, last = decided(tmp_path, f"{WEB}\n{BLURAY}\n{X265}")
    assert [release["title"] for release in last["ranking"]] == [BLURAY, WEB]


def test_offers_are_objects(tmp_path: Path) -> None:
    offers = [
        {"title": WEB, "indexer": "open", "seeders": 0},
        {"title": WEB, "size": "1.4GiB", "protocol": "usenet", "flags": ["freeleech"], "published_at": "2026-05-01"},
        {"title": WEB, "size_bytes": 10**12, "guid": "1", "leechers": 2, "infohash": "AB" * 20, "tmdb_id": 45745},
    ]
    unseeded, usenet, large, last = decided(tmp_path, "\n".join(map(json.dumps, offers)))
    assert [rejection["reason"] for rejection in unseeded["reasons"]] == ["too_few_seeders"]
    assert usenet["verdict"] == "accepted"
    assert [rejection["reason"] for rejection in large["reasons"]] == ["size"]
    assert last["ranking"] == [{"line": 2, "title": WEB}]


def test_a_delay_is_waited_for_together(tmp_path: Path) -> None:
    young, old = ({"title": title, "published_at": age} for title, age in ((WEB, "30m"), (BLURAY, "90m")))
    words = ("--at", "2026-05-01T12:00:00")
    first, second, last = decided(tmp_path, f"{json.dumps(young)}\n{json.dumps(old)}", *words)
    assert (first["verdict"], second["verdict"], last["pending"]) == ("pending", "pending", 2)
    assert first["until"] == second["until"] == "2026-05-01T12:30:00+00:00"
    older = {"title": WEB, "published_at": "3h"}
    first, second, _ = decided(tmp_path, f"{json.dumps(young)}\n{json.dumps(older)}", *words)
    assert (first["verdict"], second["verdict"]) == ("accepted", "accepted")


def test_a_movie_is_an_object_in_a_file(tmp_path: Path) -> None:
    movie = {
        "title": "Sintel",
        "year": 2010,
        "alternative_titles": ["The Durian Film"],
        "profile": "hd",
        "runtime_min": 15,
        "file": {"title": X265, "at": "3d"},
        "blocklist": [BLURAY],
        "namesakes": [{"title": "The Durian Film", "year": 2011}],
    }
    web, bluray, alternative, _ = decided(
        tmp_path, f"{WEB}\n{BLURAY}\nThe.Durian.Film.1080p.WEB-DL", movie=written(tmp_path, "m.json", json.dumps(movie))
    )
    assert web["verdict"] == "accepted", "its score is higher than that of the file"
    assert [rejection["reason"] for rejection in bluray["reasons"]] == ["blocklisted"]
    assert alternative["verdict"] == "rejected"


def test_a_movie_has_what_the_table_of_wanted_movies_says(tmp_path: Path) -> None:
    movie = written(tmp_path, "m.json", json.dumps({"title": "Sintel", "year": 2010, "digital_on": "2030-01-01"}))
    web, _ = decided(tmp_path, WEB, movie=movie)
    assert [change["path"] for change in web["remedy"]["changes"]] == ["wanted.hd.minimum_availability"]


def test_releases_come_from_standard_input_too(tmp_path: Path) -> None:
    words = ("decide", "--movie", "Sintel (2010)", "--releases", "-")
    done = understudy(tmp_path, *words, input=f"{WEB}\n".encode())
    assert json.loads(done.stdout.splitlines()[-1])["accepted"] == 1


def test_a_pipe_is_read_twice_where_a_delay_asks_for_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(WEB,))
    writer.start()
    done = understudy(tmp_path, "decide", "--movie", "Sintel (2010)", "--releases", str(pipe))
    writer.join()
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("releases", "message"),
    [
        (f"{WEB}\n\n{{broken", "releases:3: is not valid JSON: Expecting property name"),
        ('{"title": "x"} {}', "releases:1: is not valid JSON: Extra data"),
        ('{"titel": "x", "title": "x"}', 'releases:1: unknown key titel; did you mean "title"?'),
        ('{"seeders": 1}', "releases:1: title is missing"),
        ('{"title": ""}', "releases:1: title: expected a string that is not empty"),
        ('{"title": "x", "size": "1 potato"}', 'releases:1: size: expected a number of bytes, or a size such as "1.4'),
        ('{"title": "x", "size": -1}', "releases:1: size: expected a number of bytes"),
        ('{"title": "x", "seeders": "1"}', "releases:1: seeders: expected a whole number"),
        ('{"title": "x", "published_at": "soon"}', 'releases:1: published_at: expected a time such as "2026-'),
        ('{"title": "x", "flags": ["freeleach"]}', "releases:1: flags: expected an indexer flag, one of"),
        ('{"title": "x", "seeders": ' + "9" * 5000 + "}", "releases:1: is not valid JSON: a number has too many"),
        ('{"title":' * 20_000, "releases:1: is longer than 64 KiB"),
        ('{"a":' * 12_000, "releases:1: is nested too deeply"),
        (b"x" * 100_000, "releases:1: is longer than 64 KiB"),
        (b"fine\n\xff\xfe", "releases:2: is not UTF-8 text"),
    ],
)
def test_a_line_that_is_no_release_is_told_with_its_number(tmp_path: Path, releases: str | bytes, message: str) -> None:
    assert refused(tmp_path, releases).startswith(message)


def test_what_stands_before_a_bad_line_is_judged(tmp_path: Path) -> None:
    file = written(tmp_path, "releases", f"{WEB}\n{{")
    config = CONFIG.replace('torrent = "2h"', 'torrent = "0s"')
    done = understudy(tmp_path, "decide", "--movie", "Sintel (2010)", "--releases", file, config=config)
    assert done.exit_code == 2
    assert [json.loads(line)["title"] for line in done.stdout.splitlines()] == [WEB]


@pytest.mark.parametrize(
    ("movie", "message"),
    [
        ("", '"" names no movie; write "Title (Year)"'),
        ("Big Buck Bunny (2008)", "profile is missing, and no [wanted] table names the movie; there are any, sd, "),
        ("none.json", "none.json: cannot be read: No such file or directory"),
        ("x" * 5000, "title: expected "),
    ],
)
def test_without_a_movie_nothing_is_judged(tmp_path: Path, movie: str, message: str) -> None:
    assert message in refused(tmp_path, WEB, movie)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m.json:1: is not valid JSON: Expecting value"),
        ("{\n\n]", "m.json:3: is not valid JSON: Expecting property name"),
        ("[]", "m.json: expected an object"),
        ("{}", "expected a title or an id"),
        (
            '{"title": "x", "profile": "ultrahd"}',
            'm.json: profile: no profile is called "ultrahd"; did you mean "ultra-hd"?',
        ),
        ('{"title": "x", "file": {"titel": "y"}}', 'm.json: unknown key file.titel; did you mean "title"?'),
        ('{"title": "x", "file": "S01E01"}', 'm.json: file: "S01E01" cannot be read as a movie\'s release: series'),
        ('{"title": "x", "digital_on": "3d"}', 'm.json: digital_on: expected a date such as "2026-05-01"'),
        ('{"title": "x", "year": "2010"}', "m.json: year: expected a whole number"),
    ],
)
def test_a_file_that_is_no_movie_is_told(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, WEB, written(tmp_path, "m.json", text))


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    for file, message in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        done = understudy(tmp_path, "decide", "--movie", "Sintel (2010)", "--releases", str(file))
        assert (done.exit_code, done.stderr) == (2, f"{file}: cannot be read: {message}\n")


def test_a_configuration_with_mistakes_is_told(tmp_path: Path) -> None:
    done = understudy(tmp_path, "decide", "--movie", "x", "--releases", "x", config="[profiles.x]\nqualites = []")
    assert done.exit_code == 2
    assert 'config.toml:2: unknown key profiles.x.qualites; did you mean "qualities"?' in done.stderr


def peak_bytes(path: Path) -> int:
    """How much memory it takes to judge a file whose judgement nobody keeps."""
    target = Target(movie_id=MovieId(1), title="Sintel", year=2010, profile=BUILTIN_PROFILES["hd"])
    moment = Moment(now=datetime(2026, 5, 1, tzinfo=UTC))
    with path.open("rb") as file:
        bench = Bench(file=file, path=path, target=target, policy=Policy(), moment=moment)
        tracemalloc.start()
        try:
            collections.deque(bench.facts(has_remedies=True, wanted=None), maxlen=0)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_a_long_file_is_never_held_as_a_whole(tmp_path: Path) -> None:
    for name, lines in (("few", 50), ("many", 1000)):
        written(tmp_path, name, f"{OTHER}\n" * lines)
    few, many = (min(peak_bytes(tmp_path / name) for _ in range(4)) for name in ("few", "many"))  # caches fill
    assert many < few + 20_000
