"""Tells whether a configuration file is still the one that was read."""

import hashlib
from pathlib import Path


def digest_of(path: Path) -> str:
    """Of its content; empty when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
