"""The built-in client against a real swarm on loopback, its session in a real child process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from clients.builtin import BuiltinClient, BuiltinUnavailable
from clients.download_client import ClientDownload, ClientState, DownloadClient, SeedGoal
from clients.errors import BadAnswer, Gone, Refused, Unavailable
from clients.torrent_channel import SessionSettings
from tests.clients.metadata_peer import MetadataPeer
from tests.swarm import FOREVER, REPOSITORY, Swarm, add, make_film, once, spawn, swarm
from tests.until import until

SLOW_BYTES_S = 2_000_000

MakeClient = Callable[..., BuiltinClient]


@pytest.fixture
def settings(tmp_path: Path) -> SessionSettings:
    return SessionSettings(download_dir=str(tmp_path / "downloads"), state_dir=str(tmp_path / "state"), bind="lo")


@pytest.fixture
def make_client(settings: SessionSettings) -> Iterator[MakeClient]:
    clients: list[BuiltinClient] = []

    def make(**changes: object) -> BuiltinClient:
        clients.append(BuiltinClient(name="builtin", settings=replace(settings, **changes), spawn=spawn))  # type: ignore[arg-type]
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client: MakeClient) -> BuiltinClient:
    return make_client()


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


def pid_of(client: BuiltinClient) -> int:
    assert client.pid
    return client.pid


def kill_child(client: BuiltinClient) -> None:
    """kill -9, and the call that notices it."""
    os.kill(pid_of(client), signal.SIGKILL)
    with pytest.raises(Unavailable, match="torrent session ended: exit status -9"):
        until(client.downloads)


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


def test_a_killed_child_is_replaced_and_goes_on_where_it_was(make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client(save_every_s=0.2)
    with swarm(tmp_path, size_bytes=8_000_000, upload_limit_bytes_s=2 * SLOW_BYTES_S) as source:
        add(client, source.seed, goal=SeedGoal(ratio=0.0))
        dial(source, client)
        until(lambda: the_only(client).done_bytes > 2_000_000)
        record = tmp_path / "state" / f"{source.seed.infohash}.resume"
        saved_at = record.stat().st_mtime_ns
        until(lambda: record.stat().st_mtime_ns > saved_at)
        kill_child(client)

        until(lambda: the_only(client).done_bytes > 2_000_000)
        dial(source, client)
        download = once(client, lambda download: download.is_seed_goal_reached, timeout_s=30)

        assert Path(str(download.content_path)).read_bytes() == source.film


def test_a_torrent_added_just_before_a_kill_is_still_there(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source:
        add(client, source.seed)
        kill_child(client)
        assert the_only(client).infohash == source.seed.infohash


def test_a_magnet_added_just_before_a_kill_still_completes(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source:
        add(client, source.seed, by_magnet=True)
        kill_child(client)
        dial_is_needed = not the_only(client).size_bytes
        if dial_is_needed:
            dial(source, client)
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


@contextmanager
def interface(name: str, address: str) -> Iterator[None]:
    """One end of a wire to nowhere, for root."""
    other = f"{name}-far"
    wire = ["ip", "link", "add", name, "type", "veth", "peer", "name", other]
    made = subprocess.run(wire, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no network interface can be made here: {made.stderr.strip()}")
    try:
        subprocess.run(["ip", "addr", "add", f"{address}/24", "dev", name], check=True)
        for end in (name, other):
            subprocess.run(["ip", "link", "set", end, "up"], check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "del", name], check=True)


@pytest.mark.parametrize("bind", ["wire77a", "10.77.0.1"])
def test_everything_pauses_while_the_bound_interface_is_gone(
    make_client: MakeClient, tmp_path: Path, bind: str
) -> None:
    client = make_client(bind=bind)
    with swarm(tmp_path) as source:
        with interface("wire77a", "10.77.0.1"):
            add(client, source.seed)
            assert client.test().startswith("libtorrent 2")
            until(lambda: client.status().listening_port)
            assert the_only(client).state is ClientState.STALLED

        until(lambda: client.status().problem)
        kind = "interface" if bind == "wire77a" else "address"
        with pytest.raises(Unavailable, match=f"{kind} {bind} is gone"):
            client.test()
        assert the_only(client).state is ClientState.PAUSED
        assert client.status().listening_port is None

        with interface("wire77a", "10.77.0.1"):
            until(lambda: client.status().listening_port)
            assert the_only(client).state is ClientState.STALLED


def test_nothing_is_reached_that_is_not_on_the_bound_interface(make_client: MakeClient, tmp_path: Path) -> None:
    with interface("wire78a", "10.78.0.1"), swarm(tmp_path) as source:
        client = make_client(bind="wire78a")
        add(client, source.seed, by_magnet=True)
        until(lambda: the_only(client).state is ClientState.METADATA)
        with pytest.raises(AssertionError, match="in vain"):
            until(
                lambda: the_only(client).state is not ClientState.METADATA, timeout_s=8
            )  # TCP is tried some 5 s after uTP


def test_a_full_disk_stalls_with_a_reason_and_goes_on_when_there_is_room(
    make_client: MakeClient, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    client = make_client(download_dir=str(folder), save_every_s=0.5)
    try:
        with swarm(tmp_path, size_bytes=4_000_000) as source:
            add(client, source.seed)
            dial(source, client)
            until(lambda: "No space left" in (the_only(client).error or ""))
            assert the_only(client).state is not ClientState.FAILED

            subprocess.run(["mount", "-o", "remount,size=16m", str(folder)], check=True)
            download = in_state(client, ClientState.COMPLETED)
            assert Path(str(download.content_path)).read_bytes() == source.film
    finally:
        client.close()
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_the_child_ends_by_itself_when_its_parent_closes_the_channel(settings: SessionSettings) -> None:
    children: list[subprocess.Popen[bytes]] = []

    def remembered(argv: Sequence[str], *, pass_fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        children.append(spawn(argv, pass_fds=pass_fds))
        return children[-1]

    client = BuiltinClient(name="builtin", settings=settings, spawn=remembered)
    client.test()
    client.close()
    assert [child.returncode for child in children] == [0]
    assert client.pid is None


PARENT = """
import sys, time
from clients.builtin import BuiltinClient
from clients.torrent_channel import SessionSettings
from tests.swarm import spawn

