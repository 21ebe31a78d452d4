"""Several daemons on one database: they share work and standing duties, and one takes over what another left behind."""

import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients.qbittorrent import QBittorrent
from tests.pipeline.conftest import World, builtin
from tests.pipeline.daemon import QBITTORRENT, WANTED, DaemonRun, daemon
from tests.qbittorrent_server import PASSWORD, USERNAME, QBittorrentServer, qbittorrent_server
from tests.until import until

COPY = """
[import]
transfer = "copy"
"""
LEASE = """
[queue]
lease = "12s"
"""
TAKEN_WITHIN_S = 6.0 + 10.0
"""A duty's lease, half of a job's, and what a busy machine adds."""
STEEL = "Tears.of.Steel.2012.1080p.BluRay.x264-OTHER"


@pytest.fixture
def qbit(world: World, tmp_path: Path) -> Iterator[QBittorrentServer]:
    profile = tmp_path / "qbittorrent"
    profile.mkdir()
    with qbittorrent_server(profile) as server:
        world.seeder.keep_dialing(server.listen_port)
        yield server


def shared(server: QBittorrentServer, *, seen_at: Path | None = None) -> str:
    """Its configuration for a node that has the client's downloads at `seen_at`, or else where the client has them."""
    text = QBITTORRENT.format(url=server.url, username=USERNAME, password=PASSWORD)
    mapping = f'path_mappings = [{{ remote = "{server.downloads}", local = "{seen_at}" }}]\n'
    return text + mapping if seen_at else text


def torrents(server: QBittorrentServer) -> int:
    """How many torrents the client has."""
    client = QBittorrent(name="qbit", url=server.url, username=USERNAME, password=PASSWORD, category="understudy")
    return len(client.downloads())


@contextmanager
def node(name: str, folder: Path, *parts: str, dsn: str, library: Path | None = None) -> Iterator[DaemonRun]:
    """A running daemon of this name; its root is `library`, or else its own."""
    with daemon(folder / name, LEASE, *parts, dsn=dsn, node=name, starts=False) as run:
        if library is not None:
            library.mkdir(exist_ok=True)
            run.config.write_text(run.config.read_text().replace('path = "library"', f'path = "{library}"'))
            run.library = library
        run.start()
        yield run


def holders(run: DaemonRun) -> dict[str, str]:
    """The node of each duty that is held, by the duty's first word."""
    rows = run.rows("select name, node from duties where until > clock_timestamp()")
    return {row["name"].partition("@")[0]: row["node"] for row in rows}


def await_holder(run: DaemonRun, duty: str, name: str, *, timeout_s: float = TAKEN_WITHIN_S) -> None:
    until(lambda: holders(run).get(duty) == name, timeout_s=timeout_s, what=f"{duty} to be {name}'s")


def await_download(run: DaemonRun) -> None:
    until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=30, what="bytes to come")


def assert_got_once(run: DaemonRun, server: QBittorrentServer) -> None:
    """One torrent, one download, one import, one film."""
    run.await_state("imported", timeout_s=60.0)
    assert torrents(server) == 1
    assert [row["state"] for row in run.rows("select state from downloads")] == ["imported"]
    assert len(run.rows("select from jobs where kind = 'import'")) == 1
    assert len(run.rows("select from events where kind = 'movie.imported'")) == 1
    assert run.films() == [Path(run.movie()["path"])]


def test_another_node_finishes_what_a_killed_one_began_with_a_shared_client(
    tmp_path: Path, dsn: str, world: World, qbit: QBittorrentServer
) -> None:
    world.offer(world.release(seconds=300))
    world.limit_rate(300_000)
    library = tmp_path / "films"
    with node("stage", tmp_path, world.indexer, shared(qbit), WANTED, dsn=dsn, library=library) as stage:
        await_download(stage)
        mounted = tmp_path / "mounted"
        mounted.symlink_to(qbit.downloads)
        mapped = shared(qbit, seen_at=mounted)
        with node("wings", tmp_path, world.indexer, mapped, dsn=dsn, library=library) as wings:
            await_holder(wings, "client:qbit", "stage")
            stage.kill()
            world.limit_rate(0)
            await_holder(wings, "client:qbit", "wings")
            assert_got_once(wings, qbit)
            assert wings.rows("select from imports where starts_with(source_path, %s)", f"{mounted}/")
            stage.start()
            until(lambda: holders(wings) == {"client:qbit": "wings", "rss:open-movies": "wings"})
            assert_got_once(wings, qbit)


def test_a_node_that_slept_longer_than_its_lease_does_nothing_twice(
    tmp_path: Path, dsn: str, world: World, qbit: QBittorrentServer
) -> None:
    world.offer(world.release(seconds=300))
    world.limit_rate(300_000)
    library = tmp_path / "films"
    with node("stage", tmp_path, world.indexer, shared(qbit), WANTED, dsn=dsn, library=library) as stage:
        await_download(stage)
        with node("wings", tmp_path, world.indexer, shared(qbit), dsn=dsn, library=library) as wings:
            os.kill(stage.pid, signal.SIGSTOP)
            try:
                await_holder(wings, "client:qbit", "wings")
                world.limit_rate(0)
                wings.await_state("imported", timeout_s=60.0)
            finally:
                os.kill(stage.pid, signal.SIGCONT)
            until(lambda: stage.log_lines("a duty was lost to another") + stage.log_lines("another node follows"))
            until(stage.is_active)
            await_holder(wings, "client:qbit", "wings")
            assert_got_once(wings, qbit)
            assert stage.stop() == 0


