"""Who asks the database while it is away gets it when it is back, and not when the time to ask is up."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.database import Database
from storage.errors import DatabaseUnavailable
from tests.database_outage import database_away

AWAY_S = 2.0
"""Longer than the pool tries to connect for one who asked."""
SERVED_WITHIN_S = 1.5


def test_who_waits_for_a_connection_is_served_soon_after_the_server_is_back(database: Database) -> None:
    def ask() -> float:
        with database.transaction() as connection:
            connection.execute("select 1")
        return time.monotonic()

    with ThreadPoolExecutor() as other:
        with database_away(database.dsn):
            with pytest.raises(DatabaseUnavailable):
                ask()  # over the connection that was cut
            asked = other.submit(ask)
            threading.Event().wait(AWAY_S)
        back_at = time.monotonic()
        assert asked.result() - back_at < SERVED_WITHIN_S
