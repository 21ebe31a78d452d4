"""kill -9 at any statement, at random times again and again, and by the kernel for memory: nothing lost, nothing twice.

With UNDERSTUDY_TESTS=all every statement of an acquisition is a moment to die at, and a hundred random kills follow one
another; the suite takes a sample of both.
"""

import os
import random
import secrets
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from storage.embedded import EmbeddedPostgres
from tests.memory_group import memory_group
from tests.pipeline.conftest import World, builtin
from tests.pipeline.daemon import WANTED, DaemonRun, daemon
from tests.pipeline.statement_proxy import Moment, StatementProxy, Trap, parameter, statement_proxy
from tests.pipeline.test_database_faults import family
from tests.pipeline.test_nodes import qbit, shared, torrents
from tests.postgres import fresh_database
from tests.qbittorrent_server import QBittorrentServer
from tests.until import until

__all__ = ["qbit"]

IS_ALL = os.environ.get("UNDERSTUDY_TESTS") == "all"
MOMENTS: tuple[Moment, ...] = ("before", "after")
STATEMENTS, MOST_STATEMENTS = 150, 300
"""What an acquisition takes at least and at most, from the start of the daemon to the film; some are asked again."""
KILLS = 100 if IS_ALL else 3
READY_WITHIN_S = 3.0
"""In the median, where the machine is not so busy that the first start, which finds nothing, took half of it."""
LIFE_S = 8.0 if IS_ALL else 1.5
"""At most, from readiness to the next kill."""


@pytest.fixture
def rng() -> random.Random:
    """Its seed is UNDERSTUDY_CHAOS_SEED, else a new one each time."""
    seed = int(os.environ.get("UNDERSTUDY_CHAOS_SEED") or secrets.randbelow(10**6))
    print(f"UNDERSTUDY_CHAOS_SEED={seed}")  # shown when it fails
    return random.Random(seed)


def kill_at(proxy: StatementProxy, run: DaemonRun, at: int, when: Moment, *, holds: bytes = b"") -> None:
    """Have the running, or starting, daemon killed at its statement number `at` from now."""
    proxy.set(Trap(at=at, when=when, action=run.kill, holds=holds))


def assert_whole(run: DaemonRun, *, sizes: Collection[int]) -> None:
    """What has a final name is complete, and what the database says lies there does: at any moment."""
    for film in run.library.rglob("*.mkv"):
        assert film.stat().st_size in sizes
    for row in run.rows("select path from movie_files"):
        assert Path(row["path"]).exists()


def assert_got_once(run: DaemonRun, *, movies: int = 1) -> None:
    """Each movie has one download, one import, one film, and nothing is left of another attempt."""
    finished = "select count(*) as n from movies where state = 'imported'"
    until(lambda: run.rows(finished) == [{"n": movies}], timeout_s=60, what=f"{movies} movies; {run.log_tail()}")
    assert len(run.rows("select from downloads")) == movies
    assert run.rows("select from downloads where state <> 'imported'") == []
    assert [row["state"] for row in run.rows("select state from imports")] == ["done"] * movies
    assert len(run.rows("select from events where kind = 'movie.imported'")) == movies
    assert run.films() == sorted(Path(row["path"]) for row in run.rows("select path from movie_files"))
    assert len(run.films()) == movies
    until(
        lambda: not run.rows("select from jobs where state in ('ready', 'running') and kind not in ('rss', 'remove')")
    )
    assert run.rows("select from jobs where state = 'dead'") == []


def has_open(pid: int, path: Path) -> bool:
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it is closed meanwhile
            if fd.readlink() == path:
                return True
    return False


