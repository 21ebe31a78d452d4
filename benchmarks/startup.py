"""How long from the command to /readyz, cold (no database yet) and warm, and what the idle daemon costs.

    .venv/bin/python -P benchmarks/startup.py [--rounds N] [--rival]

Memory is the sum of PSS over all our processes, PostgreSQL's apart; CPU is a share of one core over 20 idle seconds.
`--rival` starts FlexGet's daemon with its web server in turn with ours, from a virtual environment of its own that is
made from benchmarks/rivals/flexget.txt, and waits for its API to answer.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.rival import python_of

REPOSITORY = Path(__file__).resolve().parent.parent
IDLE_S = 20.0
LIMIT_S = 120.0

OURS = """\
[daemon]
data_dir = "data"
[api]
listen = "127.0.0.1:{port}"
[[download_clients]]
name = "builtin"
type = "builtin"
bind = "lo"
"""
FLEXGET = "web_server:\n  bind: 127.0.0.1\n  port: {port}\ntasks: {{}}\nschedules: no\n"


class Started:
    """A daemon that is ready, and how long it took."""

    def __init__(self, argv: list[str], url: str, *, is_ready: Callable[[int], bool]) -> None:
        start = time.monotonic()
        self.process = subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while not is_ready(status(url)):
            if self.process.poll() is not None or time.monotonic() - start > LIMIT_S:
                self.stop()
                sys.exit(f"{argv} did not become ready")
            time.sleep(0.005)
        self.ready_s = time.monotonic() - start

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def start_ours(folder: Path, port: int) -> Started:
    config = folder / "config.toml"
    config.write_text(OURS.format(port=port))
    argv = [sys.executable, "-P", "-m", "cli", "run", "--config", str(config)]
    return Started(argv, f"http://127.0.0.1:{port}/readyz", is_ready=lambda code: code == 200)


def start_flexget(folder: Path, port: int, python: Path) -> Started:
    config = folder / "config.yml"
    config.write_text(FLEXGET.format(port=port))
    argv = [str(python.with_name("flexget")), "-c", str(config), "daemon", "start"]
    return Started(argv, f"http://127.0.0.1:{port}/api/server/version/", is_ready=lambda code: code in (200, 401))


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def is_postgres(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().startswith("postgres")


def pss_mib(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def cpu_s(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def idle(started: Started) -> dict[str, float]:
    """Memory and CPU of a daemon that has nothing to do."""
    time.sleep(5)
    pids = descendants(started.process.pid)
    ours = [pid for pid in pids if not is_postgres(pid)]
    database = [pid for pid in pids if is_postgres(pid)]
    before = cpu_s(ours)
    time.sleep(IDLE_S)
    return {
        "memory MiB": pss_mib(ours),
        "of PostgreSQL MiB": pss_mib(database) if database else 0.0,
        "CPU %": 100 * (cpu_s(ours) - before) / IDLE_S,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rival", action="store_true", help="FlexGet beside us, in turn")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    rival = Path(python_of("flexget")) if options.rival else None
    times: dict[str, list[float]] = {"understudy cold": [], "understudy warm": [], "flexget warm": []}
    facts: dict[str, dict[str, float]] = {}
    for number in range(options.rounds):
        folder = Path(tempfile.mkdtemp(prefix="understudy-startup-"))
        for kind in ("cold", "warm"):
            started = start_ours(folder, 17878)
            times[f"understudy {kind}"].append(started.ready_s)
            if number == 0 and kind == "warm":
                facts["understudy"] = idle(started)
            started.stop()
        if rival is not None:
            other = folder / "flexget"
            other.mkdir()
            start_flexget(other, 17879, rival).stop()  # makes its database
            started = start_flexget(other, 17879, rival)
            times["flexget warm"].append(started.ready_s)
            if number == 0:
                facts["flexget"] = idle(started)
            started.stop()
        shutil.rmtree(folder)
    for name, values in times.items():
        if values:
            spread = f"{min(values):.2f} to {max(values):.2f}"
            print(f"{name}: median {statistics.median(values):.2f} s of {len(values)}, {spread}")
    for name, found in facts.items():
        print(f"{name} idle: " + ", ".join(f"{what} {value:.1f}" for what, value in found.items()))
    if times["flexget warm"]:
        ratio = statistics.median(times["understudy warm"]) / statistics.median(times["flexget warm"])
        print(f"warm start, ours to FlexGet's: {ratio:.2f}")
        memory = facts["understudy"]["memory MiB"] / facts["flexget"]["memory MiB"]
        print(f"idle memory, ours to FlexGet's: {memory:.2f}")


if __name__ == "__main__":
    main()
