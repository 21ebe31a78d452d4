"""What PostgreSQL did for a call, as auto_explain saw it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from storage.database import Connection

PLAN_MODES = ["force_custom_plan", "force_generic_plan"]
"""A statement is planned for its values and, once it was prepared and used often, without them."""
EXPLAINED = """
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_analyze = on;
set auto_explain.log_timing = off;
set auto_explain.log_format = json;
set client_min_messages = log;
"""

Node = dict[str, Any]


class Explained:
    """The plans of a call's statements, with what they read."""

    def __init__(self, plans: Sequence[Node]) -> None:
        self.nodes = [node for plan in plans for node in walk(plan)]

    @property
    def indexes(self) -> set[str]:
        """Those of the two tables that grow."""
        names = {node["Index Name"] for node in self.nodes if "Index Name" in node}
        return {name for name in names if name.startswith(("jobs_", "events_"))}

    @property
    def full_scans(self) -> list[str]:
        """Tables that were read from end to end."""
        return [node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"]

    @property
    def rows_read(self) -> float:
        """Those that were then filtered away, too."""
        scans = [node for node in self.nodes if "Scan" in node["Node Type"] and "Relation Name" in node]
        read = [node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in scans]
        return sum(float(rows * node["Actual Loops"]) for rows, node in zip(read, scans, strict=True))


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)


@contextmanager
def planning(dsn: str, mode: str) -> Iterator[Connection]:
    """A connection that plans by one of `PLAN_MODES`; its transaction is rolled back."""
    with psycopg.connect(dsn, row_factory=dict_row, prepare_threshold=0) as connection:
        connection.execute(f"set plan_cache_mode = {mode}".encode())
        yield connection
        connection.rollback()


def explained(connection: Connection, call: Callable[[], object]) -> Explained:
    said: list[str] = []
    connection.execute(EXPLAINED, prepare=False)
    connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    call()
    connection.execute("select")  # the end of a query is reported with the next one's beginning
    plans = [json.loads(text[text.index("{") :])["Plan"] for text in said if "plan:" in text]
    assert plans, "auto_explain reports"
    return Explained(plans)
