"""The programs that Understudy is measured beside: each in a virtual environment of its own, made on first use."""

import subprocess
import sys
import tempfile
from pathlib import Path

RIVALS = Path(__file__).resolve().parent / "rivals"


def python_of(rival: str) -> str:
    """The interpreter that has the rival."""
    folder = Path(tempfile.gettempdir()) / f"understudy-rival-{rival}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", RIVALS / f"{rival}.txt"], check=True)
    return str(python)
