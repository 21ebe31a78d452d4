"""Nodes over HTTP: who does what, and a node that will never return."""

from storage import nodes
from storage.database import Database
from tests.api.running import Api


def test_a_node_is_forgotten_once_and_not_while_it_is_there(api: Api, module_database: Database) -> None:
    with module_database.transaction() as connection:
        nodes.register(connection, node="stage left", lanes=[], homes={})
    path = "/api/nodes/stage%20left/forget"
    refused = api.ask(path, method="POST")
    assert (refused.status, "stop it first" in refused.json["error"]) == (409, True)
    with module_database.transaction() as connection:
        connection.execute("update nodes set seen_at = now() - interval '1 min'")
    assert [node["name"] for node in api.ask("/api/duties").json["nodes"]] == ["stage left"]
    forgotten = api.ask(path, method="POST")
    assert (forgotten.status, forgotten.json) == (200, {"forgotten": "stage left", "movies": []})
    assert api.ask(path, method="POST").status == 404
    assert api.ask("/api/nodes/a%00b/forget", method="POST").status == 400
