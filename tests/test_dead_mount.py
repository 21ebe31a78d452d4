"""The stand-in for a dead mount does what a dead mount does; a check of the check."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dead_mount import DeadMount, why_not
from tests.until import until

LOOK = """
import os, sys
print("begun", flush=True)
try:
    print(os.stat(sys.argv[1] + "/film"))
except OSError as error:
    sys.exit(error.strerror)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path / "mount"
    folder.mkdir()
    (folder / "film").touch()
    return folder


def look(folder: Path) -> "subprocess.Popen[str]":
    """A process that is about to look at a file in the folder."""
    argv = [sys.executable, "-I", "-S", "-c", LOOK, str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def hangs(process: "subprocess.Popen[str]") -> bool:
    """Whether it is in uninterruptible sleep."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "D"


def test_who_touches_it_hangs_until_it_is_released_and_the_folder_is_back(folder: Path) -> None:
    with DeadMount(folder):
        process = look(folder)
        until(lambda: hangs(process))
    assert "not connected" in process.communicate(timeout=10)[1]
    assert os.listdir(folder) == ["film"]


def test_it_may_hang_again(folder: Path) -> None:
    mount = DeadMount(folder)
    for _ in range(3):
        mount.hang()
        mount.release()
        assert os.listdir(folder) == ["film"]


def test_who_hangs_can_be_killed(folder: Path) -> None:
    with DeadMount(folder), look(folder) as process:
        until(lambda: hangs(process))
        process.kill()
        assert process.wait(10) == -signal.SIGKILL


def test_who_hangs_in_an_unkillable_one_cannot_be_killed(folder: Path) -> None:
    with DeadMount(folder, is_killable=False) as mount:
        process = look(folder)
        assert mount.has_lost_request.wait(10)
        process.kill()
        until(lambda: hangs(process))
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.2)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL


def test_once_its_server_is_dead_nobody_hangs_and_every_call_fails(folder: Path) -> None:
    with DeadMount(folder) as mount:
        process = look(folder)
        until(lambda: hangs(process))
        mount.disconnect()
        assert "not connected" in process.communicate(timeout=10)[1]
        assert "not connected" in look(folder).communicate(timeout=10)[1]
    assert os.listdir(folder) == ["film"]


def test_a_failing_test_releases_it(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), DeadMount(folder):
        raise ZeroDivisionError
    assert os.listdir(folder) == ["film"]


def test_where_it_is_refused_it_says_why(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"mount: .*none"):
        DeadMount(tmp_path / "none").hang()
