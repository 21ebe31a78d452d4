"""Sizes and durations as people write them into the file: what stands there, and what reads well nearby."""

import math

DAY_S = 86400
UNITS_S = (("d", DAY_S), ("h", 3600), ("m", 60))


def round_size(size_bytes: int, *, up: bool) -> tuple[str, int]:
    """The nearest size at or over (or at or under) this one that reads well, as text and in bytes."""
    for unit, unit_bytes in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= 10 * unit_bytes:
            number = -(-size_bytes // unit_bytes) if up else size_bytes // unit_bytes
            return f"{number}{unit}", number * unit_bytes
    return f"{size_bytes}B", size_bytes


def round_down_duration(duration_s: float) -> tuple[str, float]:
    """The nearest duration at or under this one that reads well, as text and in seconds; never less than none."""
    for unit, unit_s in UNITS_S:
        if duration_s >= 10 * unit_s:
            number = math.floor(duration_s / unit_s)
            return f"{number}{unit}", float(number * unit_s)
    number = max(math.floor(duration_s), 0)
    return f"{number}s", float(number)


def size_text(size_bytes: int) -> str:
    """A size as one would have written it: in the largest unit that leaves no rest."""
    units = {
        "TiB": 2**40,
        "TB": 10**12,
        "GiB": 2**30,
        "GB": 10**9,
        "MiB": 2**20,
        "MB": 10**6,
        "KiB": 2**10,
        "KB": 10**3,
    }
    whole = [(size_bytes // unit_bytes, unit) for unit, unit_bytes in units.items() if size_bytes % unit_bytes == 0]
    number, unit = min(whole, default=(size_bytes, "B")) if size_bytes else (0, "B")
    return f"{number}{unit}"


def duration_text(duration_s: float) -> str:
    """A duration as one would have written it: in the largest unit that leaves no rest."""
    for unit, unit_s in UNITS_S:
        if duration_s and duration_s % unit_s == 0:
            return f"{duration_s // unit_s:.0f}{unit}"
    return f"{duration_s:.3f}".rstrip("0").rstrip(".") + "s"
