import hashlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.bencode import MAX_DEPTH, decode_dictionary
from clients.errors import BadAnswer, Refused
from clients.metainfo import Metainfo, TorrentFile, normal_infohash, parse_magnet, parse_torrent

HASH = "0123456789abcdef0123456789abcdef01234567"
HASH_BASE32 = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"
HASH_V2 = HASH + "89abcdef0123456789abcdef"
PIECES = {"piece length": 16384}


def bencoded(value: object) -> bytes:
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes | str):
        text = value.encode() if isinstance(value, str) else value
        return b"%d:%s" % (len(text), text)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencoded, value)) + b"e"
    assert isinstance(value, dict)
    return b"d" + b"".join(bencoded(key) + bencoded(each) for key, each in value.items()) + b"e"


def info(**changes: object) -> dict[str, object]:
    """A film of one piece; None takes a key away."""
    whole = {"length": 700, "name": "film.mkv", "piece length": 1024, "pieces": b"p" * 20}
    whole |= {key.replace("_", " "): value for key, value in changes.items()}
    return {key: value for key, value in whole.items() if value is not None}


def torrent(**changes: object) -> bytes:
    return bencoded({"announce": "http://127.0.0.1/a", "info": info(**changes)})


def folder(*paths: list[object], **changes: object) -> bytes:
    files = [{"length": 700 // len(paths) if paths else 0, "path": path} for path in paths]
    return torrent(name="Film (2010)", length=None, files=files, **changes)


def test_a_single_file_torrent_is_read() -> None:
    found = parse_torrent(torrent(private=1))
    assert found == Metainfo(
        infohash=hashlib.sha1(bencoded(info(private=1))).hexdigest(),
        name="film.mkv",
        files=(TorrentFile(path="film.mkv", size_bytes=700),),
        size_bytes=700,
        is_private=True,
        piece_length_bytes=1024,
    )


def test_a_folder_of_files_is_read_with_its_own_name_first() -> None:
    found = parse_torrent(folder(["film.mkv"], ["Subs", "en.srt"]))
    assert [file.path for file in found.files] == ["Film (2010)/film.mkv", "Film (2010)/Subs/en.srt"]
    assert (found.size_bytes, found.is_private) == (700, False)


def test_the_infohash_is_of_the_bytes_as_they_came() -> None:
    unsorted = b"d4:infod4:name1:a6:pieces20:" + b"p" * 20 + b"12:piece lengthi9e6:lengthi5eee"
    assert parse_torrent(unsorted).infohash == hashlib.sha1(unsorted[7:-1]).hexdigest()


def test_padding_is_no_file_but_fills_pieces() -> None:
    files = [{"length": 1000, "path": ["a.mkv"]}, {"length": 24, "path": [".pad", "24"], "attr": "p"}]
    found = parse_torrent(torrent(length=None, files=files))
    assert ([file.path for file in found.files], found.size_bytes) == (["film.mkv/a.mkv"], 1000)


def test_a_version_2_tree_is_read() -> None:
    tree = {"Subs": {"en.srt": {"": {"length": 5}}}, "film.mkv": {"": {"length": 700}}}
    only_v2 = {"file tree": tree, "meta version": 2, "name": "Film", "piece length": 16384}
    found = parse_torrent(bencoded({"info": only_v2}))
    assert found.infohash == hashlib.sha256(bencoded(only_v2)).hexdigest()[:40]
    assert [file.path for file in found.files] == ["Film/Subs/en.srt", "Film/film.mkv"]


@pytest.mark.parametrize("version", ["v1_only", "v2_only", "hybrid"])
@pytest.mark.parametrize("is_folder", [True, False])
def test_what_libtorrent_makes_is_read_as_libtorrent_reads_it(tmp_path: Path, version: str, is_folder: bool) -> None:
    libtorrent = pytest.importorskip("libtorrent")
    source = tmp_path / "Film"
    if is_folder:
        (source / "Subs").mkdir(parents=True)
        (source / "film.mkv").write_bytes(b"f" * 50_000)
        (source / "Subs" / "en.srt").write_bytes(b"s" * 100)
    else:
        source.write_bytes(b"f" * 50_000)
    flags = {"v1_only": libtorrent.create_torrent.v1_only, "v2_only": libtorrent.create_torrent.v2_only, "hybrid": 0}
    made = libtorrent.create_torrent(libtorrent.list_files(str(source)), 16384, flags[version])
    libtorrent.set_piece_hashes(made, str(tmp_path))
    data = libtorrent.bencode(made.generate())
    theirs = libtorrent.torrent_info(libtorrent.bdecode(data))
    layout = theirs.layout()
    ours = parse_torrent(data)
    assert ours.infohash == str(theirs.info_hashes().get_best() if version == "v2_only" else theirs.info_hashes().v1)
    assert {file.path for file in ours.files} == {
        layout.file_path(index)
        for index in range(theirs.num_files())
        if not layout.file_flags(index) & libtorrent.file_storage.flag_pad_file
    }


@pytest.mark.parametrize(
    "element",
    ["..", ".", "", "/etc/passwd", "a/b", "a\\..\\b", "..\\b", "a\0.mkv", "/"],
)
def test_a_hostile_file_name_refuses_the_whole_torrent(element: str) -> None:
    for data in (
        torrent(name=element),
        folder(["film.mkv"], [element]),
        folder(["film.mkv"], ["Subs", element, "en.srt"]),
        bencoded({"info": {"file tree": {element: {"": {"length": 5}}}, "meta version": 2, "name": "a", **PIECES}}),
    ):
        with pytest.raises(Refused, match="unsafe file name"):
            parse_torrent(data)


def test_a_symbolic_link_is_refused() -> None:
    files = [{"length": 700, "path": ["film.mkv"]}, {"attr": "l", "length": 0, "path": ["a"], "symlink path": ["etc"]}]
    with pytest.raises(Refused, match="symbolic link"):
        parse_torrent(torrent(length=None, files=files))


@pytest.mark.parametrize("other", ["film.mkv", "FILM.mkv"])
def test_two_files_with_one_path_are_refused(other: str) -> None:
    with pytest.raises(Refused, match="one path"):
        parse_torrent(folder(["film.mkv"], [other]))


def test_two_names_equal_after_normalisation_are_refused() -> None:
    with pytest.raises(Refused, match="one path"):
        parse_torrent(folder(["caf\u00e9.mkv"], ["cafe\u0301.mkv"]))


def test_more_than_100_000_files_are_refused_and_as_many_read_in_time() -> None:
    def listing(count: int) -> bytes:
        files = [{"length": 1, "path": [f"{number}.mkv"]} for number in range(count)]
        return torrent(length=None, files=files, piece_length=2**20)

    started_s = time.monotonic()
    assert len(parse_torrent(listing(100_000)).files) == 100_000
    with pytest.raises(Refused, match="files"):
        parse_torrent(listing(100_001))
    assert time.monotonic() - started_s < 20


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "html"),
        (b"\n <html>", "html"),
        (b"Not found", "malformed"),
        (b"le", "malformed"),
        (b"d" + b"0:" + b"e" * 9, "malformed"),
        (b"d1:ai1e1:ai2ee", "malformed"),
        (b"d1:ai1ee ", "malformed"),
        (b"d1:ai1e", "truncated"),
        (b"d1:a9:abc", "truncated"),
        (b"d1:ai01ee", "malformed"),
        (b"d1:ai-0ee", "malformed"),
        (b"d1:aiee", "malformed"),
        (b"d1:a01:be", "malformed"),
        (b"d1:a-1:be", "malformed"),
        (b"di1ei2ee", "malformed"),
        (b"d1:ai9223372036854775809ee", "malformed"),
        (b"d1:ai" + b"9" * 5000 + b"ee", "malformed"),
        (b"d1:a" + b"l" * 200 + b"e" * 200 + b"e", "malformed"),
        (b"d1:a" + b"l" * 200_000, "malformed"),
        (b"d1:a" + b"l" + b"le" * 1_000_001 + b"ee", "malformed"),
        (b"d1:a20000000:" + b"x" * 20_000_000 + b"e", "too_large"),
        (bencoded({"a": 1}), "malformed"),
        (torrent() + b"\n", "malformed"),
        (torrent()[:-1] + bencoded("info") + bencoded(info()) + b"e", "malformed"),
        (torrent(source=2**63 + 1), "malformed"),
        (torrent(source=[[]] * 1_000_001), "malformed"),
        (bencoded({"info": []}), "malformed"),
        (torrent(pieces=b"p" * 19), "malformed"),
        (torrent(pieces=b"p" * 40), "malformed"),
        (torrent(pieces=b""), "malformed"),
        (torrent(pieces=None), "malformed"),
        (torrent(piece_length=0), "malformed"),
        (torrent(piece_length=-1), "malformed"),
        (torrent(piece_length="x"), "malformed"),
        (torrent(length=-1), "malformed"),
        (torrent(length=0), "malformed"),
        (torrent(length=2**62), "malformed"),
        (torrent(length=None), "malformed"),
        (torrent(name=7), "malformed"),
        (torrent(name=None), "malformed"),
        (torrent(length=None, files=[]), "malformed"),
        (torrent(length=None, files=[{"length": 5}]), "malformed"),
        (torrent(length=None, files=[{"length": 5, "path": []}]), "malformed"),
        (torrent(length=None, files=["a"]), "malformed"),
        (torrent(attr=5), "malformed"),
        (bencoded({"info": {"meta version": 2, "name": "a", "piece length": 16384}}), "malformed"),
        (bencoded({"info": {"file tree": {"a": 1}, "meta version": 2, "name": "a", **PIECES}}), "malformed"),
    ],
)
def test_what_is_no_torrent_is_a_bad_answer(data: bytes, reason: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        parse_torrent(data)
    assert caught.value.reason == reason


def test_nesting_is_allowed_up_to_its_limit() -> None:
    deep = MAX_DEPTH - 1
    decode_dictionary(b"d1:a" + b"l" * deep + b"e" * deep + b"e")
    with pytest.raises(BadAnswer, match="too deep"):
        decode_dictionary(b"d1:a" + b"l" * (deep + 1) + b"e" * (deep + 1) + b"e")


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    for candidate in (data, b"d4:infod" + data, torrent()[: len(data)] + data):
        try:
            parse_torrent(candidate)
        except (BadAnswer, Refused):
            continue


@given(st.binary(max_size=40), st.integers(0, 120))
def test_a_torrent_with_changed_bytes_is_read_or_refused(change: bytes, at: int) -> None:
    data = folder(["film.mkv"], ["Subs", "en.srt"])
    try:
        parse_torrent(data[:at] + change + data[at + len(change) :])
    except (BadAnswer, Refused):
        return


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HASH, HASH),
        (HASH.upper(), HASH),
        (f" {HASH}\n", HASH),
        (HASH_BASE32, HASH),
        (HASH_BASE32.lower(), HASH),
        (HASH_V2, HASH),
        (f"1220{HASH_V2}", HASH),
        (HASH[:-1], None),
        (HASH + "0", None),
        ("g" * 40, None),
        ("1" * 32, None),
        ("", None),
        ("N/A", None),
    ],
)
def test_an_infohash_becomes_40_lower_hex_digits(text: str, expected: str | None) -> None:
    assert normal_infohash(text) == expected


