"""Whose a download client is: its node's, or everybody's at its address."""

import socket

import pytest

from config.schema import Builtin, QBittorrent
from daemon.clients import home_of


def qbittorrent(url: str, *, shared: bool = True) -> QBittorrent:
    return QBittorrent.model_validate({"name": "qbit", "type": "qbittorrent", "url": url, "shared": shared})


def test_the_built_in_client_is_its_nodes_own() -> None:
    assert home_of(Builtin.model_validate({"name": "builtin", "type": "builtin"}), node="stage") == "stage"


@pytest.mark.parametrize("url", ["http://nas:8080", "http://nas:8080/", "http://me:secret@nas:8080"])
def test_a_qbittorrent_is_at_its_address_for_all_who_spell_it_alike(url: str) -> None:
    assert home_of(qbittorrent(url), node="stage") == "http://nas:8080"


def test_a_qbittorrent_of_this_machine_is_shared_by_the_nodes_of_this_machine_only() -> None:
    assert home_of(qbittorrent("http://localhost:8080"), node="x") == f"http://localhost:8080 on {socket.gethostname()}"


def test_a_qbittorrent_that_is_said_not_to_be_shared_is_its_nodes_own() -> None:
    assert home_of(qbittorrent("http://nas:8080", shared=False), node="stage") == "stage"
