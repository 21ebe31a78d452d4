"""The built-in client against a real swarm on loopback: what it does with torrents."""

from dataclasses import replace
from pathlib import Path

import pytest

from clients.builtin import BuiltinClient
from clients.download_client import ClientState, SeedGoal
from clients.errors import BadAnswer, Gone, Refused
from tests.clients.builtin_client import MakeClient, dial, in_state, the_only
from tests.clients.metadata_peer import MetadataPeer
from tests.swarm import FOREVER, add, make_film, once, swarm
from tests.until import until

SLOW_BYTES_S = 2_000_000


def test_a_torrent_completes_with_identical_bytes(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path, size_bytes=5_000_000) as source:
        add(client, source.seed)
        dial(source, client)
        download = in_state(client, ClientState.COMPLETED)

        assert download.content_path == str(tmp_path / "downloads" / source.seed.path.name)
        assert Path(download.content_path).read_bytes() == source.film
        assert (download.size_bytes, download.done_bytes) == (5_000_000, 5_000_000)
        assert download.save_path == str(tmp_path / "downloads")
        assert client.files(source.seed.infohash) == [(source.seed.path.name, 5_000_000)]


def test_a_folder_keeps_its_files_below_the_save_path(client: BuiltinClient, tmp_path: Path) -> None:
    make_film(tmp_path / "seed" / "Sintel" / "film.mkv", 300_000)
    make_film(tmp_path / "seed" / "Sintel" / "Subs" / "en.srt", 100)
    with swarm(tmp_path, name="Sintel") as source:
        add(client, source.seed)
        dial(source, client)
        download = in_state(client, ClientState.COMPLETED)

        assert sorted(client.files(source.seed.infohash)) == [("Sintel/Subs/en.srt", 100), ("Sintel/film.mkv", 300_000)]
        assert download.content_path == str(tmp_path / "downloads" / "Sintel")


