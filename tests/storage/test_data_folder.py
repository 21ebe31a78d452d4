"""The data folder's lock, which outlives the daemon while its PostgreSQL does, and the secrets that lie in it."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.data_folder import DataFolder
from storage.errors import DataFolderLocked
from tests.storage.folder_holder import folder_holder
from tests.until import until

OTHER_PIDS = ["unshare", "--pid", "--ipc", "--fork", "--mount-proc", "--kill-child"]
if os.geteuid() != 0:
    OTHER_PIDS += ["--user", "--map-current-user"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_locked(path: Path) -> bool:
    folder = DataFolder(path)
    try:
        folder.lock(wait_s=0)
    except DataFolderLocked:
        return True
    folder.unlock()
    return False


@pytest.fixture(scope="module")
def other_pids() -> list[str]:
    """The command that runs another in a PID namespace of its own."""
    trial = subprocess.run([*OTHER_PIDS, sys.executable, "-c", ""], capture_output=True, text=True)
    if trial.returncode != 0:
        pytest.skip(f"no PID namespaces here: {trial.stderr.strip()}")
    return OTHER_PIDS


def test_a_data_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a" / "data")
    folder.lock()
    folder.unlock()
    for path in (folder.path, folder.torrents, folder.api_socket.parent):
        assert mode(path) == 0o700


def test_a_second_daemon_is_refused_after_its_wait_and_told_by_whom(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.lock()
    start = time.monotonic()
    with pytest.raises(DataFolderLocked, match=f"process {os.getpid()}") as refusal:
        second.lock(wait_s=0.2)
    assert time.monotonic() - start >= 0.2
    assert refusal.value.pid == os.getpid()
    assert second.lock_fd is None
    first.unlock()


def test_a_daemon_that_is_just_ending_is_waited_for(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.lock()
    second.lock(wait_s=10, sleep=lambda _: first.unlock())
    assert is_locked(tmp_path)
    second.unlock()
    assert not is_locked(tmp_path)


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with folder_holder(tmp_path) as (process, _):
        with pytest.raises(DataFolderLocked, match=f"process {process.pid}:"):
            DataFolder(tmp_path).lock(wait_s=0)
        process.kill()
        process.wait()
        until(lambda: not is_locked(tmp_path))


def test_the_lock_stays_while_postgres_outlives_its_daemon(cluster: Path) -> None:
    with folder_holder(cluster, "--postgres") as (process, said):
        os.kill(said.postgres_pid, signal.SIGSTOP)  # it cannot hear that its parent died
        try:
            process.kill()
            process.wait()
            with pytest.raises(DataFolderLocked, match=f"process {process.pid}:"):
                DataFolder(cluster).lock(wait_s=0.2)
        finally:
            os.kill(said.postgres_pid, signal.SIGCONT)
        until(lambda: not is_locked(cluster))


def test_a_daemon_in_another_pid_namespace_is_refused_while_postgres_is_up(
    cluster: Path, other_pids: list[str]
) -> None:
    with folder_holder(cluster, "--postgres") as (process, said):
        os.kill(said.postgres_pid, signal.SIGSTOP)
        try:
            process.kill()
            process.wait()
            with folder_holder(cluster, "--postgres", wrapper=other_pids) as (_, second):
                assert f"in use by process {process.pid}" in second.error
        finally:
            os.kill(said.postgres_pid, signal.SIGCONT)
        until(lambda: not is_locked(cluster))


def test_a_daemon_outside_is_refused_while_one_in_a_pid_namespace_has_postgres_up(
    cluster: Path, other_pids: list[str]
) -> None:
    with folder_holder(cluster, "--postgres", wrapper=other_pids) as (_, said):
        assert said.dsn
        with pytest.raises(DataFolderLocked):
            DataFolder(cluster).lock(wait_s=0.2)


def test_a_secret_is_private_and_stays_the_same(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    secret = folder.secret("api.key")
    assert len(secret) == 32
    assert DataFolder(tmp_path).secret("api.key") == secret
    assert mode(tmp_path / "api.key") == 0o600
    assert folder.secret("other.key") != secret


def test_a_secret_may_be_of_any_make_and_is_made_once(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    made = iter(["first", "second"])
    assert [folder.secret("api.key", make=lambda: next(made)) for _ in range(2)] == ["first", "first"]


def test_a_secret_whose_making_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)

    def cut_off() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.secret("api.key", make=cut_off)
    assert len(folder.secret("api.key")) == 32
    assert mode(tmp_path / "api.key") == 0o600
