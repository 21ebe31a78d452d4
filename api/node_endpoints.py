"""The daemons that share the database over HTTP: which node does what, and one that will never return."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.answer import Answer, BadRequest, ask_database
from storage import duties, nodes, reconciliation
from storage.database import Database


class NodeEndpoints:
    """One method per endpoint."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def routes(self) -> list[Route]:
        return [
            Route("/api/duties", self.duties, methods=["GET"]),
            Route("/api/nodes/{name}/forget", self.forget, methods=["POST"]),
        ]

    async def duties(self, request: Request) -> Response:
        """Which node has which standing duty, and when each node was last there."""
        duty_rows = await ask_database(self._database, duties.listed)
        node_rows = await ask_database(self._database, nodes.listed)
        return Answer({"duties": duty_rows, "nodes": node_rows})

    async def forget(self, request: Request) -> Response:
        """Release what a node has that will never return; `movies` are those that are got another way."""
        name = request.path_params["name"]
        if "\0" in name:
            raise BadRequest("no node has such a name")
        found = await ask_database(self._database, lambda connection: reconciliation.forget(connection, name))
        if found == "unknown":
            return Answer({"error": f"there is no node {name}"}, status_code=404)
        if found == "alive":
            return Answer({"error": f"node {name} is there, or was a moment ago: stop it first"}, status_code=409)
        return Answer({"forgotten": name, "movies": found})
