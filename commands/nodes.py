"""`understudy nodes`: the daemons that share the database."""

from urllib.parse import quote

import typer
from rich.table import Table

from commands.asking import ask, get
from commands.terminal import DEFAULT_CONFIG, ConfigOption, console

nodes_app = typer.Typer(help="The daemons that share the database.")


@nodes_app.callback(invoke_without_command=True)
def nodes(context: typer.Context, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show every node: when it was last there, and its standing duties."""
    if context.invoked_subcommand is not None:
        return
    found = get(config, "/api/duties")
    table = Table("node", "last seen", "duties")
    for node in found["nodes"]:
        held = [duty["name"] for duty in found["duties"] if duty["node"] == node["name"] and duty["is_held"]]
        table.add_row(node["name"], node["seen_at"], ", ".join(held))
    console.print(table)


@nodes_app.command("forget")
def forget(name: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """A node will never return: others have its jobs and duties at once, and what its file wants is wanted no more."""
    movies = ask(config, "POST", f"/api/nodes/{quote(name, safe='')}/forget")["movies"]
    console.print(f"{name} is forgotten; {len(movies)} movies are got another way")
