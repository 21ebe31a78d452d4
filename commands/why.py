"""The commands that explain: `why`, `why-not`, and `replay`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.table import Table

from commands.asking import get
from commands.remedies import remedy_lines
from commands.terminal import DEFAULT_CONFIG, ConfigOption, console
from movies.target import named

JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
MAX_FOUND = 20
CHANGED = "the configuration file has changed since the daemon started: 'now' is by the file as it is"


def why(
    movie: Annotated[str, typer.Argument(help='An id, "tt0133093", or "Title (Year)".')],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What was found for a movie, why this release was taken and not another, and which would be taken now."""
    answer = get(config, f"/api/why?{urlencode({'movie': movie})}")
    if as_json:
        console.print_json(json.dumps(answer))
        return
    about = answer["movie"]
    console.print(
        f"{named(about['title'], about['year'])} is {about['state']}" + _because(about["reason"]), soft_wrap=True
    )
    for line in (*_taken(answer["taken"]), *_now(answer["now"])):
        console.print(line, soft_wrap=True)
    console.print(_found(answer["found"]))
    if answer["is_config_changed"]:
        console.print(CHANGED, soft_wrap=True)


def why_not(
    release: Annotated[str, typer.Argument(help="The name of a release, found or not, or the id of one found.")],
    movie: Annotated[str | None, typer.Option("--movie", "-m", help="For this movie; default: all it may be.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What speaks against a release, and the smallest change of the configuration that would have it taken."""
    asked = {"release": release} | ({} if movie is None else {"movie": movie})
    answer = get(config, f"/api/why-not?{urlencode(asked)}")
    if as_json:
        console.print_json(json.dumps(answer))
        return
    for line in _against(answer):
        console.print(line, soft_wrap=True)
    if answer["is_config_changed"]:
        console.print(CHANGED, soft_wrap=True)


def replay(
    since: Annotated[str, typer.Option("--since", help="How far back: 7d, 12h, or a date such as 2026-11-01.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The new configuration, to be tried out.")],
    running: Annotated[
        Path, typer.Option("--running", help="The daemon's own configuration.", envvar="UNDERSTUDY_CONFIG")
    ] = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print each change as a line of JSON.")] = False,
) -> None:
    """Make the decisions of the past again by another configuration, and list what would have come out otherwise."""
    from commands.replay import replay_decisions

    replay_decisions(since, new=config, running=running, as_json=as_json)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _taken(taken: Mapping[str, Any] | None) -> Iterator[str]:
    if taken is None:
        yield "nothing has been taken yet"
        return
    release, others = taken["release"], len(taken["ranking"]) - 1
    if release is None:
        yield f"taken at {taken['decided_at']}: a release that is no longer known"
        return
    yield f"taken at {taken['decided_at']}: {_name(release)}"
    if others <= 0:
        yield f"  the only one of {taken['of']} that could be taken"
    elif taken["by"]:
        next_best = next(other for other in taken["ranking"] if other["id"] != release["id"])
        yield f"  the best of {others + 1} that could be taken, before {_name(next_best)} by its {taken['by']}"


def _now(now: Mapping[str, Any]) -> Iterator[str]:
    best = now["would_take"]
    yield f"now {_name(best)} would be taken" if best else "now nothing would be taken"
    for pending in now["pending"]:
        until = f" until {pending['until']}" if pending["until"] else ""
        yield f"  {_name(pending)} waits{until}: {pending['reasons'][0]['text']}"


def _found(found: list[Mapping[str, Any]]) -> Table:
    """The first of them; --json has all."""
    table = Table("release", "indexer", "quality", "score", "verdict")
    for row in found[:MAX_FOUND]:
        texts = "; ".join(reason["text"] for reason in row["reasons"])
        state = "waits: " if row["is_pending"] else ""
        verdict = "may be taken" if row["is_accepted"] else state + texts
        table.add_row(row["title"], row["indexer"], row["quality"], str(row["score"]), verdict)
    if len(found) > MAX_FOUND:
        table.add_row(f"and {len(found) - MAX_FOUND} more", "", "", "", "")
    return table


def _against(answer: Mapping[str, Any]) -> Iterator[str]:
    if not answer["is_found"]:
        yield f"no indexer has offered {answer['release']}"
    if answer["unreadable"]:
        yield f"the name is not read as a movie's release: {answer['unreadable']}"
    read = answer["read_as"]
    if read and not answer["movies"]:
        yield f"it is {named(read['title'], read['year'])}, {read['quality']}: no wanted movie"
    for one in answer["movies"]:
        yield f"{_name(one['release'])} for {named(one['movie']['title'], one['movie']['year'])}: {one['verdict']}"
        yield from (f"  {reason['text']} ({reason['reason']})" for reason in one["reasons"])
        if one["is_indexer_configured"] is False:
            yield f"  its indexer {one['release']['indexer']} is not configured any more, so it is not taken"
        if one["better"]:
            yield f"  {_name(one['better'])} is better by its {one['better']['by']}"
        yield from (f"  {line}" for line in remedy_lines(one["remedy"]))


def _name(release: Mapping[str, Any]) -> str:
    return f"{release['title']}{' from ' if release['indexer'] else ''}{release['indexer']}"