def test_adding_twice_leaves_one_torrent_with_the_newer_seed_goal(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source:
        add(client, source.seed)
        add(client, source.seed, goal=SeedGoal(ratio=0.0))
        dial(source, client)
        until(lambda: the_only(client).is_seed_goal_reached)


def test_progress_is_seen_while_it_downloads(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path, size_bytes=6_000_000, upload_limit_bytes_s=SLOW_BYTES_S) as source:
        add(client, source.seed)
        assert the_only(client).state is ClientState.STALLED
        dial(source, client)
        download = in_state(client, ClientState.DOWNLOADING)

        until(lambda: 0 < the_only(client).done_bytes < 6_000_000)
        assert download.rate_bytes_s > 0
        assert download.eta_s is not None


def test_a_magnet_has_no_size_until_its_metadata_comes(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source:
        unreachable = replace(source.seed, magnet=f"magnet:?xt=urn:btih:{source.seed.infohash}")
        add(client, unreachable, by_magnet=True)
        download = the_only(client)

        assert (download.state, download.size_bytes, download.name) == (ClientState.METADATA, 0, "Sintel (2010)")
        assert download.content_path is None
        assert client.files(source.seed.infohash) == []

        dial(source, client)
        download = in_state(client, ClientState.COMPLETED)
        assert download.name == source.seed.path.name
        assert Path(str(download.content_path)).read_bytes() == source.film


def test_a_magnet_that_names_its_peer_needs_no_dialling(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source:
        add(client, source.seed, by_magnet=True)
        in_state(client, ClientState.COMPLETED)


def test_a_complete_torrent_whose_file_went_missing_fails_instead_of_starting_over(
    client: BuiltinClient, tmp_path: Path
) -> None:
    with swarm(tmp_path) as source:
        add(client, source.seed)
        dial(source, client)
        path = Path(str(in_state(client, ClientState.COMPLETED).content_path))
        client.close()
        path.unlink()
        download = in_state(client, ClientState.FAILED)

        assert download.error
        assert download.error.startswith("files are missing or changed")
        assert not path.exists()


def test_removing_with_data_deletes_the_files_before_it_returns(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source:
        add(client, source.seed)
        dial(source, client)
        path = Path(str(in_state(client, ClientState.COMPLETED).content_path))
        client.remove(source.seed.infohash, with_data=True)

        assert client.downloads() == []
        assert not path.exists()
        client.close()
        assert client.downloads() == []


def test_removing_without_data_leaves_the_files(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source:
        add(client, source.seed)
        dial(source, client)
        path = Path(str(in_state(client, ClientState.COMPLETED).content_path))
        client.remove(source.seed.infohash, with_data=False)

        assert client.downloads() == []
        assert path.read_bytes() == source.film


@pytest.mark.parametrize("with_data", [True, False])
def test_removing_what_is_not_there_is_harmless(client: BuiltinClient, *, with_data: bool) -> None:
    client.remove("ab" * 20, with_data=with_data)


@pytest.mark.parametrize("with_data", [True, False])
def test_a_magnet_without_metadata_can_be_removed(client: BuiltinClient, *, with_data: bool) -> None:
    magnet = f"magnet:?xt=urn:btih:{'ab' * 20}"
    client.add(infohash="ab" * 20, torrent=None, magnet=magnet, save_name="x", seed_goal=FOREVER)
    client.remove("ab" * 20, with_data=with_data)
    assert client.downloads() == []


def test_the_files_of_a_torrent_that_is_not_there_are_gone(client: BuiltinClient) -> None:
    with pytest.raises(Gone):
        client.files("ab" * 20)


def test_a_private_torrent_is_refused(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path, is_private=True) as source:
        with pytest.raises(Refused, match="allow_private"):
            add(client, source.seed)
        assert client.downloads() == []


def test_a_private_torrent_is_taken_when_that_is_allowed(make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client(allow_private=True)
    with swarm(tmp_path, is_private=True) as source:
        add(client, source.seed)
        source.seeder.dial(source.seed.infohash, client.status().listening_port or 0)
        assert in_state(client, ClientState.COMPLETED).is_private


def test_a_magnet_that_turns_out_private_fails_and_stays_failed(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path, is_private=True) as source:
        add(client, source.seed, by_magnet=True)
        MetadataPeer(source.seed.torrent, port=client.status().listening_port or 0)
        download = in_state(client, ClientState.FAILED)
        assert "allow_private" in (download.error or "")
        until(lambda: list((tmp_path / "downloads").iterdir()) == [])

        client.close()
        assert the_only(client) == download
        with pytest.raises(Refused, match="allow_private"):
            add(client, source.seed)
        client.remove(source.seed.infohash, with_data=True)
        assert client.downloads() == []


def test_two_torrents_of_one_name_never_share_files(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path / "a", name="film.mkv") as one, swarm(tmp_path / "b", name="film.mkv", size_bytes=90) as other:
        for source in (one, other):
            add(client, source.seed)
            dial(source, client)
        until(lambda: all(download.state is ClientState.COMPLETED for download in client.downloads()))
        for source in (one, other):
            (download,) = (found for found in client.downloads() if found.infohash == source.seed.infohash)
            assert Path(str(download.content_path)).read_bytes() == source.film
            client.remove(source.seed.infohash, with_data=True)
        assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize("torrent", [b"<html>not found</html>", b"", b"d4:infod4:name1:aee"])
def test_what_is_no_torrent_is_a_bad_answer(client: BuiltinClient, torrent: bytes) -> None:
    with pytest.raises(BadAnswer, match="not a torrent"):
        client.add(infohash="ab" * 20, torrent=torrent, magnet=None, save_name="x", seed_goal=FOREVER)


def test_another_torrent_than_the_one_named_is_a_bad_answer(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source, pytest.raises(BadAnswer, match="another"):
        add(client, replace(source.seed, infohash="ab" * 20))


def test_a_reached_seed_goal_ends_seeding_for_good(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source:
        add(client, source.seed, goal=SeedGoal(time_s=1))
        dial(source, client)
        assert not in_state(client, ClientState.COMPLETED).is_seed_goal_reached
        download = once(client, lambda download: download.is_seed_goal_reached)
        assert download.state is ClientState.COMPLETED
        assert download.seeding_time_s >= 1

        client.close()
        assert the_only(client).is_seed_goal_reached
        add(client, source.seed, goal=SeedGoal(time_s=3600))
        until(lambda: not the_only(client).is_seed_goal_reached)


def test_a_torrent_whose_seed_goal_is_reached_uploads_no_more(make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client()
    leecher = make_client(download_dir=str(tmp_path / "leeched"), state_dir=str(tmp_path / "leecher"))
    with swarm(tmp_path) as source:
        add(client, source.seed, goal=SeedGoal(ratio=0.0))
        dial(source, client)
        once(client, lambda download: download.is_seed_goal_reached)
    magnet = f"magnet:?xt=urn:btih:{source.seed.infohash}&x.pe=127.0.0.1:{client.status().listening_port}"
    seed = replace(source.seed, magnet=magnet)
    add(leecher, seed, by_magnet=True)
    with pytest.raises(AssertionError, match="in vain"):
        until(lambda: the_only(leecher).size_bytes, timeout_s=2)

    add(client, seed)
    leecher.remove(seed.infohash, with_data=True)
    add(leecher, seed, by_magnet=True)
    in_state(leecher, ClientState.COMPLETED)