settings = SessionSettings(download_dir=sys.argv[1], state_dir=sys.argv[2], bind="lo")
client = BuiltinClient(name="builtin", settings=settings, spawn=spawn)
client.test()
print(client.pid, flush=True)
time.sleep(60)
"""


def test_the_child_ends_when_its_parent_is_killed(settings: SessionSettings) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    argv = [sys.executable, "-c", PARENT, settings.download_dir, settings.state_dir]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    until(lambda: not is_running(child), timeout_s=3)


def is_running(pid: int) -> bool:
    """A zombie, which waits for whoever adopted it, is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_sigterm_ends_the_child_with_its_resume_data_saved(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path, size_bytes=20_000_000, upload_limit_bytes_s=SLOW_BYTES_S) as source:
        add(client, source.seed)
        dial(source, client)
        once(client, lambda download: download.done_bytes > 0)
        os.kill(pid_of(client), signal.SIGTERM)
        with pytest.raises(Unavailable, match="exit status 0"):
            until(lambda: not client.downloads())
    once(client, lambda download: download.done_bytes > 0)


def test_a_second_session_is_kept_out_of_the_state_folder(make_client: MakeClient) -> None:
    make_client().test()
    with pytest.raises(Unavailable, match="another torrent session"):
        make_client().test()


def test_an_answer_that_comes_too_late_is_not_taken_for_another(settings: SessionSettings) -> None:
    client = BuiltinClient(name="builtin", settings=settings, spawn=spawn, deadline_s=0.2)
    client.test()
    os.kill(pid_of(client), signal.SIGSTOP)
    with pytest.raises(Unavailable, match="no answer"):
        client.test()
    os.kill(pid_of(client), signal.SIGCONT)
    assert client.downloads() == []
    client.close()


def test_a_child_that_gives_no_answer_is_unavailable_and_in_the_end_replaced(settings: SessionSettings) -> None:
    client = BuiltinClient(name="builtin", settings=settings, spawn=spawn, deadline_s=0.2)
    client.test()
    pid = pid_of(client)
    os.kill(pid, signal.SIGSTOP)
    for _ in range(3):
        with pytest.raises(Unavailable, match="no answer"):
            client.test()
    client.test()
    assert pid_of(client) != pid
    client.close()


def test_damaged_resume_data_costs_that_torrent_only(client: BuiltinClient, tmp_path: Path) -> None:
    with swarm(tmp_path) as source:
        add(client, source.seed)
        client.close()
        damaged = tmp_path / "state" / f"{'ab' * 20}.resume"
        damaged.write_bytes(b"\0" * 100)
        assert the_only(client).infohash == source.seed.infohash
        assert damaged.with_suffix(".bad").exists()


def test_without_libtorrent_it_is_said_what_to_do(settings: SessionSettings) -> None:
    client = BuiltinClient(name="builtin", settings=settings, spawn=spawn, find_spec=lambda name: None)
    with pytest.raises(BuiltinUnavailable, match="configure another download client"):
        client.test()


def test_a_state_folder_that_cannot_be_made_is_unavailable(make_client: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="state folder cannot be used"):
        make_client(state_dir=str(tmp_path / "file" / "state")).test()
