"""What the commands share: the two consoles, the option that names the configuration, and the exit codes."""

from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from config.loading import load
from config.mistakes import ConfigError
from config.schema import Config

console = Console(highlight=False, markup=False, emoji=False)  # titles and paths may hold brackets and colons
errors = Console(stderr=True, highlight=False, markup=False, emoji=False)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="UNDERSTUDY_CONFIG")
]
DEFAULT_CONFIG = Path("config.toml")
EXIT_CONFIG, EXIT_IN_USE, EXIT_POSTGRES, EXIT_NOT_RUNNING = 2, 3, 4, 5


@cache
def warn_of_timeout(pattern: str) -> None:
    """Say once that a pattern of the configuration ran out of time."""
    text = "takes too long with some release names and counts as no match there: simplify it"
    errors.print(f"the pattern {pattern} {text}", soft_wrap=True)


def load_config(path: Path) -> Config:
    """The configuration; its mistakes end the command with a line each on standard error, and code 2."""
    try:
        return load(path)
    except ConfigError as error:
        errors.print(str(error), soft_wrap=True)
        raise typer.Exit(EXIT_CONFIG) from None
