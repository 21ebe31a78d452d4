"""Asks the running daemon, over its unix socket; an error ends the command with one line on standard error."""

from pathlib import Path
from typing import Any

import typer

from api.local import NotRunning, ask_daemon
from commands.terminal import EXIT_NOT_RUNNING, errors, load_config


def get(config: Path, path: str) -> Any:
    return ask(config, "GET", path)


def ask(config: Path, method: str, path: str, *, body: Any = None) -> Any:
    """The answer of the daemon of this configuration's data folder."""
    folder = load_config(config).daemon.data_dir
    try:
        code, answer = ask_daemon(folder, method, path, body=body)
    except NotRunning as error:
        errors.print(str(error), soft_wrap=True)
        raise typer.Exit(EXIT_NOT_RUNNING) from None
    if code >= 400:
        errors.print(str(answer.get("error") or answer.get("outcome") or answer), soft_wrap=True)
        raise typer.Exit(1)
    return answer
