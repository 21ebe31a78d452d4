"""What a look at a root does to its breaker and to health."""

from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from actors.breaker import Breaker, BreakerState
from actors.health import HealthBoard
from actors.root_watch import RootWatch
from metrics.catalogue import Catalogue
from storage.file_access import FileHelper, HelperGone, HelperHung
from storage.file_errors import FileError, FolderGone, NotRegular
from storage.files import Identity

ROOT = Path("/films")
GIB = 2**30


class Disk:
    """A helper whose root has `free_bytes`, or fails with `error`."""

    def __init__(self) -> None:
        self.free: int = 100 * GIB
        self.error: FileError | None = None

    def free_bytes(self, path: Path) -> int:
        if self.error is not None:
            raise self.error
        return self.free

    def identity(self, path: Path) -> Identity:
        raise NotRegular("a folder, as it should be")


class Bench:
    def __init__(self) -> None:
        self.disk: Any = Disk()
        self.breaker, self.health = Breaker(f"root:{ROOT}"), HealthBoard()
        nowhere: Any = None
        self.watch = RootWatch(
            ROOT,
            min_free_bytes=GIB,
            helper=cast(FileHelper, self.disk),
            breaker=self.breaker,
            database=nowhere,
            health=self.health,
            free_bytes=Catalogue(CollectorRegistry()).free_bytes,
        )

    def look(self) -> tuple[BreakerState, list[str]]:
        self.watch.look()
        return self.breaker.state, [item.text for item in self.health.items()]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_root_that_hangs_opens_its_breaker_at_once_and_closes_it_when_it_answers(bench: Bench) -> None:
    bench.disk.error = HelperHung("no progress for 30 s")
    assert bench.look() == (BreakerState.OPEN, ["no progress for 30 s: imports wait"])
    assert bench.look()[0] is BreakerState.OPEN
    bench.disk.error = None
    assert bench.look() == (BreakerState.CLOSED, [])


def test_a_root_without_room_is_left_alone_until_there_is_some(bench: Bench) -> None:
    bench.disk.free = GIB // 2
    text = "/films has only 0.5 GiB free, roots.min_free wants 1.0: imports wait"
    assert bench.look() == (BreakerState.OPEN, [text])
    bench.disk.free = 2 * GIB
    assert bench.look() == (BreakerState.CLOSED, [])


def test_a_helper_that_ends_says_nothing_of_the_root(bench: Bench) -> None:
    """It is told to end whenever its actor stops; the next look tells how the root is."""
    bench.disk.error = HelperGone("exit status -15")
    assert bench.look() == (BreakerState.CLOSED, [])


@pytest.mark.parametrize("error", [HelperHung("hangs"), FolderGone("gone")])
def test_only_the_root_itself_is_asked_whether_it_is_there(bench: Bench, error: FileError) -> None:
    assert bench.watch.is_there()
    outage = bench.watch.down(error)
    assert str(outage) == str(error)


def test_what_a_person_opened_stays_open_though_the_root_answers(bench: Bench) -> None:
    bench.breaker.transition_to(BreakerState.FORCED_OPEN)
    assert bench.look()[0] is BreakerState.FORCED_OPEN
