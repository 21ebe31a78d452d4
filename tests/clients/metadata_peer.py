"""A BitTorrent peer by hand that gives away even a private torrent's metadata (BEP 9, 10), as libtorrent's does not."""

import hashlib
import socket
import threading
from typing import Any

import libtorrent as lt

EXTENDED, HANDSHAKE, METADATA = 20, 0, 1
PIECE_BYTES = 1 << 14


class MetadataPeer:
    """Dials a client and answers its requests for the metadata, until the client hangs up."""

    def __init__(self, torrent: bytes, *, port: int) -> None:
        self._metadata = lt.bencode(_decoded(torrent)[b"info"])
        self._their_metadata = 0
        self._socket = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=self._talk, daemon=True).start()

    def _talk(self) -> None:
        infohash = hashlib.sha1(self._metadata).digest()
        with self._socket, self._socket.makefile("rb") as stream:
            reserved = bytes([0, 0, 0, 0, 0, 0x10, 0, 0])
            self._socket.sendall(b"\x13BitTorrent protocol" + reserved + infohash + b"-HANDMADE-0123456789")
            stream.read(68)
            self._send(HANDSHAKE, {b"m": {b"ut_metadata": METADATA}, b"metadata_size": len(self._metadata)})
            while header := stream.read(4):
                message = stream.read(int.from_bytes(header))
                if message and message[0] == EXTENDED:
                    self._answer(message[1], _decoded(message[2:]))

    def _answer(self, kind: int, asked: dict[bytes, Any]) -> None:
        if kind == HANDSHAKE:
            self._their_metadata = asked[b"m"][b"ut_metadata"]
        elif kind == METADATA and asked[b"msg_type"] == 0:
            head = {b"msg_type": 1, b"piece": asked[b"piece"], b"total_size": len(self._metadata)}
            self._send(self._their_metadata, head, self._metadata[asked[b"piece"] * PIECE_BYTES :][:PIECE_BYTES])

    def _send(self, kind: int, head: dict[bytes, Any], data: bytes = b"") -> None:
        body = bytes([EXTENDED, kind]) + lt.bencode(head) + data
        self._socket.sendall(len(body).to_bytes(4) + body)


def _decoded(data: bytes) -> Any:
    return lt.bdecode(data)
