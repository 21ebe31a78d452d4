"""A database that was restored from an older backup (F31): it finds what its clients and library have without it.

The backup is made before the movie is found, during its download, and before an upgrade of it; what came later has
happened all the same. Nobody seeds any more, so that what is downloaded twice never comes.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.backup import back_up, restore
from tests.pipeline.conftest import WORSE, World
from tests.pipeline.daemon import WANTED, DaemonRun, daemon
from tests.pipeline.test_crashes import COPY
from tests.until import until

Identities = dict[Path, tuple[int, int, int]]


def identities(run: DaemonRun) -> Identities:
    """Inode, size and time of everything in the library."""
    found = {path: path.stat() for path in run.films()}
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


def go_back(run: DaemonRun, world: World, backup: Path, *, seed: Path) -> Identities:
    """Stop, restore, and start where nobody seeds; what the library had before."""
    assert run.stop() == 0
    world.seeder.forget(seed)
    before = identities(run)
    restore(run.dsn, backup, scratch=backup.parent)
    run.start()
    return before


def assert_adopted(run: DaemonRun, before: Identities, *, quality: str = "Bluray-1080p") -> None:
    """The movie has its film again, and nobody touched one."""
    until(
        lambda: run.rows("select from movie_files where quality = %s", quality),
        timeout_s=30,
        what=f"the film to be found; {run.log_tail()}",
    )
    until(lambda: not run.rows("select from jobs where kind = 'import' and state in ('ready', 'running')"))
    assert identities(run) == before
    assert Path(run.movie()["path"]) in before
    assert run.movie()["state"] == "imported"
    assert run.rows("select from jobs where state = 'dead'") == []
    assert run.rows("select from downloads where state <> 'imported'") == []


def before_it_is_found(run: DaemonRun, world: World, save: Callable[[], object]) -> Path:
    until(lambda: run.rows("select from movies"))
    save()
    seed = world.release()
    world.offer(seed)
    return seed.path


def during_the_download(run: DaemonRun, world: World, save: Callable[[], object]) -> Path:
    seed = world.release(seconds=180)
    world.limit_rate(1_000_000)
    world.offer(seed)
    until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
    save()
    world.limit_rate(0)
    return seed.path


def before_an_upgrade(run: DaemonRun, world: World, save: Callable[[], object]) -> Path:
    world.offer(world.release(WORSE))
    run.await_state("imported")
    save()
    seed = world.release()
    world.offer(seed)
    until(lambda: len(run.rows("select from downloads")) == 2, timeout_s=20)
    return seed.path


MOMENTS = [
    pytest.param(before_it_is_found, "", id="before_it_is_found-link"),
    pytest.param(before_it_is_found, COPY, id="before_it_is_found-copy"),
    pytest.param(during_the_download, "", id="during_the_download-link"),
    pytest.param(during_the_download, COPY, id="during_the_download-copy"),
    pytest.param(before_an_upgrade, "", id="before_an_upgrade-link"),
    pytest.param(before_an_upgrade, COPY, id="before_an_upgrade-copy"),
]


@pytest.mark.parametrize(
    ("moment", "transfer"), MOMENTS if os.environ.get("UNDERSTUDY_TESTS") == "all" else [MOMENTS[1]]
)
def test_what_came_after_the_backup_is_adopted(
    moment: Callable[[DaemonRun, World, Callable[[], object]], Path],
    transfer: str,
    tmp_path: Path,
    dsn: str,
    world: World,
    builtin_client: str,
) -> None:
    backup = tmp_path / "understudy.dump"
    with daemon(tmp_path / "run", world.indexer, builtin_client, transfer, WANTED, dsn=dsn) as run:
        seed = moment(run, world, lambda: back_up(dsn, backup))
        until(lambda: run.rows("select from movie_files where quality = 'Bluray-1080p'"), timeout_s=30)
        before = go_back(run, world, backup, seed=seed)
        assert_adopted(run, before)