def test_what_a_killed_daemon_leaves_on_its_port_for_a_moment_is_waited_for(tmp_path: Path, dsn: str) -> None:
    with daemon(tmp_path / "run", dsn=dsn) as run:
        (http,) = [pid for pid in family(run.pid) if b"api.server" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(http, signal.SIGSTOP)
        try:
            run.kill()
            run.launch()
            until(lambda: has_open(run.pid, run.folder / "data" / "lock"), timeout_s=20, what="the next one to begin")
            with pytest.raises(subprocess.TimeoutExpired):
                run.wait(1.0)
        finally:
            os.kill(http, signal.SIGCONT)
        until(run.is_active, timeout_s=20)


def test_a_daemon_killed_between_the_clients_yes_and_the_commit_grabs_once_f5(
    tmp_path: Path, dsn: str, world: World, qbit: QBittorrentServer
) -> None:
    seed = world.release()
    with (
        statement_proxy(dsn) as proxy,
        daemon(tmp_path / "run", world.indexer, shared(qbit), WANTED, dsn=proxy.dsn) as run,
    ):
        kill_at(proxy, run, 1, "before", holds=parameter("queued"))
        world.offer(seed)
        until(lambda: run.exit_code is not None, timeout_s=20, what="the client to have it and the daemon to die")
        assert torrents(qbit) == 1
        assert [row["state"] for row in run.rows("select state from downloads")] == ["grabbing"]
        run.start()
        assert_got_once(run)
        assert torrents(qbit) == 1


def test_a_daemon_killed_at_any_statement_loses_and_doubles_nothing_f6(
    tmp_path: Path, postgres: EmbeddedPostgres, world: World, rng: random.Random
) -> None:
    """In the suite at two: at one of the first start, then at one of the next. Otherwise at each, in any order."""
    seed = world.release(seconds=1)
    world.offer(seed)
    if not IS_ALL:
        points = [rng.randint(1, STATEMENTS) for _ in range(2)]
        assert die_and_survive(tmp_path / "run", postgres, world, points, rng, size_bytes=seed.size_bytes)
        return
    deaths = 0
    for at in rng.sample(range(1, MOST_STATEMENTS + 1), k=MOST_STATEMENTS):
        deaths += die_and_survive(tmp_path / str(at), postgres, world, [at], rng, size_bytes=seed.size_bytes)
    print(f"killed at {deaths} of {MOST_STATEMENTS} statements; the film was there before the others")
    assert deaths >= STATEMENTS


def die_and_survive(
    folder: Path,
    postgres: EmbeddedPostgres,
    world: World,
    points: Sequence[int],
    rng: random.Random,
    *,
    size_bytes: int,
) -> bool:
    """One life for each point, then one to the end; whether it was killed, for the film may be there before."""
    folder.mkdir()
    has_died = False
    with (
        fresh_database(postgres) as dsn,
        psycopg.connect(dsn, autocommit=True) as watcher,
        statement_proxy(dsn) as proxy,
        builtin(world, folder) as client,
        daemon(folder / "run", world.indexer, client, WANTED, dsn=proxy.dsn, starts=False) as run,
    ):
        run.dsn = dsn

        def is_over() -> bool:
            imported = watcher.execute("select from movies where state = 'imported'").rowcount
            return run.exit_code is not None or bool(imported)

        for at in points:
            when = rng.choice(MOMENTS)
            print(f"killed {when} statement {at}")
            run.launch()
            kill_at(proxy, run, at, when)
            until(is_over, timeout_s=60, what="its death")
            proxy.set(None)
            has_died = has_died or run.exit_code is not None
            assert_whole(run, sizes={size_bytes})
            run.end()
        run.start()
        assert_got_once(run)
    return has_died


def ready_after_s(run: DaemonRun) -> float:
    """Start it; how long it took to be ready."""
    begun_at = time.monotonic()
    run.launch()
    until(lambda: run.status("/readyz") == 200, timeout_s=60, what=f"readiness; {run.log_tail()}")
    return time.monotonic() - begun_at


def test_a_daemon_killed_again_and_again_loses_and_doubles_nothing_f7(
    tmp_path: Path, dsn: str, world: World, builtin_client: str, rng: random.Random
) -> None:
    """At random times, with another movie to get before each kill."""
    world.limit_rate(1_000_000)
    titles = ", ".join(f'"Film Number {number} (2010)"' for number in range(KILLS))
    wanted = f"\n[wanted.hd]\ntitles = [{titles}]\n"
    ready_in_s: list[float] = []
    with daemon(tmp_path / "run", world.indexer, builtin_client, wanted, dsn=dsn, starts=False) as run:
        first_s = ready_after_s(run)
        for number in range(KILLS):
            world.offer(world.release(f"Film.Number.{number}.2010.1080p.BluRay.x264-GOOD", seconds=120))
            time.sleep(rng.uniform(0.1, LIFE_S))
            run.kill()
            assert_whole(run, sizes={seed.stat().st_size for seed in (world.folder / "seed").iterdir()})
            ready_in_s.append(ready_after_s(run))
            until(run.is_active, timeout_s=30)
        world.limit_rate(0)
        assert_got_once(run, movies=KILLS)
    print(
        f"{KILLS} kills; ready in {max(ready_in_s):.1f} s at most, {sorted(ready_in_s)[KILLS // 2]:.1f} s in the median"
    )
    assert sorted(ready_in_s)[KILLS // 2] <= max(READY_WITHIN_S, 2 * first_s)


def test_a_daemon_killed_for_its_memory_loses_and_doubles_nothing_f11(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    """By the kernel, in a control group of which it is the largest process, and not by its own hand or a signal."""
    seed = world.release(seconds=120)
    world.offer(seed)
    world.limit_rate(1_000_000)
    with (
        memory_group() as group,
        daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn, wrapper=group.wrapper) as run,
    ):
        until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
        with group.scarce():
            until(lambda: run.exit_code is not None, timeout_s=20, what="the kernel to kill it")
        assert run.exit_code == -signal.SIGKILL
        assert_whole(run, sizes={seed.size_bytes})
        world.limit_rate(0)
        run.start()
        assert_got_once(run)
