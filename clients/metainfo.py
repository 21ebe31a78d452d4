"""What a .torrent file or a magnet link says, read before any download client sees it.

Follows BEP 3, 9, 27 (private), 47 (padding, symlinks) and 52 (version 2). A torrent whose file
names could leave their folder is refused whole: no name in it can be trusted then.
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from clients.bencode import Value, decode_dictionary
from clients.errors import BadAnswer, BadAnswerReason, Refused

MAX_FILES = 100_000
MAX_SIZE_BYTES = 2**60
MAX_TRACKERS = 50
MAX_MAGNET_CHARACTERS = 1024 * 1024
_TRACKER = re.compile(r"(?:https?|udp|wss?)://[^\s\x00-\x1f]+", re.I)


@dataclass(frozen=True, kw_only=True)
class TorrentFile:
    """One file; `path` is relative to the download folder, with `/`, the torrent's own folder first."""

    path: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Metainfo:
    """A .torrent file; `infohash` is 40 lower hex digits, for v2-only torrents the start of SHA-256."""

    infohash: str
    name: str
    files: tuple[TorrentFile, ...]  # without padding
    size_bytes: int
    is_private: bool
    piece_length_bytes: int


@dataclass(frozen=True, kw_only=True)
class Magnet:
    """A magnet link; `name` is None when absent or unfit as a file name."""

    infohash: str
    infohash_v2: str | None  # 64 lower hex digits
    name: str | None
    trackers: tuple[str, ...]

    @property
    def uri(self) -> str:
        """The link to hand to a client: without peers and web seeds, which could point anywhere."""
        topics = [f"xt=urn:btmh:1220{self.infohash_v2}"] if self.infohash_v2 else []
        if not (self.infohash_v2 or "").startswith(self.infohash):
            topics.insert(0, f"xt=urn:btih:{self.infohash}")
        name = [f"dn={quote(self.name, safe='')}"] if self.name else []
        return "magnet:?" + "&".join(topics + name + [f"tr={quote(tracker, safe='')}" for tracker in self.trackers])


def normal_infohash(text: str) -> str | None:
    """40 lower hex digits for hex or base32 in any case, or for a v2 hash cut to 40; None for others."""
    text = text.strip().lower()
    if re.fullmatch("[0-9a-f]{40}", text):
        return text
    if re.fullmatch("(?:1220)?[0-9a-f]{64}", text):
        return text[-64:][:40]
    if re.fullmatch("[a-z2-7]{32}", text):
        return base64.b32decode(text.upper()).hex()
    return None


def parse_magnet(uri: str) -> Magnet:
    """The link's identity, name and trackers (the first 50); BadAnswer if it has no usable info hash."""
    scheme, _, query = uri.strip().partition("?")
    if scheme.lower() != "magnet:" or len(uri) > MAX_MAGNET_CHARACTERS:
        raise _malformed("not a magnet link")
    fields = [(key.lower().partition(".")[0], value.strip()) for key, value in parse_qsl(query)]
    topics = [value for key, value in fields if key == "xt"]
    v1 = next((found for found in map(_btih, topics) if found), None)
    v2 = next((found for found in map(_btmh, topics) if found), None)
    infohash = v1 or (v2 or "")[:40]
    if not infohash:
        raise _malformed("a magnet link without an info hash")
    name = next((value for key, value in fields if key == "dn"), "")
    trackers = dict.fromkeys(value for key, value in fields if key == "tr" and _TRACKER.fullmatch(value))
    return Magnet(
        infohash=infohash,
        infohash_v2=v2,
        name=name if _is_element(name) and name.isprintable() else None,
        trackers=tuple(trackers)[:MAX_TRACKERS],
    )


def _btih(topic: str) -> str | None:
    kind, _, text = topic.rpartition(":")
    return normal_infohash(text) if kind.lower() == "urn:btih" and len(text) in (32, 40) else None


def _btmh(topic: str) -> str | None:
    found = re.fullmatch("urn:btmh:1220([0-9a-f]{64})", topic.lower())
    return found[1] if found else None


