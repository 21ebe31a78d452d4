"""A mount that is dead: what needs it waits, everything else goes on, and it is used again when it is back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.dead_mount import DeadMount, why_not
from tests.pipeline.conftest import World
from tests.pipeline.daemon import DaemonRun, daemon
from tests.until import until

CONFIG = """
[[roots]]
path = "other"
min_free = "1KiB"

[import]
transfer = "copy"
progress_limit = "3s"

[wanted.hd]
titles = ["Sintel (2010)"]

[wanted.others]
profile = "hd"
root = "other"
titles = ["Tears of Steel (2012)"]
"""
FILM, OTHER = "Sintel", "Tears of Steel"
OTHER_RELEASE = "Tears.of.Steel.2012.1080p.BluRay.x264-GOOD"
STOP_BUDGET_S = 8.0
NOTICED_S = 3 * 3.0 + 15.0


@pytest.fixture(autouse=True)
def _can_mount() -> None:
    if reason := why_not():
        pytest.skip(reason)


def test_a_root_that_hangs_during_a_copy_stops_that_import_alone(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    with hung_during_a_copy(tmp_path / "run", world, builtin_client, dsn=dsn) as (run, mount):
        world.offer(world.release(OTHER_RELEASE))
        await_imported(run, OTHER)
        assert run.status("/healthz") == run.status("/readyz") == 200
        assert importer(run)["state"] == "running"
        until(lambda: "no progress" in health(run, run.library), timeout_s=NOTICED_S, what="the root's health")
        assert run.status("/healthz") == run.status("/readyz") == 200
        assert len(helpers(run)) <= 1, "the one that hung could be killed"
        mount.release()
        await_imported(run, FILM, timeout_s=NOTICED_S)
        assert len(run.films()) == 1
        assert health(run, run.library) == ""
        assert importer(run)["restarts"] == 0


@pytest.mark.parametrize("is_killable", [True, False], ids=["killable", "unkillable"])
def test_sigterm_is_obeyed_in_time_while_a_root_hangs(
    is_killable: bool, tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    folder = tmp_path / "run"
    with hung_during_a_copy(folder, world, builtin_client, dsn=dsn, is_killable=is_killable) as (run, mount):
        assert run.stop(timeout_s=STOP_BUDGET_S) == 0
        if not is_killable:
            assert helpers(run), "nothing but the mount's end helps"
            mount.release()
        until(lambda: not helpers(run), what="the helper to end")
        mount.release()
        run.start()
        await_imported(run, FILM)
        assert len(run.films()) == 1


def test_a_daemon_starts_while_a_root_hangs(tmp_path: Path, dsn: str, world: World, builtin_client: str) -> None:
    world.offer(world.release())
    world.offer(world.release(OTHER_RELEASE))
    with daemon(tmp_path / "run", world.indexer, builtin_client, CONFIG, dsn=dsn, starts=False) as run:
        run.library.mkdir()
        with DeadMount(run.library):
            run.start()
            await_imported(run, OTHER)
            assert run.status("/healthz") == run.status("/readyz") == 200
        await_imported(run, FILM)


def test_a_download_folder_that_hangs_is_named_and_its_film_imported_afterwards(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, builtin_client, CONFIG, dsn=dsn, starts=False) as run:
        run.library.mkdir()
        downloads = DeadMount(run.folder / "downloads")
        with DeadMount(run.library):  # holds the import up until its source hangs
            run.start()
            until(lambda: state(run, FILM) == "importing", timeout_s=30)
            downloads.hang()
        with downloads:
            until(lambda: folder_health(run), timeout_s=NOTICED_S, what="the download folder's health")
            assert str(run.folder / "downloads") in folder_health(run)
            assert health(run, run.library) == "", "the root is not to blame"
            assert breaker(run, f"root:{run.library}") == "closed"
            assert run.status("/healthz") == run.status("/readyz") == 200
        await_imported(run, FILM, timeout_s=NOTICED_S)


@pytest.mark.parametrize("is_killable", [True, False], ids=["killable", "unkillable"])
def test_sigterm_is_obeyed_in_time_while_a_download_folder_hangs(
    is_killable: bool, tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release(seconds=180))
    world.limit_rate(700_000)
    with daemon(tmp_path / "run", world.indexer, builtin_client, CONFIG, dsn=dsn) as run:
        until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
        with DeadMount(run.folder / "downloads", is_killable=is_killable):
            world.offer(world.release(OTHER_RELEASE))
            until(lambda: state(run, OTHER) == "downloading", timeout_s=20)
            assert run.status("/healthz") == run.status("/readyz") == 200
            assert run.stop(timeout_s=STOP_BUDGET_S) == 0
        world.limit_rate(0)
        run.start()
        await_imported(run, FILM)
        await_imported(run, OTHER)


@contextmanager
def hung_during_a_copy(
    folder: Path, world: World, client: str, *, dsn: str, is_killable: bool = True
) -> Iterator[tuple[DaemonRun, DeadMount]]:
    """A daemon whose first root has hung for a while, since a film of 120 MB was half there.

    The helper has that file open, so it hangs at the next look at the root.
    """
    world.offer(world.release(seconds=7200))
    with daemon(folder, world.indexer, client, CONFIG, dsn=dsn) as run:
        until(lambda: list(run.library.rglob("*.partial")), timeout_s=60, what="a partial file")
        with DeadMount(run.library, is_killable=is_killable) as mount:
            until(lambda: (importer(run)["message_age_s"] or 0) > 1.5, what="the importer to hang")
            yield run, mount


def importer(run: DaemonRun) -> dict[str, Any]:
    """The first root's, as the tree shows it."""
    groups = {child["name"]: child for child in run.get("/api/supervision")["tree"]}
    found = {child["name"]: child for child in groups["importers"]["children"]}
    return dict(found[f"root:{run.library}"])


