"""A movie named in the configuration is searched, chosen, downloaded and imported, each step a row."""

import itertools
import os
from pathlib import Path

from tests.pipeline.conftest import GOOD, WORSE, World
from tests.pipeline.daemon import INDEXER, WANTED, daemon
from tests.until import until

BLOCK_BYTES = 16 * 1024
"""BitTorrent's unit of transfer: qBittorrent 4.5 takes part of one back when it counts the last piece anew."""


def test_completion_of_the_download_triggers_the_import(tmp_path: Path, dsn: str, world: World, client: str) -> None:
    seed = world.release()
    world.offer(seed)
    with daemon(tmp_path / "run", world.indexer, client, WANTED, dsn=dsn) as run:
        movie = run.await_state("imported")
        film = Path(movie["path"])
        assert film == run.library / "Sintel (2010)" / "Sintel (2010) Bluray-1080p.mkv"
        assert film.read_bytes() == seed.path.read_bytes()
        assert run.films() == [film]
        (download,) = run.rows("select * from downloads")
        assert os.stat(download["content_path"]).st_ino == film.stat().st_ino  # a hard link
        kinds = [
            row["kind"] for row in run.rows("select kind from jobs where state = 'done' and kind <> 'rss' order by id")
        ]
        assert list(dict.fromkeys(kinds)) == ["search", "select", "fetch", "add", "import"]
        assert (kinds.count("fetch"), kinds.count("add"), kinds.count("import")) == (1, 1, 1), "whatever the feed shows"
        assert run.rows("select from jobs where state in ('dead', 'running') and kind <> 'rss'") == []


def test_the_best_allowed_quality_is_taken(tmp_path: Path, dsn: str, world: World, builtin_client: str) -> None:
    best, worse = world.release(), world.release(WORSE)
    cam, other = world.release("Sintel.2010.HDCAM.x264-BAD"), world.release("Sintel.1998.1080p.BluRay.x264-OLD")
    for seed in (best, worse, cam, other):
        world.offer(seed, seeders=1 if seed is best else 500)
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        run.await_state("imported")
        (download,) = run.rows("select title from downloads")
        assert download["title"] == GOOD
        (movie,) = run.get("/api/movies")["movies"]
        log = {row["title"]: row for row in run.get(f"/api/movies/{movie['id']}/releases")["releases"]}
        reasons = {reason["reason"] for reason in log["Sintel.2010.HDCAM.x264-BAD"]["reasons"]}
        assert "quality_not_allowed" in reasons


def test_progress_is_in_the_database_and_on_the_event_stream(
    tmp_path: Path, dsn: str, world: World, client: str
) -> None:
    seed = world.release(seconds=180)
    world.offer(seed)
    world.limit_rate(1_000_000)
    with daemon(tmp_path / "run", world.indexer, client, WANTED, dsn=dsn) as run:
        (row,) = until(lambda: run.rows("select * from progress where done_bytes > 0"), timeout_s=20)
        assert row["operation"] == "download:1"
        assert row["total_bytes"] == seed.size_bytes
        seen = list(itertools.takewhile(lambda event: event["event"] != "movie.imported", run.events()))
        done = [event["data"]["done_bytes"] for event in seen if event["event"] == "progress"]
        assert len(done) > 1
        assert all(later > earlier - BLOCK_BYTES for earlier, later in itertools.pairwise(done))
        told = [event["event"] for event in seen if event["id"]]
        path = ["daemon.started", "movie.searching", "release.chosen", "download.grabbed", "download.started"]
        assert sorted(told[:2]) == path[:2]
        assert told[2:] == [*path[2:], "download.completed"]
        assert run.rows("select from progress") == []


