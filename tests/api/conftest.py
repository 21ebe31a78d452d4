"""One HTTP process for each module of tests, since it takes a second to start, and the daemon's answers in it."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from metrics.control_channel import Answer
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from tests.api.running import Api, running_api
from tests.postgres import fresh_database

TREE = [{"name": "queue", "state": "running", "children": []}]


def crash(question: Any) -> str:
    if question["actor"] != "queue":
        raise LookupError(f"there is no actor {question['actor']}; there are queue")
    return "queue"


def change_breaker(question: Mapping[str, Any]) -> dict[str, Any]:
    if question["dependency"] != "root:/films":
        raise LookupError("there is no such breaker")
    return {"dependency": "root:/films", "state": question["action"]}


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """What the daemon answers; a test may change it and puts it back."""
    return {
        "heartbeat": lambda question: {"status": "ok", "version": "1.2.3"},
        "queue": lambda question: True,
        "metrics": lambda question: "understudy_jobs 3.0\n",
        "tree": lambda question: TREE,
        "health": lambda question: [{"source": "indexers", "text": "no indexer is configured"}],
        "breakers": lambda question: [{"dependency": "database", "state": "closed"}],
        "crash": crash,
        "dead_letters": lambda question: [{"target": "queue", "message_type": "WakeUp", "reason": "gone"}],
        "stacks": lambda question: "queue, waiting:\n",
        "restart": lambda question: question["actor"],
        "breaker": change_breaker,
    }


@pytest.fixture(scope="module")
def module_database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    with fresh_database(postgres) as dsn:
        database = Database(dsn, application="test")
        database.open()
        database.prepare()
        try:
            yield database
        finally:
            database.close()


@pytest.fixture(scope="module")
def api(
    module_database: Database, answers: dict[str, Answer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    with running_api(module_database.dsn, tmp_path_factory.mktemp("api"), answers=answers) as api:
        api.await_ready()
        yield api
