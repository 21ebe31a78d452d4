"""README.md says only what is there: its configuration is right, its commands, HTTP paths and files exist."""

import re
import shlex
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from starlette.routing import Match

from api.endpoints import Endpoints
from cli import app
from config.loading import load
from config.schema import Config
from movies.profile import BUILTIN_PROFILES
from tests.config.documents import with_examples, written
from tests.config.guides import write_guides

REPOSITORY = Path(__file__).parents[1]
TEXT = (REPOSITORY / "README.md").read_text()
(TABLES,) = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
LINES = re.findall(r"^\$ bin/(understudy .*?)(?:  +#.*)?$", TEXT, re.MULTILINE)
MENTIONED = re.findall(r"`((?:understudy )?[a-z][\w|-]*(?: [^`]+)?)`", TEXT)
COMMANDS: Any = typer.main.get_command(app)
NOBODY = cast(Any, None)
ROUTES = Endpoints(database=NOBODY, daemon=NOBODY, alarm=NOBODY, registry=NOBODY, running=NOBODY).routes()


def spelled_out(command: str) -> list[str]:
    """A command for each of the alternatives in `jobs dead|retry`."""
    match = re.search(r"[\w-]+(?:\|[\w-]+)+", command)
    return [command.replace(match[0], one) for one in match[0].split("|")] if match else [command]


def require_command(line: str) -> None:
    """The line's words name a command, and its options are that command's."""
    command = COMMANDS
    for word in shlex.split(line):
        if word in getattr(command, "commands", ()):
            command = command.commands[word]
        elif word.startswith("-"):
            assert word in {name for parameter in command.params for name in parameter.opts}, line
        else:
            assert word.isupper() or not hasattr(command, "commands"), line
    assert command is not COMMANDS, line


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPEN_MOVIES_KEY", "a key")


def loaded(folder: Path, text: str) -> Config:
    return load(written(folder, text))


def test_the_tables_are_a_whole_configuration(tmp_path: Path) -> None:
    config = loaded(tmp_path, TABLES)
    assert {movie.title or movie.tmdb_id for _, movie in config.wanted_movies()} == {45745, "The General", "Nosferatu"}
    assert config.all_profiles["best"].format_scores == {"x265": -50}
    assert len({"hd", "ultra-hd"} & BUILTIN_PROFILES.keys()) == len(BUILTIN_PROFILES) - 4


def test_a_profile_of_the_guides_is_switched_on_by_its_two_lines(tmp_path: Path) -> None:
    write_guides(tmp_path / "trash-guides")
    config = loaded(tmp_path, with_examples(TABLES))
    assert config.all_profiles["guides"].format_scores.keys() == {"Repack", "x265 (HD)"}


@pytest.mark.parametrize("line", LINES)
def test_each_command_line_is_one(line: str) -> None:
    require_command(line.removeprefix("understudy "))


def test_each_command_that_is_mentioned_exists() -> None:
    commands = [
        command.removeprefix("understudy ")
        for mentioned in MENTIONED
        for command in spelled_out(re.sub(r"\[.*?\]", "", mentioned))
        if mentioned.startswith("understudy ") or command.split()[0] in COMMANDS.commands
    ]
    assert len(commands) > 15
    for command in commands:
        require_command(command)


def is_served(method: str, path: str) -> bool:
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "path_params": {}, "root_path": ""}
    return any(route.matches(scope)[0] is Match.FULL for route in ROUTES)


def test_each_http_path_is_served() -> None:
    rows = re.findall(r"^\| (`(?:GET|POST) .*?`) \| ", TEXT, re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        method, before = "", ""
        for verb, written_path in re.findall(r"`(GET |POST )?(\S+?)(?:\?\S*)?`", row.replace("\\|", "|")):
            method = verb.strip() or method
            before = re.sub(r"^\.\.\.", before.rpartition("/")[0], written_path)
            for path in spelled_out(before):
                assert is_served(method, re.sub(r"\bID\b", "1", path)), f"{method} {path}"


def test_each_file_that_is_named_exists_and_every_folder_of_the_program_is_on_the_map() -> None:
    links = re.findall(r"\]\(([\w./]+)\)", TEXT)
    places = re.findall(r"`([\w./]+(?:/|\.py|\.toml|\.md))`", TEXT.partition("## Map")[2])
    assert len(links) > 3
    assert not [place for place in (*links, *places) if not (REPOSITORY / place).exists()]
    packages = {f"{path.parent.name}/" for path in REPOSITORY.glob("*/__init__.py")}
    assert packages <= set(places)
