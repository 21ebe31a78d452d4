"""bin/understudy and bin/test on a small tree of their own: their set-up, which must survive any first start."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BIN = Path(__file__).parent.parent / "bin"
TOOLS = ("bash", "dirname", "readlink", "sha256sum", "flock", "mkdir", "touch", "rm", "cat", "env")
CLI = "import os, sys; print(sys.argv[1:], os.getcwd())"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone whose .venv two first uses made at one time; its lock file asks for nothing, so no index is needed."""
    clone = new_clone(tmp_path_factory.mktemp("a folder with spaces") / "clone")
    command = [str(clone / "bin/understudy"), "one", "two three"]
    starts = [subprocess.Popen(command, env=environment(), stdout=-1, stderr=-1, text=True, cwd="/") for _ in range(2)]
    answers = [start.communicate(timeout=120) for start in starts]
    assert [start.returncode for start in starts] == [0, 0], answers
    assert {out for out, _ in answers} == {"['one', 'two three'] /\n"}
    assert sorted(err for _, err in answers) == ["", "setting up .venv (once) ...\n"]
    return clone


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return new_clone(tmp_path / "clone")


def new_clone(clone: Path) -> Path:
    shutil.copytree(BIN, clone / "bin")
    (clone / "cli.py").write_text(CLI)
    for lock in ("requirements.lock", "requirements-dev.lock"):
        (clone / lock).write_text("# nothing\n")
    return clone