@pytest.mark.parametrize(
    "topic", [f"urn:btih:{HASH}", f"urn:btih:{HASH.upper()}", f"urn:btih:{HASH_BASE32}", f"URN:BTIH:{HASH}"]
)
def test_a_magnet_link_is_read(topic: str) -> None:
    found = parse_magnet(f"magnet:?xt={topic}&dn=Film+%282010%29&tr=udp%3A%2F%2Ft%3A1%2Fa&xl=5")
    assert (found.infohash, found.infohash_v2, found.name) == (HASH, None, "Film (2010)")
    assert found.trackers == ("udp://t:1/a",)
    assert found.uri == f"magnet:?xt=urn:btih:{HASH}&dn=Film%20%282010%29&tr=udp%3A%2F%2Ft%3A1%2Fa"


def test_a_version_2_magnet_link_keeps_its_whole_hash() -> None:
    only_v2 = parse_magnet(f"magnet:?xt=urn:btmh:1220{HASH_V2}")
    assert (only_v2.infohash, only_v2.uri) == (HASH, f"magnet:?xt=urn:btmh:1220{HASH_V2}")
    other = HASH[::-1]
    hybrid = parse_magnet(f"magnet:?xt.1=urn:btmh:1220{HASH_V2}&xt.2=urn:btih:{other}")
    assert (hybrid.infohash, hybrid.infohash_v2) == (other, HASH_V2)
    assert hybrid.uri == f"magnet:?xt=urn:btih:{other}&xt=urn:btmh:1220{HASH_V2}"


