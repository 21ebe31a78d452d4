"""A cluster that is made once and copied for every test that treats one badly, and databases to be saved."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.backup import back_up
from storage.embedded import EmbeddedPostgres
from tests.postgres import fresh_database, postgres_server, server_folder
from tests.storage.databases import execute, fill


@pytest.fixture(scope="session")
def made_cluster() -> Iterator[Path]:
    with server_folder() as folder:
        with postgres_server(folder):
            pass
        yield folder


@pytest.fixture
def cluster(made_cluster: Path) -> Iterator[Path]:
    """A data folder of the test's own, with a PostgreSQL that has been made and is stopped."""
    with server_folder() as folder:
        yield shutil.copytree(made_cluster, folder / "data")


@pytest.fixture
def filled(dsn: str) -> str:
    """A database with rows."""
    fill(dsn)
    return dsn


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database without any schema."""
    with fresh_database(postgres, template="template0") as dsn:
        yield dsn


@pytest.fixture
def saved(filled: str, tmp_path: Path) -> Path:
    """A backup of `filled`, in which another row has been written since."""
    file = tmp_path / "saved.dump"
    back_up(filled, file)
    execute(filled, "insert into feeds (indexer) values ('written since')")
    return file
