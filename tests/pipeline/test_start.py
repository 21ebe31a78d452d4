"""Starting and refusing to start: exit codes, messages, and nothing left running."""

import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from storage.embedded import free_port
from tests.pipeline.clones import clone, environment, open_clone
from tests.pipeline.daemon import REPOSITORY, DaemonRun
from tests.pipeline.embedded import EMBEDDED, embedded
from tests.until import until


def test_a_wrong_configuration_starts_nothing(tmp_path: Path) -> None:
    run = DaemonRun(tmp_path, '[deamon]\nnode = "x"\n[api]\nlisten = "nowhere"\n', dsn="")
    run.launch()
    assert run.wait(20) == 2
    first, second = run.log.read_text().splitlines()
    assert first == f'{run.config}:1: unknown key deamon; did you mean "daemon"?'
    assert second.startswith(f'{run.config}:4: api.listen: expected HOST:PORT such as "127.0.0.1:7878"')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "daemon.log"]


def test_a_port_in_use_is_said_at_once(tmp_path: Path, dsn: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = DaemonRun(tmp_path, EMBEDDED.format(port=port), dsn=dsn)
        run.launch()
        assert run.wait(10) == 3
        assert f"cannot listen on 127.0.0.1:{port}" in run.log.read_text()
        assert not (tmp_path / "data" / "postgres").exists()


def test_a_second_daemon_on_the_data_folder_is_refused_also_from_another_pid_namespace(tmp_path: Path) -> None:
    with embedded(tmp_path) as first:
        for wrapper in ((), ("unshare", "--pid", "--ipc", "--fork")):
            if wrapper and subprocess.run([*wrapper, "true"], capture_output=True).returncode:
                pytest.skip("this user may not make a PID namespace")
            (tmp_path / "second").mkdir(exist_ok=True)
            second = DaemonRun(tmp_path / "second", EMBEDDED.format(port=free_port()), dsn="", wrapper=wrapper)
            keys = f'"{tmp_path}/run/data"\nstart_wait = "1s"'
            second.config.write_text(second.config.read_text().replace('"data"', keys))
            second.launch()
            assert second.wait(30) == 3
            assert f"{tmp_path}/run/data is in use by process {first.pid}" in second.log.read_text()
        assert first.is_active()


def test_it_starts_again_after_kill_with_its_own_postgres(tmp_path: Path) -> None:
    with embedded(tmp_path) as run:
        key = (tmp_path / "run" / "data" / "api.key").read_text()
        run.kill()
        run.start()
        assert (tmp_path / "run" / "data" / "api.key").read_text() == key
        assert len(key.strip()) == 32
        assert stat.S_IMODE((tmp_path / "run" / "data" / "api.key").stat().st_mode) == 0o600
        assert run.stop(timeout_s=10) == 0
        until(lambda: not processes_in(tmp_path), what="every process to be gone")


def test_postgres_is_started_again_when_it_dies(tmp_path: Path) -> None:
    with embedded(tmp_path) as run:
        (postmaster,) = (tmp_path / "run" / "data" / "postgres" / "postmaster.pid").read_text().split("\n")[:1]
        os.kill(int(postmaster), 9)
        until(lambda: run.log_lines("postgres was started again"), timeout_s=20)
        until(lambda: run.status("/readyz") == 200, timeout_s=20)
        until(run.is_active, timeout_s=20)
        assert run.log_lines("an actor was restarted") == []


__all__ = ["clone", "open_clone"]  # fixtures

ROOT = os.geteuid() == 0
REAL_PYTHON = os.path.realpath(sys.executable)  # outside .venv: all modules are the clone's
REFUSED = [sys.executable, str(REPOSITORY / "tests" / "refuse_user_namespaces.py")]


@pytest.mark.skipif(not ROOT, reason="only root can be root")
@pytest.mark.parametrize("wrapper", [[], REFUSED], ids=["root", "root-without-user-namespaces"])
def test_the_demo_runs_from_a_folder_that_only_root_may_enter(wrapper: list[str], clone: Path) -> None:
    assert stat.S_IMODE(clone.stat().st_mode) == 0o700
    temp = clone / f"tmp{len(wrapper)}"
    temp.mkdir()
    assert_demo_succeeds([*wrapper, REAL_PYTHON, "-P", "-m", "cli", "demo"], clone, temp)


@pytest.mark.skipif(not ROOT, reason="this is an ordinary user already: the other tests show it")
def test_the_demo_runs_as_an_ordinary_user(open_clone: Path) -> None:
    user = pwd.getpwnam("nobody")
    temp = open_clone / "tmp"
    temp.mkdir()
    os.chown(temp, user.pw_uid, user.pw_gid)
    wrapper = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    assert_demo_succeeds([*wrapper, open_clone / "python", "-P", "-m", "cli", "demo"], open_clone, temp)


def test_a_uid_without_a_name_is_told_what_to_do(open_clone: Path) -> None:
    if not ROOT:
        pytest.skip("only root can become a uid without a name")
    folder = open_clone / "nameless"
    folder.mkdir()
    os.chown(folder, 54321, 54321)
    (folder / "config.toml").write_text(EMBEDDED.format(port=free_port()))
    wrapper = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    argv: list[str | Path] = [*wrapper, open_clone / "python", "-P", "-m", "cli", "run", "-c", folder / "config.toml"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, env=environment(open_clone, folder))
    assert done.returncode == 4
    assert "uid 54321 has no entry in the passwd database" in done.stderr


def assert_demo_succeeds(argv: Sequence[str | Path], clone: Path, temp: Path) -> None:
    start = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env=environment(clone, temp), cwd=temp)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the supervisor restarted it" in done.stdout
    assert "the breaker is closed again" in done.stdout
    path = Path(done.stdout.strip().splitlines()[-1].removeprefix("imported "))
    assert path.is_file()
    shutil.rmtree(path.parents[2])
    assert time.monotonic() - start < 60


def processes_in(folder: Path) -> list[str]:
    """The command lines of the processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command:
                found.append(command)
    return found
