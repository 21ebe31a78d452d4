"""The command line in a process of its own, as a user calls it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.pipeline.daemon import REPOSITORY


def understudy(*words: str, config: Path, code: int = 0) -> str:
    """What the command prints, wide enough for every column; it must end with `code`."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli", *words, "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "250"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
