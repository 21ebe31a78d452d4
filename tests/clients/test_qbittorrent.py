"""The qBittorrent client against a real qbittorrent-nox, and against servers that are none."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import libtorrent as lt
import pytest

from clients.download_client import ClientState, PathMapping, SeedGoal, local_path
from clients.errors import AuthenticationFailed, BadAnswer, ClientError, Gone, Refused, Unavailable
from clients.qbittorrent import QBittorrent, download_of, infohash_of, share_limits_of, state_of
from storage.embedded import free_port
from tests.qbittorrent_server import PASSWORD, USERNAME, QBittorrentServer, qbittorrent_server
from tests.swarm import FOREVER, add, make_film, once, swarm
from tests.until import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QBittorrentServer]:
    with qbittorrent_server(tmp_path_factory.mktemp("qbittorrent")) as server:
        yield server


@pytest.fixture
def client(server: QBittorrentServer, request: pytest.FixtureRequest) -> QBittorrent:
    return make_client(server.url, category=request.node.name)


def make_client(url: str, **changes: Any) -> QBittorrent:
    settings = {"name": "qbit", "username": USERNAME, "password": PASSWORD, "category": "films", "timeout_s": 5.0}
    return QBittorrent(url=url, **{**settings, **changes})


def test_a_torrent_completes_with_identical_bytes(
    client: QBittorrent, server: QBittorrentServer, tmp_path: Path
) -> None:
    with swarm(tmp_path, name="one.mkv", size_bytes=3_000_000) as source:
        add(client, source.seed)
        (download,) = client.downloads()
        assert download.content_path == str(server.downloads / "one.mkv")

        source.seeder.keep_dialing(server.listen_port)
        download = once(client, lambda download: download.state is ClientState.COMPLETED)
        assert Path(str(download.content_path)).read_bytes() == source.film
        assert (download.size_bytes, download.done_bytes) == (3_000_000, 3_000_000)
        assert download.error is None


def test_a_folder_has_a_content_path_of_its_own(client: QBittorrent, server: QBittorrentServer, tmp_path: Path) -> None:
    make_film(tmp_path / "seed" / "folder" / "film.mkv", 300_000)
    make_film(tmp_path / "seed" / "folder" / "Subs" / "en.srt", 100)
    with swarm(tmp_path, name="folder") as source:
        add(client, source.seed)
        source.seeder.keep_dialing(server.listen_port)
        download = once(client, lambda download: download.state is ClientState.COMPLETED)
        assert download.content_path == str(server.downloads / "folder")
        assert sorted(client.files(source.seed.infohash)) == [("folder/Subs/en.srt", 100), ("folder/film.mkv", 300_000)]


def test_progress_is_seen_while_it_downloads(client: QBittorrent, server: QBittorrentServer, tmp_path: Path) -> None:
    with swarm(tmp_path, name="slow.mkv", size_bytes=6_000_000, upload_limit_bytes_s=2_000_000) as source:
        add(client, source.seed)
        source.seeder.keep_dialing(server.listen_port)
        once(client, lambda download: 0 < download.done_bytes < 6_000_000)


def test_a_magnet_waits_for_its_metadata_and_completes(
    client: QBittorrent, server: QBittorrentServer, tmp_path: Path
) -> None:
    with swarm(tmp_path, name="magnet.mkv") as source:
        client.add(
            infohash=source.seed.infohash,
            torrent=None,
            magnet=f"magnet:?xt=urn:btih:{source.seed.infohash}",
            save_name="Sintel (2010)",
            seed_goal=FOREVER,
        )
        download = once(client, lambda download: download.state is ClientState.METADATA)
        assert (download.name, download.size_bytes, download.eta_s) == ("Sintel (2010)", 0, None)
        source.seeder.keep_dialing(server.listen_port)
        once(client, lambda download: download.state is ClientState.COMPLETED)


def test_adding_twice_leaves_one_torrent(client: QBittorrent, tmp_path: Path) -> None:
    with swarm(tmp_path, name="twice.mkv") as source:
        add(client, source.seed)
        add(client, source.seed)
        add(client, source.seed, by_magnet=True)
        assert len(client.downloads()) == 1


def test_a_torrent_of_somebody_else_is_adopted_without_changing_its_category(
    client: QBittorrent, server: QBittorrentServer, tmp_path: Path
) -> None:
    with swarm(tmp_path, name="others.mkv") as source:
        others = make_client(server.url, category="others")
        add(others, source.seed)
        add(client, source.seed)
        infohash = source.seed.infohash

        assert client.downloads() == []
        (found,) = client.downloads(also=frozenset({infohash}))
        assert (found.infohash, found.category) == (infohash, "others")
        (kept,) = others.downloads()
        assert kept.category == "others"


@pytest.mark.parametrize("with_data", [True, False])
def test_a_torrent_of_somebody_else_that_was_adopted_is_never_removed(
    client: QBittorrent, server: QBittorrentServer, tmp_path: Path, *, with_data: bool
) -> None:
    others = make_client(server.url, category=f"others-{with_data}")
    with swarm(tmp_path, name=f"kept-{with_data}.mkv") as source:
        add(others, source.seed)
        source.seeder.keep_dialing(server.listen_port)
        path = Path(str(once(others, lambda download: download.state is ClientState.COMPLETED).content_path))
        add(client, source.seed)
        client.remove(source.seed.infohash, with_data=with_data)

        make_film(tmp_path / "seed" / f"own-{with_data}.mkv", 100_000)
        own = source.seeder.seed(tmp_path / "seed" / f"own-{with_data}.mkv")
        add(client, own)
        own_path = Path(str(once(client, lambda download: download.state is ClientState.COMPLETED).content_path))
        client.remove(own.infohash, with_data=with_data)
        until(lambda: not client.downloads() and own_path.exists() is not with_data)
        # Ours was removed later and is gone by now: so would be the other's.
        assert [download.infohash for download in others.downloads()] == [source.seed.infohash]
        assert path.read_bytes() == source.film


def test_a_hybrid_torrent_goes_by_its_version_1_infohash(
    client: QBittorrent, server: QBittorrentServer, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = tmp_path / "hybrid.mkv"
    make_film(path, 200_000)
    maker = lt.create_torrent(lt.list_files(os.fspath(path)))
    lt.set_piece_hashes(maker, os.fspath(tmp_path))
    torrent = lt.bencode(maker.generate())
    hashes = lt.load_torrent_buffer(torrent).info_hashes
    assert hashes.has_v1()
    assert hashes.has_v2()
    infohash = str(hashes.v1)

    for _ in range(2):
        client.add(infohash=infohash, torrent=torrent, magnet=None, save_name="x", seed_goal=FOREVER)
    (download,) = client.downloads()
    assert download.infohash == infohash
    assert client.files(infohash) == [("hybrid.mkv", 200_000)]
    started_anew = make_client(server.url, category=request.node.name)
    started_anew.remove(infohash, with_data=True)
    until(lambda: not client.downloads())


@pytest.mark.parametrize("with_data", [True, False])
def test_removing_deletes_the_files_only_when_asked(
    client: QBittorrent, server: QBittorrentServer, tmp_path: Path, *, with_data: bool
) -> None:
    with swarm(tmp_path, name=f"removed-{with_data}.mkv") as source:
        add(client, source.seed)
        source.seeder.keep_dialing(server.listen_port)
        path = Path(str(once(client, lambda download: download.state is ClientState.COMPLETED).content_path))
        client.remove(source.seed.infohash, with_data=with_data)
        until(lambda: not client.downloads() and path.exists() is not with_data)
        client.remove(source.seed.infohash, with_data=with_data)


def test_a_reached_seed_goal_is_told(client: QBittorrent, server: QBittorrentServer, tmp_path: Path) -> None:
    with swarm(tmp_path, name="goal.mkv") as source:
        add(client, source.seed, goal=SeedGoal(ratio=0.0, time_s=3600))
        assert not client.downloads()[0].is_seed_goal_reached
        source.seeder.keep_dialing(server.listen_port)
        download = once(client, lambda download: download.is_seed_goal_reached)
        assert download.state is ClientState.COMPLETED


def test_what_is_no_torrent_is_a_bad_answer(client: QBittorrent) -> None:
    with pytest.raises(BadAnswer):
        client.add(infohash="ab" * 20, torrent=b"<html>", magnet=None, save_name="x", seed_goal=FOREVER)


def test_a_magnet_that_is_none_is_refused(client: QBittorrent) -> None:
    with pytest.raises(Refused):
        client.add(infohash="ab" * 20, torrent=None, magnet="magnet:?nonsense", save_name="x", seed_goal=FOREVER)


def test_the_files_of_a_torrent_that_is_not_there_are_gone(client: QBittorrent) -> None:
    with pytest.raises(Gone):
        client.files("ab" * 20)


def test_the_version_is_told(client: QBittorrent) -> None:
    assert client.test().startswith("qBittorrent v")


def test_a_wrong_password_fails_authentication_without_showing_it(server: QBittorrentServer) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        make_client(server.url, password="hunter2").test()
    assert "hunter2" not in str(caught.value)


def test_a_server_that_went_away_is_unavailable_and_then_found_again(tmp_path: Path) -> None:
    port = free_port()
    with qbittorrent_server(tmp_path, web_port=port) as server:
        client = make_client(server.url)
        client.test()
    with pytest.raises(Unavailable):
        client.downloads()
    with qbittorrent_server(tmp_path, web_port=port):
        assert client.downloads() == []


@contextmanager
def http_server(status: int, body: str) -> Iterator[str]:
    """Answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, "<html>welcome to your router</html>", BadAnswer),
        (200, "{}", BadAnswer),
        (200, '["torrent"]', BadAnswer),
        (200, '[{"hash": "ab", "state": "uploading"}]', BadAnswer),
        (404, "nothing here", BadAnswer),
        (401, "who are you", AuthenticationFailed),
        (403, "your address is banned", AuthenticationFailed),
        (500, "oops", Unavailable),
        (503, "starting", Unavailable),
    ],
)
def test_an_answer_that_cannot_be_used_is_told_apart(status: int, body: str, error: type[ClientError]) -> None:
    with http_server(status, body) as url:
        client = make_client(url)
        with pytest.raises(error):
            client.downloads()
        with pytest.raises(error):
            client.test()


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("error missingFiles", ClientState.FAILED),
        ("stoppedDL pausedDL", ClientState.PAUSED),
        ("queuedDL checkingDL checkingUP checkingResumeData", ClientState.QUEUED),
        ("uploading stalledUP queuedUP forcedUP pausedUP stoppedUP", ClientState.COMPLETED),
        ("stalledDL", ClientState.STALLED),
        ("metaDL forcedMetaDL", ClientState.METADATA),
        ("downloading forcedDL moving unknown somethingNew", ClientState.DOWNLOADING),
    ],
)
def test_states_are_mapped(words: str, state: ClientState) -> None:
    assert {word: state_of(word) for word in words.split()} == dict.fromkeys(words.split(), state)


