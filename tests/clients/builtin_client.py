"""What the tests of the built-in client ask it again and again."""

from collections.abc import Callable

from clients.builtin import BuiltinClient
from clients.download_client import ClientDownload, ClientState, DownloadClient
from tests.swarm import Swarm, once

MakeClient = Callable[..., BuiltinClient]
"""`make(**changes)`: changes are to the settings; each is closed at the test's end."""


def dial(swarm: Swarm, client: BuiltinClient) -> None:
    port = client.status().listening_port
    assert port
    swarm.seeder.keep_dialing(port)


def the_only(client: DownloadClient) -> ClientDownload:
    (download,) = client.downloads()
    return download


def in_state(client: DownloadClient, state: ClientState) -> ClientDownload:
    """The only download, once it is in `state`."""
    return once(client, lambda download: download.state is state)