def environment(**more: str) -> dict[str, str]:
    noise = {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere", "PIP_TARGET": "/nowhere", "PIP_USER": "1"}
    return {**os.environ, **noise, "PYTHON": sys.executable, **more}


def start(program: Path, *arguments: str, cwd: str = "/", **more: str) -> "subprocess.CompletedProcess[str]":
    command = [str(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment(**more), timeout=120)


def tools_only(folder: Path, **programs: str) -> str:
    """A PATH of the few tools the scripts need, and these shell programs."""
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, f"{tool} is not installed"
        (folder / tool).symlink_to(found)
    for name, text in programs.items():
        (folder / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_a_second_start_sets_nothing_up(made: Path) -> None:
    run = start(made / "bin/understudy")
    assert (run.stdout, run.stderr) == ("[] /\n", "")


def test_it_works_through_a_link_and_from_any_folder(made: Path, tmp_path: Path) -> None:
    (tmp_path / "us").symlink_to(made / "bin/understudy")
    run = start(tmp_path / "us", "--help", cwd=str(tmp_path))
    assert run.stdout == f"['--help'] {tmp_path}\n"


@pytest.mark.parametrize("way", ["working folder", "PYTHONPATH"])
def test_the_users_own_modules_are_not_taken_for_ours(made: Path, tmp_path: Path, way: str) -> None:
    (tmp_path / "cli.py").write_text("print('not ours')")
    cwd, path = (str(tmp_path), "/nowhere") if way == "working folder" else ("/", str(tmp_path))
    assert start(made / "bin/understudy", cwd=cwd, PYTHONPATH=path).stdout == f"[] {cwd}\n"


def test_the_repository_is_importable_without_an_install(made: Path) -> None:
    run = subprocess.run([made / ".venv/bin/python", "-P", "-m", "cli"], capture_output=True, text=True, cwd="/")
    assert run.stdout == "[] /\n"


@pytest.mark.parametrize("change", ["lock", "stamp"])
def test_what_changed_or_was_cut_off_is_set_up_again(made: Path, tmp_path: Path, change: str) -> None:
    stamp = made / ".venv/.made-from-requirements.lock"
    changes: dict[str, Callable[[], object]] = {
        "lock": lambda: (made / "requirements.lock").write_text(f"# {tmp_path}\n"),
        "stamp": stamp.unlink,
    }
    changes[change]()
    again = start(made / "bin/understudy")
    assert (again.returncode, again.stderr) == (0, "setting up .venv (once) ...\n")
    assert start(made / "bin/understudy").stderr == ""


def test_a_failed_install_shows_why_and_is_never_taken_for_done(made: Path) -> None:
    good = (made / "requirements.lock").read_text()
    (made / "requirements.lock").write_text("/nowhere/film-1.0-py3-none-any.whl --hash=sha256:" + 64 * "0" + "\n")
    run = start(made / "bin/understudy")
    assert run.returncode == 1
    assert "film-1.0" in run.stderr
    assert "The next start tries again" in run.stderr
    (made / "requirements.lock").write_text(good)
    (made / ".venv/left-over").touch()
    assert start(made / "bin/understudy").returncode == 0
    assert not (made / ".venv/left-over").exists(), "half an install is not built upon"


def test_an_old_python_is_refused_with_its_version(clone: Path, tmp_path: Path) -> None:
    old = '[[ $1 == --version ]] && echo "Python 3.9.2" || exit 1'
    run = start(clone / "bin/understudy", PATH=tools_only(tmp_path / "tools", python3=old), PYTHON="")
    assert run.returncode == 1
    assert "needs Python 3.11 or later, found Python 3.9.2" in run.stderr
    assert not (clone / ".venv").exists()


def test_no_python_is_said_so(clone: Path, tmp_path: Path) -> None:
    run = start(clone / "bin/understudy", PATH=tools_only(tmp_path / "tools"), PYTHON="")
    assert run.returncode == 1
    assert "found no python3" in run.stderr


def test_a_python_without_venv_names_the_package_to_install(clone: Path, tmp_path: Path) -> None:
    bare = f'[[ $* == *ensurepip* ]] && exit 1; exec "{sys.executable}" "$@"'
    run = start(clone / "bin/understudy", PATH=tools_only(tmp_path / "tools", python3=bare), PYTHON="")
    assert run.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert run.stderr.endswith(f"apt-get install -y python{version}-venv\n")
    assert not (clone / ".venv").exists()


def test_the_newest_fit_python_is_taken(clone: Path, tmp_path: Path) -> None:
    old, fit = "exit 1", f'echo "$0" >>"{tmp_path}/asked"; exec "{sys.executable}" "$@"'
    programs = {"python3.13": old, "python3.12": fit, "python3.11": fit, "python3": old}
    tools = tools_only(tmp_path / "tools", **programs)
    run = start(Path("/bin/bash"), "-c", f'. "{clone}/bin/bootstrap.sh"; find_python', PATH=tools, PYTHON="")
    assert run.stdout == os.path.realpath(sys.executable) + "\n"
    assert {Path(line).name for line in (tmp_path / "asked").read_text().splitlines()} == {"python3.12"}


def test_the_suite_runs_in_the_repository_and_all_is_not_for_pytest(made: Path, tmp_path: Path) -> None:
    packages = next((made / ".venv").glob("lib/*/site-packages"))
    (packages / "pytest.py").write_text("import os, sys; print(sys.argv[1:], os.environ.get('UNDERSTUDY_TESTS'))")
    tools = tools_only(tmp_path / "tools", **dict.fromkeys(("qbittorrent-nox", "ip", "unshare", "mkfs.xfs"), "exit"))
    quick = start(made / "bin/test", "-k", "film", PATH=tools)
    assert quick.stdout == "['-n', '2', '--dist', 'loadfile', '--no-loadscope-reorder', '-k', 'film'] None\n"
    full = start(made / "bin/test", "--all", PATH=tools)
    assert full.stdout == "['-n', '2', '--dist', 'loadfile', '--no-loadscope-reorder'] all\n"
    assert start(made / "bin/understudy").stderr == "", "one set-up does not undo the other"


def test_a_missing_system_package_is_named_once(made: Path, tmp_path: Path) -> None:
    (made / "requirements-dev.lock").touch()
    packages = next((made / ".venv").glob("lib/*/site-packages"))
    (packages / "pytest.py").write_text("")
    tools = tools_only(tmp_path / "tools")
    run = start(made / "bin/test", PATH=tools)
    assert run.returncode == 0
    assert "their tests are skipped: qbittorrent-nox" in run.stderr


def test_a_killed_first_start_is_made_good(clone: Path) -> None:
    first = subprocess.Popen(
        [clone / "bin/understudy"], env=environment(), stdout=-1, stderr=-1, cwd="/", start_new_session=True
    )
    assert first.stderr is not None
    assert first.stderr.readline() == b"setting up .venv (once) ...\n"
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    run = start(clone / "bin/understudy")
    assert (run.returncode, run.stdout) == (0, "[] /\n")
