"""The command line: runs the daemon, and asks a running one over its unix socket."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.table import Table

from api.tables import breaker_table, duty_table, tree_table
from commands import offline, why
from commands.asking import ask, get
from commands.nodes import nodes_app
from commands.parse import parse
from commands.terminal import (
    DEFAULT_CONFIG,
    EXIT_IN_USE,
    EXIT_POSTGRES,
    ConfigOption,
    console,
    errors,
    load_config,
)
from storage.errors import DataFolderLocked, PostgresFailed, SchemaTooNew, StorageError
from storage.file_errors import FileError

app = typer.Typer(
    name="understudy",
    help="A supervised daemon that finds, downloads and files the movies you name in one config.toml.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
jobs_app = typer.Typer(help="The jobs of the queue, and its dead letters.", no_args_is_help=True)
app.add_typer(jobs_app, name="jobs")
breaker_app = typer.Typer(help="The circuit breakers: what is left alone while it is down.", no_args_is_help=True)
app.add_typer(breaker_app, name="breaker")
tree_app = typer.Typer(help="The supervision tree: the actors as they are now.")
app.add_typer(tree_app, name="tree")
app.add_typer(nodes_app, name="nodes")

BinariesOption = Annotated[
    Path | None, typer.Option("--binaries", help="The folder with PostgreSQL's programs; default: the shipped ones.")
]
KindOption = Annotated[str | None, typer.Option("--kind", help="Of this kind, such as fetch.")]
LaneOption = Annotated[str | None, typer.Option("--lane", help="Of this lane, such as client:builtin.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help='For this reason, such as "download stalled".')]
JobArgument = Annotated[int | None, typer.Argument(metavar="[JOB]", show_default=False)]


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the daemon in the foreground until SIGTERM or Ctrl-C."""
    argv = [sys.executable, "-P", "-m", "daemon.run", str(config)]
    sys.stdout.flush()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until the daemon hears it
    os.execv(sys.executable, argv)  # the daemon does not carry the command line's libraries


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the demo's folder behind.")] = False,
) -> None:
    """Watch the whole path of one movie on this machine: an indexer, a seeder, the daemon, a crash and an outage."""
    from demo.show import show

    raise typer.Exit(show(Console(highlight=False), keep=keep))


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check the configuration file: every mistake with its line."""
    from config.contradictions import unused_tags

    loaded = load_config(config)
    wanted = len(loaded.wanted_movies())
    console.print(f"{config} is valid: {len(loaded.indexers)} indexers, {wanted} wanted movies")
    for text in unused_tags(loaded):
        console.print(text, soft_wrap=True)


@app.command()
def status(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """How the daemon is: queue, health, the tree of actors, and who has which standing duty."""
    queue, tree = get(config, "/api/queue/status"), get(config, "/api/supervision")
    items = get(config, "/api/health")["health"]
    counts = ", ".join(f"{number} {state}" for state, number in queue["jobs"].items())
    console.print(f"queue {queue['status']}: {counts}")
    for item in items:
        console.print(item["text"], style="red" if item["severity"] == "error" else "yellow", soft_wrap=True)
    console.print(tree_table(tree["tree"]))
    console.print(duty_table(get(config, "/api/duties")["duties"]))


@app.command()
def movies(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The movies and how far each has come."""
    table = Table("id", "movie", "state", "quality", "path or reason")
    for movie in get(config, "/api/movies?limit=500")["movies"]:
        name = f"{movie['title'] or movie['imdb_id'] or movie['tmdb_id']} ({movie['year'] or '?'})"
        table.add_row(str(movie["id"]), name, movie["state"], movie["quality"] or "", movie["path"] or movie["reason"])
    console.print(table)


