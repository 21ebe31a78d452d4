"""`understudy parse`: what release names say, as a table for people, as JSON lines for other tools."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from movies.parse_contract import Json, NameKind, parsed_json

NamesArgument = Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)]
JsonlOption = Annotated[
    bool, typer.Option("--jsonl", help="One JSON object a line, for each NAME, or for each line of standard input.")
]
KindOption = Annotated[NameKind, typer.Option("--as", help="What the names are, or the part that is asked for.")]


def parse(names: NamesArgument = None, jsonl: JsonlOption = False, kind: KindOption = NameKind.RELEASE) -> None:
    """Read release names: title, year, quality, languages, group and the rest, or why one is no movie's."""
    if not names and not jsonl:
        raise typer.BadParameter("give a NAME, or --jsonl to read names from standard input")
    given = [name.encode("utf-8", "replace").decode() for name in names or []]
    try:
        if jsonl:
            _write_lines(given or _lines(sys.stdin.buffer), kind)
        else:
            _print_tables(given, kind)
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(source: Iterable[bytes]) -> Iterable[str]:
    """The names, one a line; bytes that are no UTF-8 become U+FFFD."""
    return (line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace") for line in source)


def _write_lines(names: Iterable[str], kind: NameKind) -> None:
    """Write each answer as soon as it is known: the other side may wait for it."""
    out = sys.stdout.buffer
    for name in names:
        out.write(json.dumps(parsed_json(name, kind)).encode() + b"\n")
        out.flush()


def _print_tables(names: Iterable[str], kind: NameKind) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    for name in names:
        table = Table(show_header=False, title=name, title_justify="left", title_style="bold")
        for key, value in parsed_json(name, kind).items():
            if key == "parsed" or (key != "input" and value):
                table.add_row(key, _shown(value))
        console.print(table, soft_wrap=True)


def _shown(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
