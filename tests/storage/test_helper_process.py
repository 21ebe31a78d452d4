"""Helper processes and the way to them: real processes, real signals."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from storage.child_process import ChildProcess
from storage.helper_process import ABANDONED_MAX, HelperGone, HelperHung, HelperProcess, Spawn
from tests.storage.helper_program import PROGRAM, Refused
from tests.storage.unkillable import Unkillable
from tests.until import until

DEADLINE_S = 10.0
ENDLESS = 10**12
ERRORS = {"Refused": Refused}


def spawn(argv: Sequence[str], pass_fds: Sequence[int]) -> ChildProcess:
    return subprocess.Popen(argv, pass_fds=pass_fds)


def make(spawn: Spawn = spawn) -> HelperProcess:
    return HelperProcess(PROGRAM, name="test", spawn=spawn, errors=ERRORS)


def echo(helper: HelperProcess, value: object = "word") -> object:
    return helper.call("echo", {"value": value}, progress_deadline_s=DEADLINE_S)


def count(helper: HelperProcess, limit: int, on_progress: Callable[[int, int], None]) -> object:
    return helper.call("count", {"limit": limit}, progress_deadline_s=DEADLINE_S, on_progress=on_progress)


def started(helper: HelperProcess) -> int:
    """The pid of the running helper."""
    echo(helper)
    assert helper.pid is not None
    return helper.pid


def ended(pid: int) -> int:
    """Wait until the child is dead: its exit status, or the signal that killed it. Its owner can still reap it."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert found is not None
    return found.si_status


@pytest.fixture
def helper() -> Iterator[HelperProcess]:
    helper = make()
    yield helper
    assert helper.close(timeout_s=10)


def test_it_is_started_by_the_first_call_and_kept(helper: HelperProcess) -> None:
    assert helper.pid is None
    pid = started(helper)
    assert started(helper) == pid


def test_values_cross_both_ways(helper: HelperProcess) -> None:
    for value in (None, 2**60, [1.5, {"key": "wört"}], "\udcff"):
        assert echo(helper, value) == value
    assert echo(helper, Path("/a/b")) == "/a/b"
    assert helper.call("as_bytes", {"text": "film"}, progress_deadline_s=DEADLINE_S) == "ZmlsbQ=="


def test_a_declared_error_keeps_its_class_and_text_and_the_helper(helper: HelperProcess) -> None:
    pid = started(helper)
    with pytest.raises(Refused, match="as asked"):
        helper.call("refuse", {"text": "as asked"}, progress_deadline_s=DEADLINE_S)
    assert helper.pid == pid


def test_an_error_that_was_not_declared_ends_it_and_the_next_call_has_a_new_one(helper: HelperProcess) -> None:
    with pytest.raises(HelperGone, match=r"crash by test: the helper ended \(exit status 1\)"):
        helper.call("crash", {"text": "a fault"}, progress_deadline_s=DEADLINE_S)
    assert echo(helper) == "word"


def test_progress_arrives_and_ends_at_the_total(helper: HelperProcess) -> None:
    seen: list[tuple[int, int]] = []
    assert count(helper, 1000, lambda *progress: seen.append(progress)) == 1000
    assert seen[0] == (0, 1000)
    assert seen[-1] == (1000, 1000)
    assert len(seen) < 1000, "not every step is worth a line"


def test_what_the_listener_raises_gives_the_operation_up(helper: HelperProcess) -> None:
    def give_up(done: int, total: int) -> None:
        raise TimeoutError("the caller's own")

    pid = started(helper)
    with pytest.raises(TimeoutError, match="own"):
        count(helper, ENDLESS, give_up)
    until(lambda: helper.count_abandoned() == 0, what="it to end")
    assert started(helper) != pid


def test_one_killed_at_work_is_gone_and_the_next_call_has_a_new_one(helper: HelperProcess) -> None:
    pid = started(helper)
    with pytest.raises(HelperGone, match="-9"):
        count(helper, ENDLESS, lambda done, total: os.kill(pid, signal.SIGKILL))
    assert started(helper) != pid


