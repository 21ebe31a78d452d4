"""Clients from their tables of the configuration; a protocol's library is imported when one of it is configured."""

import socket
from typing import assert_never
from urllib.parse import urlsplit

from clients.builtin import BuiltinClient, Spawn
from clients.download_client import DownloadClient, PathMapping
from clients.errors import BadAnswerReason
from clients.http import RequestFacts
from clients.pace import PacedHttpClient
from clients.torrent_channel import SessionSettings
from clients.torznab import Torznab
from config.schema import Builtin, Indexer, QBittorrent
from metrics.catalogue import Catalogue
from storage.data_folder import DataFolder

OUTCOMES = ("ok", "error")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def make_torznab(indexer: Indexer, metrics: Catalogue) -> Torznab:
    """The client of one indexer, its requests counted."""
    metrics.watch_indexers([indexer.name], outcomes=OUTCOMES, refusals=[reason.value for reason in BadAnswerReason])

    def count(facts: RequestFacts) -> None:
        is_ok = facts.error is None and facts.status is not None and facts.status < 400
        metrics.requests.labels(indexer=indexer.name, outcome="ok" if is_ok else "error").inc()

    http = PacedHttpClient(
        every_s=indexer.limits.every,
        connect_timeout_s=min(5.0, indexer.timeout),
        total_timeout_s=indexer.timeout,
        on_request=count,
    )
    return Torznab(
        name=indexer.name,
        url=indexer.url,
        api_key=indexer.api_key.get_secret_value() or None,
        http=http,
        categories=indexer.categories,
    )


def make_download_client(table: Builtin | QBittorrent, *, folder: DataFolder, spawn: Spawn) -> DownloadClient:
    """The client of one [[download_clients]] table."""
    if isinstance(table, Builtin):
        state = folder.torrents / table.name
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = SessionSettings(
            download_dir=str(table.download_dir),
            state_dir=str(state),
            bind=table.bind or None,
            port=table.port,
            allow_private=table.allow_private,
            upload_limit_bytes_s=table.upload_limit or 0,
            download_limit_bytes_s=table.download_limit or 0,
        )
        return BuiltinClient(name=table.name, settings=settings, spawn=spawn)
    if isinstance(table, QBittorrent):
        from clients.qbittorrent import QBittorrent as QBittorrentClient

        return QBittorrentClient(
            name=table.name,
            url=table.url,
            username=table.username,
            password=table.password.get_secret_value(),
            category=table.category,
        )
    assert_never(table)


def home_of(table: Builtin | QBittorrent, *, node: str) -> str:
    """Whose the client is: its node's alone, or its address's, where every node with that address shares it.

    An address that only this machine can reach is another one on every machine, so the machine's name goes with it.
    """
    if isinstance(table, Builtin) or not table.shared:
        return node
    parts = urlsplit(table.url)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return f"{address} on {socket.gethostname()}" if parts.hostname in LOOPBACK else address


def mappings_of(table: Builtin | QBittorrent) -> list[PathMapping]:
    """The client's folders as this machine names them."""
    if isinstance(table, Builtin):
        return []
    return [PathMapping(remote=mapping.remote, local=str(mapping.local)) for mapping in table.path_mappings]