@app.command()
def downloads(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """What is being downloaded, and what was: the list that users call the queue."""
    table = Table("id", "release", "client", "state", "done", "error")
    for row in get(config, "/api/downloads")["downloads"]:
        done = f"{100 * row['done_bytes'] / row['size_bytes']:.0f} %" if row["done_bytes"] and row["size_bytes"] else ""
        table.add_row(str(row["id"]), row["title"], row["client"], row["state"], done, row["error"] or "")
    console.print(table)


@jobs_app.command("list")
def list_jobs(
    config: ConfigOption = DEFAULT_CONFIG,
    state: Annotated[str, typer.Option(help="ready, running, done, dead; several with commas.")] = "ready,running,dead",
    kind: KindOption = None,
    lane: LaneOption = None,
    reason: ReasonOption = None,
) -> None:
    """The jobs of the queue, newest first."""
    _print_jobs(get(config, f"/api/queue?{_query(state=state, kind=kind, lane=lane, reason=reason)}")["jobs"])


@jobs_app.command("dead")
def dead_jobs(
    config: ConfigOption = DEFAULT_CONFIG,
    kind: KindOption = None,
    lane: LaneOption = None,
    reason: ReasonOption = None,
) -> None:
    """The dead letters: what failed for good until somebody decides."""
    list_jobs(config, state="dead", kind=kind, lane=lane, reason=reason)


@jobs_app.command("show")
def show_job(job: int, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """One job with its whole error history."""
    console.print_json(json.dumps(get(config, f"/api/queue/{job}")))


@jobs_app.command("retry")
def retry_job(
    job: JobArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    kind: KindOption = None,
    lane: LaneOption = None,
    reason: ReasonOption = None,
) -> None:
    """Give a dead letter a fresh start, or all that share a kind, a lane or a reason."""
    _decide(config, "retry", job, kind=kind, lane=lane, reason=reason)


@jobs_app.command("discard")
def discard_job(
    job: JobArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    kind: KindOption = None,
    lane: LaneOption = None,
    reason: ReasonOption = None,
) -> None:
    """Have nobody do a dead letter, or all that share a kind, a lane or a reason."""
    _decide(config, "discard", job, kind=kind, lane=lane, reason=reason)


@jobs_app.command("replay")
def replay_job(
    job: int,
    payload: Annotated[str, typer.Argument(help="A JSON object; `jobs show` has the present one.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Give a dead letter a fresh start with another payload."""
    try:
        facts = json.loads(payload)
    except ValueError as error:
        raise typer.BadParameter(f"this is not JSON: {error}") from None
    answer = ask(config, "POST", f"/api/queue/{job}/replay", body={"payload": facts})
    console.print(f"job {job}: {answer['outcome']}")


def _decide(config: Path, decision: str, job: int | None, **cause: str | None) -> None:
    query = _query(**cause)
    if (job is None) == (not query):
        raise typer.BadParameter("name one job, or --kind, --lane or --reason")
    if job is not None:
        console.print(f"job {job}: {ask(config, 'POST', f'/api/queue/{job}/{decision}')['outcome']}")
        return
    answer = ask(config, "POST", f"/api/queue/dead/{decision}?{query}")
    console.print(", ".join(f"{number} {outcome}" for outcome, number in answer.items()))


def _query(**given: str | None) -> str:
    return urlencode({name: value for name, value in given.items() if value is not None})


@tree_app.callback(invoke_without_command=True)
def tree(context: typer.Context, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show every actor: its state, restarts, what waits for it, what it is at, and the breaker of what it calls."""
    if context.invoked_subcommand is None:
        console.print(tree_table(get(config, "/api/supervision")["tree"]))


@tree_app.command("restart")
def restart_actor(name: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Restart an actor or a group now, also a parked one."""
    console.print(f"{ask(config, 'POST', f'/api/supervision/restart/{quote(name)}')['restart']} is being restarted")


@app.command()
def stacks(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """What every thread of the daemon does now; SIGUSR1 has it written to the log."""
    console.print(get(config, "/api/supervision/stacks")["stacks"], soft_wrap=True)


@app.command()
def backup(
    file: Annotated[Path | None, typer.Argument(help="Where to; default: data_dir/backups.")] = None,
    binaries: BinariesOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Save the database into one file; the daemon may run meanwhile."""
    from daemon.backups import back_up_by_hand

    with _failing_clearly():
        path = back_up_by_hand(load_config(config), file, binaries=binaries)
        console.print(f"{path} is a backup of {path.stat().st_size / 2**20:.1f} MiB", soft_wrap=True)


@app.command()
def restore(file: Path, binaries: BinariesOption = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Put a backup in the place of the database, while no daemon runs."""
    from daemon.backups import restore_by_hand

    with _failing_clearly():
        restored = restore_by_hand(load_config(config), file, binaries=binaries)
        console.print(f"{file} is restored: schema {restored.schema}; start the daemon", soft_wrap=True)


@breaker_app.command("list")
def list_breakers(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Each dependency, whether it is called now, and why not."""
    console.print(breaker_table(get(config, "/api/breakers")["breakers"]))


@breaker_app.command("open")
def open_breaker(dependency: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Leave a dependency alone until told otherwise."""
    _change_breaker(config, "open", dependency)


@breaker_app.command("close")
def close_breaker(dependency: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Call a dependency again, now."""
    _change_breaker(config, "close", dependency)


@breaker_app.command("disable")
def disable_breaker(dependency: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let every call through, whatever comes of it, until told otherwise."""
    _change_breaker(config, "disable", dependency)


@breaker_app.command("reset")
def reset_breaker(dependency: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Close it and forget what it counted."""
    _change_breaker(config, "reset", dependency)


def _change_breaker(config: Path, action: str, dependency: str) -> None:
    breaker = ask(config, "POST", f"/api/breakers/{action}/{quote(dependency)}")["breaker"]
    console.print(f"{breaker['dependency']} is {breaker['state']}")


def _print_jobs(rows: list[dict[str, Any]]) -> None:
    table = Table("id", "kind", "lane", "state", "attempt", "reason", "last error")
    for row in rows:
        table.add_row(
            str(row["id"]),
            row["kind"],
            row["lane"],
            row["state"],
            str(row["attempt"]),
            row["waiting_for"] or row["reason"] or "",
            (row["last_error"] or "")[:120],
        )
    console.print(table)


@contextlib.contextmanager
def _failing_clearly() -> Iterator[None]:
    """An error of storage ends the command with one line on standard error, and the exit code the daemon has for it."""
    try:
        yield
    except (StorageError, FileError) as error:
        errors.print(" | ".join(str(error).split("\n")), soft_wrap=True)
        is_in_use, is_postgres = isinstance(error, DataFolderLocked | SchemaTooNew), isinstance(error, PostgresFailed)
        raise typer.Exit(EXIT_IN_USE if is_in_use else EXIT_POSTGRES if is_postgres else 1) from None


app.command()(parse)
app.command()(offline.decide)
app.add_typer(offline.policy_app, name="policy")
app.command()(why.why)
app.command("why-not")(why.why_not)
app.command()(why.replay)


def main() -> None:
    app(prog_name="understudy")


if __name__ == "__main__":
    main()
