"""An Importer whose job another node takes: whatever it was at, it then writes no state and gives no file a name."""

import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from actors.address import Address
from actors.breaker import Breaker
from actors.health import HealthBoard
from actors.importer import Importer, ImportRules
from actors.judge import Judge
from actors.messages import Work, WorkEnded
from actors.root_watch import MARKER
from demo.film import make_film
from metrics.catalogue import Catalogue
from movies.failure import DEFAULT
from movies.movie import DownloadState, JobId, WantedMovie
from movies.policy import DEFAULT_POLICY
from movies.profile import BUILTIN_PROFILES
from storage import acquisition, downloads, imports, jobs, movies
from storage.database import Database
from storage.file_access import FileHelper
from storage.jobs import Claim
from storage.progress_writer import ProgressWriter
from tests.actors import job_rows
from tests.actors.job_rows import next_message
from tests.storage.rows import intend
from tests.supervision.probe import START_S

FOLDER = "Sintel (2010)"
FILM = f"{FOLDER}/Sintel (2010) Bluray-1080p Proper.mkv"
OLD_FILM = f"{FOLDER}/Sintel (2010) WEBDL-1080p.mkv"


def spawn(argv: Sequence[str], pass_fds: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(argv, pass_fds=pass_fds)


class Files(FileHelper):
    """A real helper; `meanwhile` is told of each operation when it is done, before its caller."""

    def __init__(self) -> None:
        super().__init__(spawn=spawn, name="test")
        self.meanwhile: Callable[[str], None] = lambda op: None

    def call(self, op: str, on_progress: Any = None, **args: object) -> Any:
        try:
            return super().call(op, on_progress, **args)
        finally:
            self.meanwhile(op)


class Bench:
    """A download that is complete, and the importer of the root that it belongs into."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.root = database, folder / "library"
        self.files, self.queue = Files(), Address("queue")
        self.progress, self.health = ProgressWriter(database), HealthBoard()
        self.actor: Importer | None = None
        (self.root / MARKER).mkdir(parents=True)
        self.source = folder / "Sintel.mkv"
        make_film(self.source, title="Sintel", duration_s=60, width=640, height=360)
        self.lane = acquisition.root_lane(str(self.root))
        with database.transaction() as connection:
            wanted = WantedMovie(title="Sintel", year=2010, profile="hd-1080p")
            self.movie_id = movies.claim_movie(connection, wanted, source="api", root=str(self.root))
            found = intend(connection, self.movie_id)
            assert found is not None
            self.download_id = found
            downloads.move(connection, found, DownloadState.QUEUED, expected=(DownloadState.GRABBING,))
            acquisition.completed(
                connection,
                self.movie_id,
                found,
                content_path=str(self.source),
                size_bytes=self.source.stat().st_size,
                root=str(self.root),
                node=job_rows.NODE,
                correlation_id="cid",
            )
            connection.execute("update jobs set node = null")  # any node sees the download
        self.claim = job_rows.claim(database, lane=self.lane)

    def start(self) -> None:
        rules = ImportRules(
            transfer="copy",
            recycle_bin=".understudy/recycle",
            folder_pattern="{Movie Title} ({Release Year})",
            file_pattern="{Movie Title} ({Release Year}) {Quality Full}",
            min_free_bytes=1,
            mappings={},
        )
        address = Address(self.lane)
        Importer.start(
            address,
            root=self.root,
            rules=rules,
            judge=Judge(profiles=BUILTIN_PROFILES, policy=DEFAULT_POLICY),
            helper=self.files,
            breaker=Breaker(self.lane),
            health=self.health,
            progress_writer=self.progress,
            database=self.database,
            queue=self.queue,
            metrics=Catalogue(CollectorRegistry()),
            policy=DEFAULT,
            node=job_rows.NODE,
        )
        assert isinstance(address.actor, Importer)
        self.actor = address.actor
        self.actor.ready.get(timeout=START_S)

    def work(self, claim: Claim) -> None:
        """Have the importer do it, to whatever end."""
        if self.actor is None:
            self.start()
        assert self.actor is not None
        self.actor.address.tell(Work(claim=claim), correlation_id=claim.correlation_id)
        assert next_message(self.queue, timeout_s=START_S) == WorkEnded(claim=claim)

    def take_over(self) -> Claim:
        """What happens when the lease runs out: the job is freed, and another node claims it."""
        with self.database.transaction() as connection:
            connection.execute("update jobs set lease_until = now() - interval '1 s' where state = 'running'")
            assert jobs.sweep(connection) == 1
            (claim,) = jobs.claim(connection, node="there", owner=uuid.uuid4(), slots={self.lane: 1}, lease_s=30.0)
        return claim

    def take_over_when(self, is_due: Callable[[str], bool]) -> list[Claim]:
        """Have the job taken after the first operation that `is_due`; the claim is appended then."""
        taken: list[Claim] = []

        def meanwhile(op: str) -> None:
            if not taken and is_due(op):
                taken.append(self.take_over())

        self.files.meanwhile = meanwhile
        return taken

    def job(self) -> dict[str, Any]:
        return job_rows.row(self.database, JobId(self.claim.job_id))

    def states(self) -> tuple[Any, ...]:
        """Of the journal (None: no row), of the download, of the movie, and whether it has a file."""
        with self.database.transaction() as connection:
            journal = imports.one(connection, self.download_id)
            download, movie = downloads.one(connection, self.download_id), movies.one(connection, self.movie_id)
            file = imports.file_of(connection, self.movie_id)
        assert download is not None
        assert movie is not None
        return journal and journal["state"], download["state"], movie["state"], file and file["path"]

    def names(self) -> list[str]:
        """The names in the movie's folder, a temporary one as "partial"."""
        found = [path.name for path in (self.root / FOLDER).glob("*")]
        return sorted("partial" if name.endswith(".partial") else name for name in found)

    def give_old_file(self, name: str = OLD_FILM) -> Path:
        """The movie has a worse film already."""
        path = self.root / name
        path.parent.mkdir()
        path.write_bytes(b"an old film")
        with self.database.transaction() as connection:
            connection.execute(
                """insert into movie_files (movie_id, path, size_bytes, device, inode, mtime_ns, quality, revision,
                                            release_title, method)
                   values (%s, %s, 11, 1, 1, 1, 'WEBDL-1080p', '{"version": 1, "real": 0}', 'old', 'copy')""",
                (self.movie_id, str(path)),
            )
        return path

    def close(self) -> None:
        if self.actor is not None:
            self.actor.actor_ref.stop(block=False)
            assert self.actor.gone.wait(START_S)
        self.progress.close()
        assert self.files.close(timeout_s=START_S)


@pytest.fixture
def bench(database: Database, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


MOMENTS: dict[str, tuple[Callable[[Bench, str], bool], tuple[Any, ...], list[str]]] = {
    "planning": (lambda bench, op: op == "head", (None, "completed", "importing", None), []),
    "planned": (lambda bench, op: op == "stage", ("planned", "importing", "importing", None), []),
    "staged": (
        lambda bench, op: bench.states()[0] == "staged",
        ("staged", "importing", "importing", None),
        ["partial"],
    ),
    "placed": (lambda bench, op: op == "place", ("staged", "importing", "importing", None), [Path(FILM).name]),
}
"""When the job is taken, by the operation of the helper that was just done; what stands and lies there afterwards."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_zombie_writes_no_state_and_gives_no_name(moment: str, bench: Bench) -> None:
    is_due, states, names = MOMENTS[moment]
    taken = bench.take_over_when(lambda op: is_due(bench, op))
    bench.work(bench.claim)
    (theirs,) = taken
    assert (bench.states(), bench.names()) == (states, names)
    assert (bench.job()["owner"], bench.job()["worker_node"]) == (theirs.owner, "there")
    bench.work(theirs)
    assert bench.states() == ("done", "imported", "imported", str(bench.root / FILM))
    assert bench.names() == [Path(FILM).name]


def test_a_zombie_leaves_the_old_film_where_it_is(bench: Bench) -> None:
    old = bench.give_old_file()
    taken = bench.take_over_when(lambda op: op == "place")
    bench.work(bench.claim)
    assert taken
    assert old.read_bytes() == b"an old film"
    assert bench.states() == ("staged", "importing", "importing", str(old))


def test_a_zombie_replaces_no_film(bench: Bench) -> None:
    old = bench.give_old_file(FILM)
    taken = bench.take_over_when(lambda op: bench.states()[0] == "staged")
    bench.work(bench.claim)
    assert taken
    assert old.read_bytes() == b"an old film"
    assert bench.states() == ("staged", "importing", "importing", str(old))


def test_work_that_comes_after_the_job_was_taken_leaves_its_new_owners_copy_alone(bench: Bench) -> None:
    bench.take_over()
    theirs = bench.root / FOLDER / ".understudy-theirs.partial"
    theirs.parent.mkdir()
    theirs.write_bytes(b"half a film")
    with bench.database.transaction() as connection:
        imports.plan(
            connection,
            download_id=bench.download_id,
            movie_id=bench.movie_id,
            source_path=str(bench.source),
            temp_path=str(theirs),
            target_path=str(bench.root / FILM),
            old_path=None,
            recycle_path="",
        )
    bench.work(bench.claim)
    assert theirs.read_bytes() == b"half a film"
    assert bench.states() == ("planned", "completed", "importing", None)


def test_a_film_that_lies_there_already_is_adopted(bench: Bench) -> None:
    """F31: the database is older than the library, which has a copy."""
    film = bench.root / FILM
    film.parent.mkdir()
    film.write_bytes(bench.source.read_bytes())
    before = film.stat()
    bench.work(bench.claim)
    assert bench.states() == ("done", "imported", "imported", str(film))
    assert bench.names() == [film.name]
    assert (film.stat().st_ino, film.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_film_under_its_name_is_not_touched(bench: Bench) -> None:
    film = bench.root / FILM
    film.parent.mkdir()
    other = bytearray(bench.source.read_bytes())
    other[-1] ^= 1
    film.write_bytes(other)
    bench.work(bench.claim)
    assert (bench.job()["state"], bench.job()["reason"]) == ("dead", "import: file exists")
    assert film.read_bytes() == other
    assert bench.names() == [film.name]