@pytest.mark.parametrize("uri", [f"magnet:?xt=urn:btmh:1220{HASH_V2}", f"magnet:?xt=urn:btih:{HASH}&dn=a%26b"])
def test_the_link_handed_to_a_client_is_one_that_libtorrent_reads(uri: str) -> None:
    libtorrent = pytest.importorskip("libtorrent")
    magnet = parse_magnet(uri)
    hashes = libtorrent.parse_magnet_uri(magnet.uri).info_hashes
    assert magnet.infohash in {str(hashes.v1), str(hashes.v2)[:40]}


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "a\\b", "a\0b", "a\nb", "\u202eb"])
def test_a_hostile_display_name_is_ignored(name: str) -> None:
    found = parse_magnet(f"magnet:?dn={name}&xt=urn:btih:{HASH}")
    assert (found.name, "dn=" in found.uri) == (None, False)


def test_trackers_are_capped_and_peers_and_web_seeds_dropped() -> None:
    trackers = "".join(f"&tr=http://127.0.0.1:{number}/a" for number in range(10_000))
    found = parse_magnet(f"magnet:?xt=urn:btih:{HASH}{trackers}&tr=file:///x&x.pe=10.0.0.1:1&ws=http://10.0.0.1/")
    assert len(found.trackers) == 50
    assert found.trackers[0] == "http://127.0.0.1:0/a"
    assert "10.0.0.1" not in found.uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://example.org/?xt=urn:btih:" + HASH,
        "magnet:",
        "magnet:?dn=x",
        "magnet:?xt=urn:btih:",
        f"magnet:?xt=urn:btih:{HASH[:-1]}",
        f"magnet:?xt=urn:btih:{HASH_V2}",
        f"magnet:?xt=urn:sha1:{HASH}",
        f"magnet:?xt=urn:btmh:1221{HASH_V2}",
        f"magnet:?xt=urn:btih:{HASH}&dn=" + "x" * 2_000_000,
    ],
)
def test_a_link_without_a_usable_infohash_is_a_bad_answer(uri: str) -> None:
    with pytest.raises(BadAnswer):
        parse_magnet(uri)
