"""A cluster that is made once and copied for every test that treats one badly."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import postgres_server, server_folder


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