def item(**changes: Any) -> dict[str, Any]:
    """An element of `torrents/info` as 4.5.2 gives it for a finished torrent, the fields that are read."""
    return {
        "hash": "ab" * 20,
        "infohash_v1": "ab" * 20,
        "name": "Sintel",
        "state": "uploading",
        "category": "films",
        "size": 1000,
        "completed": 1000,
        "dlspeed": 0,
        "eta": 8_640_000,
        "ratio": 0.5,
        "max_ratio": -1,
        "max_seeding_time": -1,
        "seeding_time": 90,
        "save_path": "/downloads",
        "content_path": "/downloads/Sintel",
        **changes,
    }


def test_a_finished_torrent_whose_content_path_is_the_save_path_is_a_path_error() -> None:
    download = download_of(item(content_path="/downloads/"))
    assert download.state is ClientState.COMPLETED
    assert download.content_path is None
    assert "path error" in (download.error or "")
    assert download_of(item(content_path="/downloads", state="metaDL")).error is None


@pytest.mark.parametrize(
    ("max_ratio", "max_seeding_time_min", "is_reached"),
    [(-1, -1, False), (0.5, -1, True), (0.6, -1, False), (-1, 1, True), (-1, 2, False), (9, 1, True)],
)
def test_a_seed_goal_is_reached_by_ratio_or_by_time(
    max_ratio: float, max_seeding_time_min: int, *, is_reached: bool
) -> None:
    limits = {"max_ratio": max_ratio, "max_seeding_time": max_seeding_time_min}
    assert download_of(item(**limits)).is_seed_goal_reached is is_reached
    assert not download_of(item(**limits, state="stalledDL")).is_seed_goal_reached