def health(run: DaemonRun, root: Path) -> str:
    """What /api/health says of a root; empty if nothing."""
    items = run.get("/api/health")["health"]
    return "".join(item["text"] for item in items if item["source"] == f"root:{root}")


def folder_health(run: DaemonRun) -> str:
    """What /api/health says of the folder that a download of the first root lies in."""
    items = run.get("/api/health")["health"]
    return "".join(item["text"] for item in items if item["source"] == f"download folder:{run.library}")


def state(run: DaemonRun, title: str) -> str:
    (row,) = run.rows("select state from movies where title = %s", title)
    return str(row["state"])


def await_imported(run: DaemonRun, title: str, *, timeout_s: float = 30.0) -> None:
    what = f"{title} to be imported; the log ends {run.log_tail()}"
    until(lambda: state(run, title) == "imported", timeout_s=timeout_s, what=what)


def helpers(run: DaemonRun) -> list[int]:
    """The pids of the first root's helper processes, this daemon's and those of former ones."""
    name = f"files of {run.library}".encode()
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if name in read(path)]


def read(path: Path) -> bytes:
    """Its content; nothing if it is gone, as a process may be."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_root_whose_server_died_is_waited_for_and_spends_no_attempt(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, builtin_client, CONFIG, dsn=dsn, starts=False) as run:
        run.library.mkdir()
        with DeadMount(run.library) as mount:
            mount.disconnect()
            run.start()
            lane = f"root:{run.library}"
            until(lambda: breaker(run, lane) == "open", timeout_s=30, what="the root's breaker to open")
            assert "not connected" in health(run, run.library)
            assert run.rows("select from jobs where state = 'dead'") == []
        await_imported(run, FILM)
        assert run.rows("select attempt from jobs where kind = 'import'") == [{"attempt": 1}]


def breaker(run: DaemonRun, dependency: str) -> str:
    breakers = run.get("/api/breakers")["breakers"]
    return "".join(row["state"] for row in breakers if row["dependency"] == dependency)