def test_one_killed_while_idle_is_not_noticed_by_the_caller(helper: HelperProcess) -> None:
    pid = started(helper)
    os.kill(pid, signal.SIGKILL)
    ended(pid)
    assert started(helper) != pid


def test_one_that_shows_no_progress_is_abandoned_and_replaced(helper: HelperProcess) -> None:
    pid = started(helper)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(HelperHung, match=r"echo by test: no progress for 0\.2 s"):
        helper.call("echo", {"value": 1}, progress_deadline_s=0.2)
    assert started(helper) != pid
    until(lambda: helper.count_abandoned() == 0)


def spawn_unkillable(argv: Sequence[str], pass_fds: Sequence[int]) -> ChildProcess:
    return Unkillable(subprocess.Popen(argv, pass_fds=pass_fds))


def test_one_the_kernel_holds_is_left_and_counted() -> None:
    helper = make(spawn_unkillable)
    pid = started(helper)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(HelperHung):
        helper.call("echo", {"value": 1}, progress_deadline_s=0.2)
    assert helper.count_abandoned() == 1
    assert started(helper) != pid
    assert helper.close(timeout_s=10), "the closed socket ends the second one"
    os.kill(pid, signal.SIGCONT)  # the mount is back: the first one finds its socket closed
    until(lambda: helper.count_abandoned() == 0)


def test_there_are_only_so_many_that_the_kernel_holds() -> None:
    helper, pids = make(spawn_unkillable), list[int]()
    for _ in range(ABANDONED_MAX):
        pids.append(started(helper))
        os.kill(pids[-1], signal.SIGSTOP)
        with pytest.raises(HelperHung, match="no progress"):
            helper.call("echo", {"value": 1}, progress_deadline_s=0.1)
    with pytest.raises(HelperHung, match="5 helpers hang already"):
        echo(helper)
    assert helper.pid is None
    os.kill(pids.pop(), signal.SIGCONT)
    until(lambda: helper.count_abandoned() < ABANDONED_MAX)
    started(helper)
    assert helper.close(timeout_s=10)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    until(lambda: helper.count_abandoned() == 0)


