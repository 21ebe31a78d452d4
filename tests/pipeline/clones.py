"""Copies of the program elsewhere: in a folder that only root may enter, and in one for everybody."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = Path(next(path for path in sys.path if path.endswith("site-packages")))
PROGRAM = ["cli.py", "supervisor.py"]
FOLDERS = ["actors", "api", "clients", "commands", "config", "daemon", "demo", "metrics", "movies", "storage"]


def copy_program(folder: Path) -> None:
    """The program and its packages, as hard links where possible."""
    for name in PROGRAM:
        shutil.copy2(REPOSITORY / name, folder / name)
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGES, folder / "site-packages", copy_function=link_or_copy, symlinks=True)


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def clone() -> Iterator[Path]:
    """0700, owned by who runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="understudy-clone-"))
    copy_program(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def open_clone() -> Iterator[Path]:
    """For everybody, with a Python that everybody may execute as `python`; skips where there is none."""
    folder = Path(tempfile.mkdtemp(prefix="understudy-clone-"))
    folder.chmod(0o755)
    try:
        (folder / "python").symlink_to(public_python())
        copy_program(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def public_python() -> str:
    """An interpreter of this very version that user nobody may execute."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    user = pwd.getpwnam("nobody").pw_uid
    for path in (os.path.realpath(sys.executable), f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        again = (
            "import os, sys; os.execv(sys.executable, [sys.executable, '-I', '-c', 'pass'])"  # setpriv itself may more
        )
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", path, "-I", "-c", again]
        if os.path.exists(path) and subprocess.run(argv, capture_output=True).returncode == 0:
            return path
    pytest.skip(f"no Python {version} here that an ordinary user may execute")


def environment(clone: Path, temp: Path) -> dict[str, str]:
    """Nothing but what finds the clone's modules."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{clone}{os.pathsep}{clone / 'site-packages'}",
        "HOME": str(temp),
        "TMPDIR": str(temp),
    }
