"""What the built-in client and its session process say to each other: JSON lines over a socket pair.

A request is `{"id", "op", arguments...}`. Its answer is `{"id", "result"}` or `{"id", "error": {"kind", "text"}}`;
answers may come in another order than the requests. The first request is `configure`, with the fields of
`SessionSettings`. Either end closing the channel ends the session.
"""

import json
from dataclasses import dataclass
from typing import Any

from clients.errors import BadAnswer, BadAnswerReason, ClientError, Gone, Refused, Unavailable

Message = dict[str, Any]

_KINDS: dict[str, type[ClientError]] = {"unavailable": Unavailable, "refused": Refused, "gone": Gone}


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """How the torrent session runs; paths are absolute."""

    download_dir: str
    state_dir: str
    """Resume data, one file a torrent, and the lock that keeps a second session out."""
    bind: str | None = None
    """Interface or address, the only one peers and trackers are reached from; None: any. Names are still resolved by
    the system's resolver, wherever that is."""
    port: int = 0
    """0: one that is free, another one after each start."""
    allow_private: bool = False
    upload_limit_bytes_s: int = 0
    """0: no limit; so the next."""
    download_limit_bytes_s: int = 0
    has_dht: bool = True
    """The hash table, local discovery and peer exchange are off whatever is said here while bound to loopback."""
    has_lsd: bool = True
    has_pex: bool = True
    save_every_s: float = 30.0
    """How often changed resume data is saved, and what the disk refused is tried again."""


class LineBuffer:
    """Turns the bytes of a stream into messages, whatever the cuts."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        return [json.loads(line) for line in lines]


def to_line(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def error_to_json(error: ClientError) -> Message:
    kind = next((kind for kind, cls in _KINDS.items() if isinstance(error, cls)), "bad_answer")
    return {"kind": kind, "text": str(error)}


def error_from_json(error: Message) -> ClientError:
    cls = _KINDS.get(error["kind"])
    return cls(error["text"]) if cls else BadAnswer(error["text"], reason=BadAnswerReason.MALFORMED)
