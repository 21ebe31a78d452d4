"""The built-in client's session process: how it dies, comes back, and what it does when network or disk are gone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients.builtin import BuiltinClient, BuiltinUnavailable
from clients.download_client import ClientState, SeedGoal
from clients.errors import Unavailable
from clients.torrent_channel import SessionSettings
from tests.clients.builtin_client import MakeClient, dial, in_state, the_only
from tests.swarm import REPOSITORY, add, once, spawn, swarm
from tests.until import until

SLOW_BYTES_S = 2_000_000


def pid_of(client: BuiltinClient) -> int:
    assert client.pid
    return client.pid


def kill_child(client: BuiltinClient) -> None:
    """kill -9, and the call that notices it."""
    os.kill(pid_of(client), signal.SIGKILL)
    with pytest.raises(Unavailable, match="torrent session ended: exit status -9"):
        until(client.downloads)


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


@contextmanager
def interface(name: str, address: str) -> Iterator[None]:
    """One end of a wire to nowhere, for root."""
    other = f"{name}-far"
    wire = ["ip", "link", "add", name, "type", "veth", "peer", "name", other]
    subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)  # left by a run that was killed
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
            until(lambda: the_only(client).state is ClientState.STALLED)

        until(lambda: client.status().problem)
        kind = "interface" if bind == "wire77a" else "address"
        with pytest.raises(Unavailable, match=f"{kind} {bind} is gone"):
            client.test()
        assert the_only(client).state is ClientState.PAUSED
        assert client.status().listening_port is None

        with interface("wire77a", "10.77.0.1"):
            until(lambda: client.status().listening_port)
            until(lambda: the_only(client).state is ClientState.STALLED)


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


def test_sigusr1_writes_the_stacks_and_ends_nothing(settings: SessionSettings, tmp_path: Path) -> None:
    log = tmp_path / "stderr"

    def loud(argv: Sequence[str], *, pass_fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        with log.open("wb") as stderr:
            environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
            return subprocess.Popen(argv, pass_fds=pass_fds, stderr=stderr, env=environment)

    client = BuiltinClient(name="builtin", settings=settings, spawn=loud)
    client.test()
    pid = pid_of(client)
    os.kill(pid, signal.SIGUSR1)
    until(lambda: "torrent_session.py" in log.read_text())
    client.test()
    assert pid_of(client) == pid
    client.close()


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
