"""Torrents that no honest program makes."""

import libtorrent


def with_file_name(torrent: bytes, path: list[bytes]) -> bytes:
    """The same torrent as a folder with one file at `path`, whatever that says."""
    document = libtorrent.bdecode(torrent)
    info = document[b"info"]
    info[b"files"] = [{b"length": info.pop(b"length"), b"path": path}]
    encoded: bytes = libtorrent.bencode(document)
    return encoded
