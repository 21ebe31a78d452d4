"""The commands that judge releases without a daemon: `decide`, and `policy test`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.terminal import DEFAULT_CONFIG, ConfigOption

policy_app = typer.Typer(help="What the configuration says about releases.", no_args_is_help=True)

MovieOption = Annotated[
    str, typer.Option("--movie", "-m", metavar="MOVIE", help='A JSON file, or a title: "The General (1926)".')
]
ReleasesOption = Annotated[
    Path, typer.Option("--releases", "-r", help="A release per line, as a name or as a JSON object; -: standard input.")
]
TimeOption = Annotated[datetime | None, typer.Option("--at", help="Decide as of this time, in UTC; default: now.")]
RemedyOption = Annotated[
    bool, typer.Option("--remedies/--no-remedies", help="Name the change of the configuration that would help.")
]


def decide(
    movie: MovieOption,
    releases: ReleasesOption,
    config: ConfigOption = DEFAULT_CONFIG,
    at: TimeOption = None,
    remedies: RemedyOption = True,
) -> None:
    """Judge releases for a movie, offline: a JSON object for each, with every reason, then one with the ranking."""
    from commands.decide import decide_file

    decide_file(releases, movie=movie, config=config, at=at, has_remedies=remedies)


@policy_app.command("test")
def policy_test(
    files: Annotated[list[Path], typer.Argument(help="TOML files of cases; movies/README.md shows one.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Run your own cases against a configuration: exit code 0, 1 if one fails, 2 if a file cannot be used."""
    from commands.policy_tests import run_policy_tests

    run_policy_tests(files, config)
