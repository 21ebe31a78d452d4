"""Runs the commands that need no daemon, in this process."""

from pathlib import Path

from typer.testing import CliRunner, Result

from cli import app

CONFIG = """
[profiles.hd]
qualities = ["Remux-1080p", "Bluray-1080p", ["WEBDL-1080p", "WEBRip-1080p"], "HDTV-1080p"]
cutoff = "Bluray-1080p"
formats = { x265 = -50 }
cutoff_score = 0
minimum_score = -10

[formats.x265]
conditions = [{ type = "release_title", regex = "x265" }]

[[delays]]
torrent = "2h"

[[indexers]]
name = "open"
type = "torznab"
url = "http://127.0.0.1:9117/api"

[wanted.hd]
titles = ["Sintel (2010)"]
"""


def understudy(folder: Path, *words: str, config: str = CONFIG, input: bytes | None = None) -> Result:
    """What the command says about the configuration, which it finds in the folder."""
    path = folder / "config.toml"
    path.write_text(config)
    return CliRunner().invoke(app, [*words, "--config", str(path)], input=input, catch_exceptions=False)


def written(folder: Path, name: str, text: str | bytes) -> str:
    """The path of a new file."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)