def test_paths_are_those_of_this_machine() -> None:
    mappings = [PathMapping(remote="/downloads", local="/mnt/seedbox/")]
    download = download_of(item(content_path="Sintel"), mappings)
    assert (download.save_path, download.content_path) == ("/mnt/seedbox", "/mnt/seedbox/Sintel")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/downloads/films/x.mkv", "/films/x.mkv"),
        ("/downloads/tv/x.mkv", "/mnt/tv/x.mkv"),
        ("/downloads", "/mnt"),
        ("/downloads-2/x.mkv", "/downloads-2/x.mkv"),
        ("D:\\Torrents\\Sintel\\film.mkv", "/nas/Sintel/film.mkv"),
        ("/elsewhere", "/elsewhere"),
    ],
)
def test_the_longest_mapping_wins_and_only_whole_folders_match(path: str, expected: str) -> None:
    mappings = [
        PathMapping(remote="/downloads", local="/mnt"),
        PathMapping(remote="/downloads/films/", local="/films/"),
        PathMapping(remote="D:\\Torrents", local="/nas"),
    ]
    assert local_path(path, mappings) == expected


def test_a_windows_content_path_is_joined_the_windows_way() -> None:
    download = download_of(item(save_path="D:\\Torrents", content_path="Sintel"))
    assert download.content_path == "D:\\Torrents\\Sintel"


@pytest.mark.parametrize(
    ("goal", "limits"),
    [
        (SeedGoal(), {}),
        (SeedGoal(ratio=2.0), {"ratio_limit": 2.0, "seeding_time_limit": -1, "inactive_seeding_time_limit": -1}),
        (SeedGoal(time_s=61), {"ratio_limit": -1, "seeding_time_limit": 2, "inactive_seeding_time_limit": -1}),
    ],
)
def test_a_limit_the_goal_does_not_have_is_switched_off(goal: SeedGoal, limits: dict[str, float]) -> None:
    assert share_limits_of(goal) == limits


def test_the_infohash_is_version_1_where_there_is_one() -> None:
    assert infohash_of(item(hash="cd" * 20, infohash_v1="AB" * 20)) == "ab" * 20
    assert infohash_of(item(hash="cd" * 20, infohash_v1="")) == "cd" * 20