def test_a_release_offered_by_two_indexers_is_imported_once(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    seed = world.release()
    world.offer(seed, guid="here")
    world.offer(seed, guid="there")
    second = INDEXER.format(name="second", url=world.feed.url)
    with daemon(tmp_path / "run", world.indexer, second, builtin_client, WANTED, dsn=dsn) as run:
        run.await_state("imported")
        until(lambda: len(run.rows("select from jobs where kind = 'rss' and state = 'done'")) >= 4)
        assert len(run.films()) == 1
        assert len(run.rows("select from downloads")) == 1
        assert len(run.rows("select from movie_files")) == 1


def test_a_better_release_replaces_the_file_and_a_worse_one_does_not(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    worse, best = world.release(WORSE), world.release()
    world.offer(worse)
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        old = Path(run.await_state("imported")["path"])
        assert old.name == "Sintel (2010) Bluray-720p.mkv"
        old_bytes = old.read_bytes()
        world.offer(best)
        until(lambda: run.movie()["path"] != str(old), timeout_s=20, what="the upgrade")
        new = Path(run.movie()["path"])
        assert new.name == "Sintel (2010) Bluray-1080p.mkv"
        recycled = run.library / ".understudy" / "recycle" / "2" / old.name
        assert run.films() == [recycled, new]
        assert recycled.read_bytes() == old_bytes
        another = world.release("Sintel.2010.720p.WEB-DL.H264-AGAIN")
        world.offer(another)
        until(lambda: run.rows("select from verdicts join releases on id = release_id where title like '%%AGAIN'"))
        seen = len(run.rows("select from jobs where kind = 'rss' and state = 'done'"))
        until(lambda: len(run.rows("select from jobs where kind = 'rss' and state = 'done'")) > seen + 1)
        assert len(run.rows("select from downloads")) == 2
        assert run.films() == [recycled, new]


def test_a_movie_known_by_an_id_alone_takes_its_name_from_the_release(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release(), imdb_id="tt1727587")
    world.offer(world.release("Tears.of.Steel.2012.1080p.BluRay.x264-OTHER"), imdb_id="tt2285752")
    wanted = '\n[wanted.hd]\nimdb = ["tt1727587"]\n'
    with daemon(tmp_path / "run", world.indexer, builtin_client, wanted, dsn=dsn) as run:
        movie = run.await_state("imported")
        assert Path(movie["path"]).name == "Sintel (2010) Bluray-1080p.mkv"
        assert ("movie", "tt1727587"[2:]) in {(query.get("t"), query.get("imdbid")) for _, query in world.feed.requests}


def test_a_movie_that_nobody_asks_for_any_more_keeps_its_file(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        film = Path(run.await_state("imported")["path"])
        (claim,) = run.rows("select source from claims")
        assert claim["source"].startswith("file:")
        assert claim["source"].endswith(":config.toml:wanted.hd")
        assert run.stop() == 0
        run.config.write_text(run.config.read_text().replace(WANTED, ""))
        run.start()
        movie = run.movie()
        assert (movie["is_monitored"], movie["state"]) == (False, "imported")
        assert run.rows("select from claims") == []
        assert film.exists()


def test_an_upgrade_under_the_same_name_never_leaves_the_movie_without_a_file(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    worse, best = world.release(WORSE), world.release()
    world.offer(worse)
    naming = '\n[naming]\nfile = "{Movie Title} ({Release Year})"\n'
    with daemon(tmp_path / "run", world.indexer, builtin_client, naming, WANTED, dsn=dsn) as run:
        film = Path(run.await_state("imported")["path"])
        sizes: set[int] = set()
        world.offer(best)

        def is_upgraded() -> bool:
            sizes.add(film.stat().st_size)
            return best.size_bytes in sizes

        until(is_upgraded, timeout_s=20)
        assert sizes <= {worse.size_bytes, best.size_bytes}
        until(lambda: run.rows("select from movie_files where quality = 'Bluray-1080p'"))
        recycled = run.library / ".understudy" / "recycle" / "2" / film.name
        assert run.films() == [recycled, film]
        assert recycled.stat().st_size == worse.size_bytes
