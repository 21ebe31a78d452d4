"""The built-in client for a test, in folders of its own, and closed at its end."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clients.builtin import BuiltinClient
from clients.torrent_channel import SessionSettings
from tests.clients.builtin_client import MakeClient
from tests.swarm import spawn


@pytest.fixture
def settings(tmp_path: Path) -> SessionSettings:
    return SessionSettings(download_dir=str(tmp_path / "downloads"), state_dir=str(tmp_path / "state"), bind="lo")


@pytest.fixture
def make_client(settings: SessionSettings) -> Iterator[MakeClient]:
    clients: list[BuiltinClient] = []

    def make(**changes: object) -> BuiltinClient:
        clients.append(BuiltinClient(name="builtin", settings=replace(settings, **changes), spawn=spawn))  # type: ignore[arg-type]
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client: MakeClient) -> BuiltinClient:
    return make_client()
