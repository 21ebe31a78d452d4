"""Progress is state: one row per operation, the newest values, and what changed since a reader looked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from movies.movie import MovieId
from storage import progress
from storage.database import Database
from storage.progress import Progress

HALF = Progress(
    operation="download:1",
    movie_id=MovieId(7),
    step="downloading",
    done_bytes=50,
    total_bytes=100,
    rate_bytes_s=10,
    eta_s=5,
)
DONE = replace(HALF, step="seeding", done_bytes=100, rate_bytes_s=0, eta_s=None)
OTHER = replace(HALF, operation="import:2", step="copying", done_bytes=2**40, total_bytes=2**41)


def write(database: Database, *rows: Progress) -> None:
    with database.transaction() as connection:
        progress.write(connection, rows)


def written(database: Database, since: datetime | None = None) -> list[Progress]:
    with database.transaction() as connection:
        rows = progress.changed_since(connection, since)
    return [Progress(**{name: row[name] for name in row if name != "changed_at"}) for row in rows]


def changed_at(database: Database) -> datetime:
    with database.transaction() as connection:
        newest: datetime = progress.changed_since(connection, None)[-1]["changed_at"]
        return newest


def test_the_newest_values_replace_those_before(database: Database) -> None:
    write(database, HALF, OTHER)
    assert written(database) == [HALF, OTHER]
    write(database, DONE)
    assert written(database) == [OTHER, DONE]


def test_a_reader_gets_what_changed_since_it_looked(database: Database) -> None:
    write(database, HALF, OTHER)
    looked = changed_at(database)
    assert written(database, looked) == []
    write(database, DONE)
    assert written(database, looked) == [DONE]
    assert written(database, datetime.now(UTC) + timedelta(hours=1)) == []


def test_nothing_to_write_is_no_error(database: Database) -> None:
    write(database)
    assert written(database) == []


def test_an_operation_that_ended_has_no_row(database: Database) -> None:
    write(database, HALF, OTHER)
    with database.transaction() as connection:
        progress.end(connection, "download:1")
    assert written(database) == [OTHER]
