"""Torrents that no honest program makes."""

from typing import Any

import libtorrent


def with_file_name(torrent: bytes, path: list[bytes]) -> bytes:
    """The same torrent as a folder with one file at `path`, whatever that says."""
    document: Any = libtorrent.bdecode(torrent)
    info = document[b"info"]
    info[b"files"] = [{b"length": info.pop(b"length"), b"path": path}]
    encoded: bytes = libtorrent.bencode(document)
    return encoded