def test_an_import_whose_node_slept_longer_than_its_lease_is_done_by_another_and_once(
    tmp_path: Path, dsn: str, world: World, qbit: QBittorrentServer
) -> None:
    seed = world.release(seconds=14400)  # 240 MB: copying takes a moment
    world.offer(seed)
    library = tmp_path / "films"
    with (
        node("stage", tmp_path, world.indexer, shared(qbit), WANTED, COPY, dsn=dsn, library=library) as stage,
        node("wings", tmp_path, world.indexer, shared(qbit), COPY, dsn=dsn, library=library) as wings,
    ):
        until(lambda: list(library.rglob("*.partial")) or stage.films(), timeout_s=90, what="a partial file")
        (row,) = stage.rows("select worker_node from jobs where kind = 'import'")
        sleeper, other = (wings, stage) if row["worker_node"] == "wings" else (stage, wings)
        os.kill(sleeper.pid, signal.SIGSTOP)
        try:
            other.await_state("imported", timeout_s=90.0)
        finally:
            os.kill(sleeper.pid, signal.SIGCONT)
        if row["worker_node"] is not None:  # it was at the import, and perhaps about to end it
            until(lambda: sleeper.log_lines("a job was taken away") + sleeper.log_lines("a film was imported"))
        assert_got_once(other, qbit)
        assert Path(other.movie()["path"]).read_bytes() == seed.path.read_bytes()
        assert stage.stop() == wings.stop() == 0
        assert other.films() == [Path(other.movie()["path"])]


def test_a_node_that_stops_leaves_its_duties_to_another_within_a_second(
    tmp_path: Path, dsn: str, world: World, qbit: QBittorrentServer
) -> None:
    with (
        node("stage", tmp_path, world.indexer, shared(qbit), dsn=dsn) as stage,
        node("wings", tmp_path, world.indexer, shared(qbit), dsn=dsn) as wings,
    ):
        until(lambda: holders(wings) == {"client:qbit": "stage", "rss:open-movies": "stage"})
        shown = wings.get("/api/duties")
        assert {(duty["node"], duty["is_held"]) for duty in shown["duties"]} == {("stage", True)}
        assert [one["name"] for one in shown["nodes"]] == ["stage", "wings"]
        assert stage.stop() == 0
        until(lambda: holders(wings) == {"client:qbit": "wings", "rss:open-movies": "wings"}, timeout_s=1.0)


def test_a_feed_is_read_by_one_node_at_a_time_and_by_another_when_that_cannot_reach_it_or_dies(
    tmp_path: Path, dsn: str, world: World
) -> None:
    def read(run: DaemonRun) -> int:
        return len(run.rows("select from jobs where kind = 'rss' and state = 'done'"))

    with (
        node("stage", tmp_path, world.indexer, dsn=dsn) as stage,
        node("wings", tmp_path, world.indexer, dsn=dsn) as wings,
    ):
        until(lambda: read(wings) >= 5, timeout_s=30)
        rows = wings.rows("select started_at, ended_at from jobs where kind = 'rss' and state = 'done' order by id")
        pauses_s = [(two["started_at"] - one["ended_at"]).total_seconds() for one, two in itertools.pairwise(rows)]
        assert all(pause_s > 0.9 for pause_s in pauses_s), "the interval is one second, however many nodes there are"
        assert wings.log_lines("a feed was read") == []
        assert stage.post("/api/breakers/open/indexer:open-movies")[0] == 200
        until(lambda: wings.log_lines("a feed was read"), what="the node that reaches it to read it")
        await_holder(wings, "rss:open-movies", "wings")
        assert stage.post("/api/breakers/close/indexer:open-movies")[0] == 200
        wings.kill()
        before = read(stage)
        await_holder(stage, "rss:open-movies", "stage")
        until(lambda: read(stage) > before, timeout_s=TAKEN_WITHIN_S)


def test_a_look_at_a_feed_that_was_planned_by_a_node_that_is_gone_is_taken_by_another(
    tmp_path: Path, dsn: str, world: World
) -> None:
    with daemon(tmp_path / "wings", world.indexer, dsn=dsn, node="wings", starts=False) as wings:
        (planned,) = wings.rows(
            """insert into jobs (kind, lane, node, unique_key, correlation_id)
               values ('rss', 'indexer:open-movies', 'stage', 'rss:open-movies', 'rss-1') returning id"""
        )
        wings.launch()
        until(lambda: wings.rows("select from jobs where id = %s and state = 'done'", planned["id"]), timeout_s=20)
        assert wings.log_lines("a feed was read")


def test_each_node_gets_the_movies_of_its_own_root_with_its_own_client(tmp_path: Path, dsn: str, world: World) -> None:
    world.offer(world.release())
    world.offer(world.release(STEEL))
    steel = '\n[wanted.hd]\ntitles = ["Tears of Steel (2012)"]\n'
    with (
        builtin(world, tmp_path) as one,
        builtin(world, tmp_path) as two,
        node("usher", tmp_path, world.indexer, dsn=dsn),
        node("stage", tmp_path, world.indexer, one, WANTED, dsn=dsn) as stage,
        node("wings", tmp_path, world.indexer, two, steel, dsn=dsn) as wings,
    ):
        until(lambda: len(stage.rows("select from movies where state = 'imported'")) == 2, timeout_s=60)
        assert [film.name for film in stage.films()] == ["Sintel (2010) Bluray-1080p.mkv"]
        assert [film.name for film in wings.films()] == ["Tears of Steel (2012) Bluray-1080p.mkv"]
        clients = stage.rows("select name, node from duties where starts_with(name, 'client:')")
        assert {row["name"]: row["node"] for row in clients} == {
            f"client:builtin@{name}": name for name in ("usher", "stage", "wings")
        }
