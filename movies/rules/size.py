"""Rules about how large a release is; an unknown size passes."""

from movies.case import Case
from movies.quality import SizeBounds
from movies.target import Target

MIB = 1024 * 1024
ASSUMED_RUNTIME_MIN = 110

_UNLIMITED = SizeBounds()


def minutes_of(target: Target) -> int:
    """Return the movie's runtime, or what movies usually have."""
    return target.runtime_min or ASSUMED_RUNTIME_MIN


def size(case: Case) -> str | None:
    if case.offer.size_bytes is None:
        return None
    quality = case.release.quality
    bounds = case.policy.size_bounds.get(quality.name, _UNLIMITED)
    mib_per_min = case.offer.size_bytes / MIB / minutes_of(case.target)
    if mib_per_min < bounds.minimum:
        return f"{mib_per_min:.1f} MiB/min is under {bounds.minimum:g} for {quality}"
    if bounds.maximum is not None and mib_per_min > bounds.maximum:
        return f"{mib_per_min:.1f} MiB/min is over {bounds.maximum:g} for {quality}"
    return None


def maximum_size(case: Case) -> str | None:
    maximum_bytes, size_bytes = case.policy.maximum_size_bytes, case.offer.size_bytes
    if maximum_bytes is None or size_bytes is None or size_bytes <= maximum_bytes:
        return None
    return f"{size_bytes / MIB:.0f} MiB is over the maximum of {maximum_bytes / MIB:.0f} MiB"


def free_space(case: Case) -> str | None:
    free_bytes, size_bytes = case.target.free_bytes, case.offer.size_bytes
    if free_bytes is None or size_bytes is None:
        return None
    left_bytes, minimum_bytes = free_bytes - size_bytes, case.policy.minimum_free_bytes
    if left_bytes >= minimum_bytes:
        return None
    return f"it would leave {left_bytes / MIB:.0f} MiB in the root folder, under {minimum_bytes / MIB:.0f} MiB"
