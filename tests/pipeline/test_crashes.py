"""kill -9 and SIGTERM at the worst moments, crashing actors, two daemons: afterwards there is one file and one row."""

import socket
from pathlib import Path

import pytest

from tests.pipeline.conftest import World
from tests.pipeline.daemon import INDEXER, WANTED, DaemonRun, daemon
from tests.until import until

COPY = """
[import]
transfer = "copy"
"""


def assert_imported_once(run: DaemonRun) -> None:
    """Exactly one file, one row, nothing left over."""
    run.await_state("imported")
    (row,) = run.rows("select path from movie_files")
    assert run.films() == [Path(row["path"])]
    assert [row["state"] for row in run.rows("select state from imports")] == ["done"]
    assert len(run.rows("select from downloads where state <> 'failed'")) == 1
    until(lambda: not run.rows("select from jobs where state in ('ready', 'running') and kind <> 'rss'"))
    assert run.rows("select from jobs where state = 'dead'") == []


def test_kill_during_the_download(tmp_path: Path, dsn: str, world: World, client: str) -> None:
    world.offer(world.release(seconds=180))
    world.limit_rate(1_000_000)
    with daemon(tmp_path / "run", world.indexer, client, WANTED, dsn=dsn) as run:
        until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
        run.kill()
        world.limit_rate(0)
        run.start()
        assert_imported_once(run)


@pytest.mark.parametrize("moment", ["planned", "staged", "partial"])
def test_kill_during_the_import(moment: str, tmp_path: Path, dsn: str, world: World, builtin_client: str) -> None:
    seed = world.release(seconds=7200)  # 120 MB: copying takes a moment
    world.offer(seed)
    with daemon(tmp_path / "run", world.indexer, builtin_client, COPY, WANTED, dsn=dsn) as run:
        if moment == "partial":
            until(lambda: list(run.library.rglob("*.partial")) or run.films(), timeout_s=60, what="a partial file")
        else:
            until(lambda: run.rows("select from imports where state = %s", moment) or run.films(), timeout_s=60)
        run.kill()
        for film in run.library.rglob("*.mkv"):
            assert film.stat().st_size == seed.size_bytes  # never a part under a final name
        run.start()
        assert_imported_once(run)
        assert Path(run.movie()["path"]).read_bytes() == seed.path.read_bytes()


def test_a_library_on_another_file_system_gets_a_copy(
    tmp_path: Path, small_disk: Path, dsn: str, world: World, builtin_client: str
) -> None:
    seed = world.release()
    world.offer(seed)
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        assert_imported_once(run)
        assert run.rows("select method from movie_files") == [{"method": "copy"}]
        assert Path(run.movie()["path"]).read_bytes() == seed.path.read_bytes()
        assert any("hard links are refused" in item["text"] for item in run.get("/api/health")["health"])


def test_sigterm_stops_in_order_and_leaves_no_litter(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release(seconds=1800))
    with daemon(tmp_path / "run", world.indexer, builtin_client, COPY, WANTED, dsn=dsn) as run:
        until(lambda: run.rows("select from imports"), timeout_s=60)
        assert run.stop(timeout_s=10) == 0
        until(
            lambda: not list(run.library.rglob("*.partial")),
            what="the helper to end, which outlives a slow disk's call",
        )
        run.start()
        assert_imported_once(run)


def test_sigterm_does_not_wait_for_an_indexer_that_hangs(tmp_path: Path, dsn: str, builtin_client: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hangs = INDEXER.format(name="silent", url=f"http://127.0.0.1:{silent.getsockname()[1]}/api")
        with daemon(tmp_path / "run", hangs, builtin_client, WANTED, dsn=dsn) as run:
            until(lambda: run.rows("select from jobs where state = 'running' and lane = 'indexer:silent'"))
            assert run.stop(timeout_s=10) == 0


def test_a_second_daemon_of_the_same_node_is_refused_and_one_of_another_node_is_not(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    with daemon(tmp_path / "one", world.indexer, builtin_client, dsn=dsn, node="stage") as first:
        with daemon(tmp_path / "two", dsn=dsn, node="stage", daemon_keys='start_wait = "1s"', starts=False) as twin:
            twin.launch()
            assert twin.wait(30) == 3
            assert 'another daemon is node \\"stage\\"' in twin.log.read_text()
        with daemon(tmp_path / "three", world.indexer, dsn=dsn, node="wings") as other:
            assert other.is_active()
        assert first.is_active()
