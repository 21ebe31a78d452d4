import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cli import app

PARSE = [sys.executable, "-P", "-m", "cli", "parse"]
LIMIT_S = 60


def run(*arguments: str, given: bytes = b"") -> str:
    result = CliRunner().invoke(app, ["parse", *arguments], input=given)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_name_is_shown_as_a_table_of_what_it_says() -> None:
    shown = run("Sintel.2010.1080p.BluRay.x264-DURIAN")
    assert [word in shown for word in ("Sintel", "2010", "Bluray-1080p", "DURIAN")] == [True] * 4
    assert "edition" not in shown


def test_a_refused_name_is_shown_with_the_reason() -> None:
    assert "series" in run("Some.Show.S01E02")


def test_lines_of_json_answer_lines_of_names_in_their_order() -> None:
    names = ["Sintel.2010.1080p", "", "Some.Show.S01E02", "Tears of Steel (2012)"]
    answers = [json.loads(line) for line in run("--jsonl", given="\r\n".join(names).encode()).splitlines()]
    assert [answer["input"] for answer in answers] == names
    assert [answer.get("reason", answer.get("title")) for answer in answers] == [
        "Sintel",
        "empty",
        "series",
        "Tears of Steel",
    ]


def test_names_of_the_command_line_are_answered_as_json_too() -> None:
    assert json.loads(run("--jsonl", "Sintel.2010"))["year"] == 2010


def test_a_part_is_asked_for() -> None:
    assert json.loads(run("--jsonl", "--as", "release_group", "Some.Show.S01E02.720p.HDTV.x264-ABC")) == {
        "input": "Some.Show.S01E02.720p.HDTV.x264-ABC",
        "release_group": "ABC",
    }


def test_without_names_it_says_what_to_give() -> None:
    result = CliRunner().invoke(app, ["parse"])
    assert (result.exit_code, "--jsonl" in result.output) == (2, True)


@pytest.mark.parametrize("broken", [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x00"])
def test_bytes_that_are_no_utf_8_spoil_no_line(broken: bytes) -> None:
    lines = run("--jsonl", given=b"Sin" + broken + b"tel.2010\nSintel.2010\n").splitlines()
    assert [json.loads(line)["year"] for line in lines] == [2010, 2010]


def test_each_line_is_answered_before_the_next_is_given() -> None:
    with subprocess.Popen([*PARSE, "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for year in (2010, 2012):
            process.stdin.write(f"Sintel.{year}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["year"] == year
        process.stdin.close()
        assert process.wait(LIMIT_S) == 0


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    endless = subprocess.Popen(["yes", "Sintel.2010"], stdout=subprocess.PIPE)
    with subprocess.Popen(
        [*PARSE, "--jsonl"], stdin=endless.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(LIMIT_S) == 0
    endless.kill()
    endless.wait(LIMIT_S)


def test_parsing_starts_no_part_of_the_daemon() -> None:
    code = "import cli, sys; print([n for n in sys.modules if n.split('.')[0] in ('daemon', 'actors', 'libtorrent')])"
    said = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
