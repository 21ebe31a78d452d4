"""A cluster that is made once and copied for every test that treats one badly."""

import shutil
from pathlib import Path

import pytest

from tests.postgres import postgres_server


@pytest.fixture(scope="session")
def made_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster") / "data"
    with postgres_server(folder):
        return folder


@pytest.fixture
def cluster(made_cluster: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own, with a PostgreSQL that has been made and is stopped."""
    shutil.copytree(made_cluster, tmp_path / "data")
    return tmp_path / "data"