def test_one_the_kernel_holds_when_it_is_closed_is_counted_too() -> None:
    helper = make(spawn_unkillable)
    pid = started(helper)

    def stop_and_close(done: int, total: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        helper.close()

    with pytest.raises(HelperGone, match="exit status None"):
        count(helper, ENDLESS, stop_and_close)
    assert helper.count_abandoned() == 1
    os.kill(pid, signal.SIGCONT)
    until(lambda: helper.count_abandoned() == 0)


def test_closing_during_an_operation_ends_it(helper: HelperProcess) -> None:
    with pytest.raises(HelperGone, match="exit status 0"):
        count(helper, ENDLESS, lambda done, total: void(helper.close()))


def void(value: object) -> None:
    """For a listener that is a lambda."""


def test_a_slow_operation_that_shows_progress_is_not_hung(helper: HelperProcess) -> None:
    """The whole takes far longer than the deadline; each wait does not."""
    pause, seen = threading.Event(), list[int]()

    def slowly(done: int, total: int) -> None:
        seen.append(done)
        pause.wait(0.15)
        if len(seen) == 4:
            raise InterruptedError("enough")

    started(helper)
    with pytest.raises(InterruptedError):
        helper.call("count", {"limit": ENDLESS}, progress_deadline_s=0.4, on_progress=slowly)


def test_calls_of_many_threads_wait_for_one_another(helper: HelperProcess) -> None:
    started(helper)  # from this thread, for a helper dies with the thread that forked it
    answers = dict[int, object]()

    def ask(number: int) -> None:
        answers[number] = echo(helper, number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(20)}


def test_a_spawner_that_fails_leaves_the_next_call_free_to_try() -> None:
    failures = [OSError("no more processes")]

    def spawn_at_second(argv: Sequence[str], pass_fds: Sequence[int]) -> ChildProcess:
        if failures:
            raise failures.pop()
        return spawn(argv, pass_fds)

    helper = make(spawn_at_second)
    with pytest.raises(OSError, match="no more"):
        echo(helper)
    assert echo(helper) == "word"
    assert helper.close(timeout_s=10)


def test_it_needs_no_environment_and_no_particular_folder() -> None:
    helper = make(lambda argv, fds: subprocess.Popen(argv, pass_fds=fds, env={}, cwd="/"))
    assert echo(helper) == "word"
    assert helper.close(timeout_s=10)


def test_it_dies_with_its_parent_even_if_the_socket_stays_open() -> None:
    ours, theirs = socket.socketpair()
    parent_program = (
        "import subprocess, sys; fd = int(sys.argv[2])\n"
        "subprocess.Popen([sys.executable, '-I', '-S', sys.argv[1], '--fd', str(fd)], pass_fds=[fd])\n"
        "sys.stdin.read()"
    )
    fd = theirs.fileno()
    with (
        ours,
        subprocess.Popen(
            [sys.executable, "-c", parent_program, str(PROGRAM), str(fd)], pass_fds=[fd], stdin=subprocess.PIPE
        ) as parent,
    ):
        theirs.close()
        ours.settimeout(10)
        ours.sendall(b'{"id": 1, "op": "echo", "args": {"value": 1}}\n')
        assert b'"result"' in ours.recv(1000)
        parent.kill()
        assert ours.recv(1000) == b"", "the helper is gone"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the helpers of `loud` write to stderr."""
    return tmp_path / "stderr"


@pytest.fixture
def loud(log: Path) -> Iterator[HelperProcess]:
    with log.open("wb") as stderr:
        helper = make(lambda argv, fds: subprocess.Popen(argv, pass_fds=fds, stderr=stderr))
        yield helper
        assert helper.close(timeout_s=10)


def test_sigterm_ends_an_idle_one_at_once(loud: HelperProcess, log: Path) -> None:
    pid = started(loud)
    os.kill(pid, signal.SIGTERM)
    assert ended(pid) == 0
    assert log.read_bytes() == b""


def test_sigterm_ends_a_busy_one_at_its_next_progress(helper: HelperProcess) -> None:
    pid = started(helper)
    with pytest.raises(HelperGone, match="exit status 0"):
        count(helper, ENDLESS, lambda done, total: os.kill(pid, signal.SIGTERM))


def test_sigterm_ends_one_that_hangs_in_a_call_too(helper: HelperProcess) -> None:
    pid = started(helper)
    hung = Hung(helper)
    os.kill(pid, signal.SIGTERM)
    assert f"exit status {-signal.SIGALRM}" in hung.outcome()


def test_sigusr1_tells_where_a_hung_one_hangs_and_ends_nothing(loud: HelperProcess, log: Path) -> None:
    pid = started(loud)
    hung = Hung(loud)
    for _ in range(2):
        log.write_bytes(b"")
        os.kill(pid, signal.SIGUSR1)
        until(lambda: b"in lock_twice" in log.read_bytes() and b"in serve" in log.read_bytes())
    os.kill(pid, signal.SIGKILL)
    assert "-9" in hung.outcome()


def test_sigusr1_does_nothing_to_an_idle_one(loud: HelperProcess, log: Path) -> None:
    pid = started(loud)
    os.kill(pid, signal.SIGUSR1)
    until(lambda: b"in run" in log.read_bytes())
    assert started(loud) == pid


class Hung:
    """A call that hangs in a thread of its own until its helper dies."""

    def __init__(self, helper: HelperProcess) -> None:
        self._error = ""
        self._helper, self._begun = helper, threading.Event()
        self._thread = threading.Thread(target=self._call)
        self._thread.start()
        assert self._begun.wait(DEADLINE_S)

    def outcome(self) -> str:
        """What the call raised."""
        self._thread.join(DEADLINE_S)
        return self._error

    def _call(self) -> None:
        try:
            self._helper.call(
                "lock_twice", {}, progress_deadline_s=DEADLINE_S, on_progress=lambda done, total: self._begun.set()
            )
        except HelperGone as error:
            self._error = str(error)
