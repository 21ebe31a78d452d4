"""Clocks of a process that jump: imported and installed before anything that keeps `time.monotonic` for itself.

The standard library's own waits hold the real clocks already, so a jump changes what programs believe, not how long
their sleeps last. As on real machines only the wall clock goes backwards.
"""

import time

_monotonic, _time = time.monotonic, time.time
_ahead_s = {"monotonic": 0.0, "wall": 0.0}


def install() -> None:
    time.monotonic = lambda: _monotonic() + _ahead_s["monotonic"]
    time.time = lambda: _time() + _ahead_s["wall"]


def jump(seconds: float) -> None:
    """The wall clock by `seconds`; the monotonic clock, too, if that is forward, as after a suspended machine."""
    _ahead_s["wall"] += seconds
    _ahead_s["monotonic"] += max(0.0, seconds)