def parse_torrent(data: bytes) -> Metainfo:
    """What `data`, a .torrent file, describes.

    BadAnswer if it is none; Refused if a file name is hostile, two files would share one path, a
    file is a symbolic link, or there are more than 100,000 files.
    """
    whole, encoded = decode_dictionary(data)
    info = whole.get(b"info")
    if not isinstance(info, dict):
        raise _malformed("a torrent file without info")
    name = _element(info.get(b"name.utf-8", info.get(b"name")))
    piece_length = info.get(b"piece length")
    if not isinstance(piece_length, int) or not 0 < piece_length < 2**31:
        raise _malformed("no piece length")
    pieces = info.get(b"pieces")
    if isinstance(pieces, bytes):
        infohash = hashlib.sha1(encoded[b"info"]).hexdigest()
        found = _files_v1(info, name)
        _check_pieces(pieces, piece_length, sum(file.size_bytes for file, _ in found))
    elif info.get(b"meta version") == 2:
        infohash = hashlib.sha256(encoded[b"info"]).hexdigest()[:40]
        found = _files_v2(info, name)
    else:
        raise _malformed("a torrent file without pieces")
    files = tuple(file for file, is_padding in found if not is_padding)
    _check_paths(files)
    return Metainfo(
        infohash=infohash,
        name=name,
        files=files,
        size_bytes=sum(file.size_bytes for file in files),
        is_private=info.get(b"private") == 1,
        piece_length_bytes=piece_length,
    )


_Found = list[tuple[TorrentFile, bool]]  # and whether it is padding


def _files_v1(info: dict[bytes, Value], name: str) -> _Found:
    if b"files" not in info:
        return [_file(info, [name])]
    listed = info[b"files"]
    if not isinstance(listed, list) or not listed:
        raise _malformed("no list of files")
    if len(listed) > MAX_FILES:
        raise Refused(f"the torrent has more than {MAX_FILES} files")
    found = []
    for entry in listed:
        path = entry.get(b"path.utf-8", entry.get(b"path")) if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(path, list) or not path:
            raise _malformed("a file without a path")
        found.append(_file(entry, [name, *map(_element, path)]))
    return found


def _files_v2(info: dict[bytes, Value], name: str) -> _Found:
    tree = info.get(b"file tree")
    if not isinstance(tree, dict) or not tree:
        raise _malformed("no file tree")
    leaves = list(_leaves(tree, []))
    if len(leaves) > MAX_FILES:
        raise Refused(f"the torrent has more than {MAX_FILES} files")
    is_single = len(leaves) == 1 and leaves[0][0] == [name]
    return [_file(entry, path if is_single else [name, *path]) for path, entry in leaves]


def _leaves(tree: dict[bytes, Value], above: list[str]) -> Iterator[tuple[list[str], dict[bytes, Value]]]:
    for raw, node in tree.items():
        if not isinstance(node, dict):
            raise _malformed("a file tree with other things in it")
        if raw == b"" and above and len(tree) == 1:
            yield above, node
        else:
            yield from _leaves(node, [*above, _element(raw)])


def _file(entry: dict[bytes, Value], elements: list[str]) -> tuple[TorrentFile, bool]:
    size_bytes, attributes = entry.get(b"length"), entry.get(b"attr", b"")
    if not isinstance(size_bytes, int) or not 0 <= size_bytes <= MAX_SIZE_BYTES:
        raise _malformed("a file without a size")
    if not isinstance(attributes, bytes):
        raise _malformed("file attributes that are no text")
    if b"l" in attributes:
        raise Refused("the torrent has a symbolic link in it")
    return TorrentFile(path="/".join(elements), size_bytes=size_bytes), b"p" in attributes


def _element(raw: Value | None) -> str:
    if not isinstance(raw, bytes):
        raise _malformed("a name that is no text")
    element = raw.decode("utf-8", "replace")
    if not _is_element(element):
        raise Refused(f"the torrent has the unsafe file name {element[:100]!r}")
    return element


def _is_element(name: str) -> bool:
    """Whether the name stays where it is put: one element of a path and no more."""
    return name not in ("", ".", "..") and not set("/\\\0") & set(name)


def _check_pieces(pieces: bytes, piece_length_bytes: int, size_bytes: int) -> None:
    if not 0 < size_bytes <= MAX_SIZE_BYTES or len(pieces) != -(-size_bytes // piece_length_bytes) * 20:
        raise _malformed("pieces that do not fit the size")


def _check_paths(files: tuple[TorrentFile, ...]) -> None:
    """No two files may meet on a file system that ignores case or normalises Unicode."""
    if len({unicodedata.normalize("NFC", file.path).casefold() for file in files}) != len(files):
        raise Refused("the torrent has two files with one path")


def _malformed(what: str) -> BadAnswer:
    return BadAnswer(what, reason=BadAnswerReason.MALFORMED)
