"""The rows of breakers: written over, waits counted from now, forgotten with their dependency."""

from typing import Any

import pytest

from storage import breakers
from storage.database import Database


def save(database: Database, **changes: Any) -> None:
    row: dict[str, Any] = {"node": "here", "dependency": "indexer:a", "state": "open", "retry_in_s": 60.0}
    row |= {"opened_count": 2, "reason": "refused"} | changes
    with database.transaction() as connection:
        breakers.save(connection, **row)


def listed(database: Database, node: str = "here") -> list[dict[str, Any]]:
    with database.transaction() as connection:
        return breakers.listed(connection, node=node)


def test_a_breaker_comes_back_as_it_was_saved_last_with_what_is_left_of_its_wait(database: Database) -> None:
    save(database, state="closed", retry_in_s=0.0, opened_count=0, reason="")
    save(database)
    (row,) = listed(database)
    assert (row["state"], row["opened_count"], row["reason"]) == ("open", 2, "refused")
    assert row["retry_in_s"] == pytest.approx(60.0, abs=5.0)


def test_a_wait_that_is_over_is_none(database: Database) -> None:
    save(database, retry_in_s=-3600.0)
    assert listed(database)[0]["retry_in_s"] == 0.0


def test_every_node_has_breakers_of_its_own(database: Database) -> None:
    save(database)
    save(database, node="there", state="closed")
    assert [(row["node"], row["state"]) for row in listed(database)] == [("here", "open")]
    assert [(row["node"], row["state"]) for row in listed(database, "there")] == [("there", "closed")]


def test_what_the_configuration_has_no_more_is_forgotten_on_this_node_alone(database: Database) -> None:
    save(database)
    save(database, dependency="indexer:b")
    save(database, node="there")
    with database.transaction() as connection:
        breakers.keep(connection, node="here", dependencies=["indexer:b"])
    assert [row["dependency"] for row in listed(database)] == ["indexer:b"]
    assert [row["dependency"] for row in listed(database, "there")] == ["indexer:a"]


def test_what_some_node_sees_down_is_known_to_be_down_somewhere(database: Database) -> None:
    save(database, state="closed")
    for node, state in (("there", "open"), ("yonder", "forced_open")):
        save(database, node=node, state=state)
    save(database, dependency="indexer:b", state="half_open")
    with database.transaction() as connection:
        assert breakers.open_anywhere(connection) == ["indexer:a"]
