"""What supervision costs: supervised actors beside bare Pykka ones, in turn and in one run.

    .venv/bin/python -P benchmarks/actors.py [--rounds N]

Rates are messages handled a second: one sender tells all and asks once at the end, or asks one after the other; the
ratio is the median of the rounds' ratios. Logs are written, to nowhere. Memory is the PSS of a process of its own with
so many idle actors, less that of one with none.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pykka

from actors.address import Address, Mailbox
from actors.base import Supervised
from actors.child import Child, Policy
from actors.messages import Crash
from actors.restarts import Backoff
from metrics import logs
from supervisor import Supervisor, start_root, stop_root

TELLS, ASKS, CRASHES, IDLE = 20_000, 2_000, 50, 1_000
PATIENCE_S = 60.0
WITHOUT_LIMIT = Mailbox(capacity=10**9)  # as Pykka's own


class Answering(Supervised):
    """Answers with the message."""

    def handle(self, message: Any) -> Any:
        return message


class Bare(pykka.ThreadingActor):
    """The same without supervision."""

    use_daemon_thread = True

    def on_receive(self, message: Any) -> Any:
        return message


@dataclass(frozen=True, kw_only=True)
class Target:
    """How to reach an actor."""

    tell: Callable[[object], None]
    ask: Callable[[object], object]


@contextmanager
def supervised(on_handled: Callable[[object, float], None] | None = None) -> Iterator[Target]:
    address = Address("answering", on_handled=on_handled)
    child = Child(name="answering", actor=Answering, mailbox=WITHOUT_LIMIT, backoff=Backoff(min_s=0.0))
    root = start_tree([child], {"answering": address})
    yield Target(tell=address.tell, ask=lambda message: address.ask(message, timeout_s=PATIENCE_S))
    stop_root(root, timeout_s=PATIENCE_S)


@contextmanager
def observed() -> Iterator[Target]:
    """Supervised, and somebody hears of every message that was handled."""
    with supervised(lambda message, duration_s: None) as target:
        yield target


@contextmanager
def bare() -> Iterator[Target]:
    actor = Bare.start()
    yield Target(tell=actor.tell, ask=lambda message: actor.ask(message, timeout=PATIENCE_S))
    actor.stop()


BARE = "bare Pykka"
KINDS: dict[str, Callable[[], AbstractContextManager[Target]]] = {
    BARE: bare,
    "supervised": supervised,
    "supervised, with on_handled": observed,
}


def start_tree(children: list[Child], addresses: dict[str, Address]) -> Supervisor:
    arguments = {"children": children, "addresses": addresses, "policy": Policy(intensity=10**9)}
    return start_root(Supervisor, arguments, timeout_s=PATIENCE_S)


def tells_per_s(target: Target) -> float:
    begun_at = time.perf_counter()
    for number in range(TELLS):
        target.tell(number)
    target.ask("the last")
    return TELLS / (time.perf_counter() - begun_at)


def asks_per_s(target: Target) -> float:
    begun_at = time.perf_counter()
    for number in range(ASKS):
        target.ask(number)
    return ASKS / (time.perf_counter() - begun_at)


def crashes_ms(target: Target) -> list[float]:
    """From the message that crashes the actor to the first answer of its successor."""
    times = []
    for _ in range(CRASHES):
        begun_at = time.perf_counter()
        target.tell(Crash())
        target.ask("are you back?")
        times.append((time.perf_counter() - begun_at) * 1000)
    return times


def idle_kib(kind: str) -> int:
    """The PSS of this process with so many idle actors."""
    if kind == "bare":
        for _ in range(IDLE):
            Bare.start()
    elif kind == "supervised":
        start_tree([Child(name=f"idle {number}", actor=Answering) for number in range(IDLE)], {})
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def idle_mib(kind: str) -> float:
    argv = [sys.executable, "-P", __file__, "--idle", kind]
    return int(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--idle", choices=["none", "bare", "supervised"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    with Path(os.devnull).open("w") as nowhere:
        logs.configure(level="info", style="json", stream=nowhere)
        if options.idle is not None:
            print(idle_kib(options.idle))
        else:
            measure(options.rounds)


def measure(rounds: int) -> None:
    rates: dict[str, dict[str, list[float]]] = {what: {kind: [] for kind in KINDS} for what in ("tells/s", "asks/s")}
    crashes: list[float] = []
    for _ in range(rounds):
        for kind, start in KINDS.items():
            with start() as target:
                rates["tells/s"][kind].append(tells_per_s(target))
                rates["asks/s"][kind].append(asks_per_s(target))
        with supervised() as target:
            crashes += crashes_ms(target)
    for what, by_kind in rates.items():
        report(what, by_kind)
    cuts = statistics.quantiles(crashes, n=100)
    print(f"crash to answering again: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms of {len(crashes)}")
    memory = {kind: statistics.median(idle_mib(kind) for _ in range(3)) for kind in ("none", "bare", "supervised")}
    ours, theirs = memory["supervised"] - memory["none"], memory["bare"] - memory["none"]
    print(f"{IDLE} idle actors: supervised {ours:.1f} MiB, bare Pykka's {theirs:.1f} MiB, {ours - theirs:.1f} MiB more")


def report(what: str, by_kind: dict[str, list[float]]) -> None:
    for kind, values in by_kind.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(values, by_kind[BARE], strict=True))
        spread = f"{min(values):,.0f} to {max(values):,.0f}"
        print(f"{what} {kind}: median {statistics.median(values):,.0f}, {spread}; ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
