"""The page of worked examples does what it says."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app

PAGE = Path(__file__).parents[2] / "movies/README.md"
BLOCK = re.compile(r"^```(\w+) ?([\w.]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: a file, where it has a `name`; without one policy tests or what a terminal shows."""

    language: str
    name: str
    text: str
    line: int


def blocks() -> list[Block]:
    page = PAGE.read_text()
    return [
        Block(language=match[1], name=match[2], text=match[3], line=page.count("\n", 0, match.start()) + 1)
        for match in BLOCK.finditer(page)
    ]


BLOCKS = blocks()
TESTS = [block for block in BLOCKS if block.language == "toml" and not block.name]
TERMINALS = [block for block in BLOCKS if block.language == "console"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the page's files, in which its commands are given."""
    for block in BLOCKS:
        if block.name:
            (tmp_path / block.name).write_text(block.text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(*words: str) -> str:
    """What a command prints."""
    return CliRunner().invoke(app, list(words), catch_exceptions=False).output


@pytest.mark.parametrize("block", TESTS, ids=lambda block: f"line-{block.line}")
def test_policy_tests_succeed(block: Block, folder: Path) -> None:
    (folder / "tests.toml").write_text(block.text)
    assert shown("policy", "test", "tests.toml") == "Unit Testing:  tests.toml\n  SUCCESS\n"


@pytest.mark.parametrize("block", TERMINALS, ids=lambda block: f"line-{block.line}")
def test_commands_print_what_is_shown(block: Block) -> None:
    for command, expected in re.findall(r"^\$ understudy (.*)\n((?:[^$].*\n)*)", block.text, re.MULTILINE):
        pattern = re.sub(r"^ *\.\.\.\n", "<lines>", expected, flags=re.MULTILINE).replace("...", "<text>")
        pattern = re.escape(pattern).replace("<lines>", r"(?:.*\n)+").replace("<text>", ".+")
        assert re.fullmatch(pattern, shown(*shlex.split(command)))


def test_every_block_is_run() -> None:
    assert len(BLOCKS) == PAGE.read_text().count("```") / 2
    assert all(block.name or block in TESTS or block in TERMINALS for block in BLOCKS)
    assert len(TESTS) > 5
    assert len(TERMINALS) > 2
