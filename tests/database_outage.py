"""An outage of one test's database, while the server goes on for the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier


@contextmanager
def database_away(dsn: str) -> Iterator[None]:
    """Inside, every connection to the database of `dsn` is cut and new ones are refused."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    switch = SQL("alter database {} with allow_connections {}")
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as server:
        server.execute(switch.format(Identifier(name), SQL("false")))
        try:
            server.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", (name,))
            yield
        finally:
            server.execute(switch.format(Identifier(name), SQL("true")))
