"""The real HTTP process under its actor: replaced when it ends or hangs, on the same socket."""

import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.request import urlopen

import pytest

from actors.address import Address
from actors.api_process import STOP_S, ApiProcess
from actors.child import Child
from tests.supervision.probe import AT_ONCE, START_S, Tree
from tests.swarm import spawn
from tests.until import until

SILENCE_LIMIT_S = 2.0


class Bench:
    """A tree with an ApiProcess; `processes` are all it has started, `beats` counts the heartbeats it was asked for."""

    def __init__(self, tree: Tree, dsn: str) -> None:
        self.tree = tree
        self.processes: list[subprocess.Popen[bytes]] = []
        self.beats = threading.Semaphore(0)
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._dsn = dsn

    def start(self, **limits: float) -> "Bench":
        arguments = {
            "spawn": self._spawn,
            "listening": [self.listening],
            "settings": {"dsn": self._dsn, "api_key": "key", "call_limit_s": 5.0},
            "answers": {"heartbeat": self._beat},
            **limits,
        }
        self.tree.addresses["api"] = Address("api")
        self.tree.start(Child(name="api", actor=ApiProcess, arguments=arguments, shutdown_s=4.0, backoff=AT_ONCE))
        return self

    def is_live(self) -> bool:
        with urlopen(f"http://127.0.0.1:{self.listening.getsockname()[1]}/healthz", timeout=START_S) as answer:
            return bool(answer.status == 200)

    def reasons(self) -> list[str]:
        """Why its incarnations ended, by the names of their errors."""
        return [type(report.reason).__name__ for report in self.tree.reports]

    def await_beats(self, count: int) -> None:
        for _ in range(count):
            assert self.beats.acquire(timeout=START_S)

    def _spawn(self, argv: Sequence[str], *, pass_fds: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        self.processes.append(spawn(argv, pass_fds=pass_fds))
        return self.processes[-1]

    def _beat(self, question: Mapping[str, Any]) -> dict[str, str]:
        self.beats.release()
        return {"status": "ok", "version": "1.2.3"}


@pytest.fixture
def bench(tree: Tree, dsn: str) -> Iterator[Bench]:
    bench = Bench(tree, dsn)
    yield bench
    tree.stop()
    bench.listening.close()
    for process in bench.processes:
        process.wait(STOP_S)


def test_a_process_that_ended_is_replaced_on_the_same_socket(bench: Bench) -> None:
    bench.start()
    assert bench.is_live()
    bench.processes[0].kill()
    until(lambda: len(bench.processes) == 2)
    assert bench.is_live()
    assert bench.reasons() == ["ProcessEnded"]


def test_a_process_that_hangs_is_killed_and_replaced_on_the_same_socket(bench: Bench) -> None:
    bench.start(silence_limit_s=SILENCE_LIMIT_S)
    bench.await_beats(1)
    bench.processes[0].send_signal(signal.SIGSTOP)
    until(lambda: len(bench.processes) == 2)
    assert bench.processes[0].returncode == -signal.SIGKILL
    assert bench.is_live()
    assert bench.reasons() == ["ProcessHung"]


def test_a_process_that_hangs_from_its_start_is_replaced(bench: Bench) -> None:
    bench.start(silence_limit_s=0.4, start_limit_s=0.0)
    until(lambda: bench.reasons()[:1] == ["ProcessHung"])


def test_a_process_that_nobody_asks_anything_is_not_taken_for_hung(bench: Bench) -> None:
    bench.start(silence_limit_s=SILENCE_LIMIT_S)
    bench.await_beats(15)  # one and a half limits
    assert (len(bench.processes), bench.reasons()) == (1, [])
