"""What goes wrong on the way: failed downloads, refused releases, an indexer or a database that goes away."""

import http.server
import threading
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from storage.embedded import EmbeddedPostgres
from tests.pipeline.conftest import GOOD, WORSE, Undialed, World
from tests.pipeline.daemon import INDEXER, WANTED, daemon
from tests.postgres import TEMPLATE
from tests.torrents import with_file_name
from tests.until import until

IMPATIENT = """
[stall]
no_progress = "2s"
"""


def test_a_failed_download_is_retried_three_times_then_dead_then_retried_by_hand(
    tmp_path: Path, dsn: str, world: World, undialed: Undialed
) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, undialed.config, IMPATIENT, WANTED, dsn=dsn) as run:
        run.await_state("failed", timeout_s=60)
        downloads = run.rows("select state, error, attempt from downloads order by id")
        assert [row["attempt"] for row in downloads] == [1, 2, 3, 4]
        assert {row["state"] for row in downloads} == {"failed"}
        assert "no progress for 2 s" in downloads[0]["error"]
        (letter,) = run.get("/api/queue?state=dead")["jobs"]
        assert (letter["kind"], letter["reason"], letter["attempt"]) == ("select", "download stalled", 4)
        world.seeder.keep_dialing(undialed.port)
        assert run.post(f"/api/queue/{letter['id']}/retry") == (200, {"job": letter["id"], "outcome": "retried"})
        run.await_state("imported")
        assert run.post(f"/api/queue/{letter['id']}/retry")[0] == 409
        assert run.get("/api/queue?state=dead")["jobs"] == []
        assert len(run.films()) == 1


def test_a_failed_download_is_followed_by_the_next_best_release(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    dead = world.release()
    world.seeder.forget(dead.path)  # offered, but nobody has it
    world.offer(dead)
    world.offer(world.release(WORSE))
    with daemon(tmp_path / "run", world.indexer, builtin_client, IMPATIENT, WANTED, dsn=dsn) as run:
        run.await_state("imported")
        rows = run.rows("select title, state, attempt from downloads order by id")
        assert [(row["title"], row["attempt"]) for row in rows] == [(GOOD, 1), (WORSE, 2)]


def test_the_indexer_goes_away_and_comes_back_while_the_download_goes_on(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release(seconds=180))
    world.limit_rate(700_000)

    def breaker() -> object:
        return {row["dependency"]: row["state"] for row in run.get("/api/breakers")["breakers"]}["indexer:open-movies"]

    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
        world.feed.stop()
        until(lambda: breaker() == "open", timeout_s=20, what="the breaker to open")
        (before,) = run.rows("select done_bytes from progress")
        until(lambda: run.rows("select from progress where done_bytes > %s", before["done_bytes"]))
        (job,) = run.rows("select state, attempt from jobs where kind = 'rss' and state in ('ready', 'running')")
        assert job["attempt"] <= 1  # an outage spends no attempt
        world.feed.start()
        until(lambda: breaker() == "closed", timeout_s=20, what="the breaker to close")
        world.limit_rate(0)
        run.await_state("imported")
        assert run.rows("select from jobs where state = 'dead'") == []


def test_a_hostile_torrent_is_refused_and_the_next_release_taken(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    hostile = world.release()
    world.offer(hostile, torrent=with_file_name(hostile.torrent, [b"..", b"..", b"evil.mkv"]))
    world.offer(world.release(WORSE))
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        run.await_state("imported")
        (blocked,) = run.rows("select title, reason from blocklist")
        assert blocked["title"] == GOOD
        assert ".." in blocked["reason"]
        assert [row["title"] for row in run.rows("select title from downloads")] == [WORSE]


def test_a_private_torrent_is_not_given_to_the_builtin_client(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release(is_private=True))
    world.offer(world.release(WORSE))
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        run.await_state("imported")
        (blocked,) = run.rows("select reason from blocklist")
        assert "private" in blocked["reason"]
        assert [row["title"] for row in run.rows("select title from downloads")] == [WORSE]


def test_a_dangerous_download_is_blocklisted_and_not_filed(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    fake = world.folder / "seed" / f"{GOOD}.mkv"
    fake.parent.mkdir(exist_ok=True)
    fake.write_bytes(b"MZ" + bytes(100_000))  # a program under a film's name
    world.offer(world.seeder.seed(fake))
    world.offer(world.release(WORSE))
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        run.await_state("imported")
        assert [film.name for film in run.films()] == ["Sintel (2010) Bluray-720p.mkv"]
        (blocked,) = run.rows("select title, reason from blocklist")
        assert blocked["title"] == GOOD
        until(lambda: not (run.folder / "downloads" / fake.name).exists(), what="the download to be deleted")


BAD_FEEDS = {
    "html": (b"<!DOCTYPE html><html><body>log in</body></html>", "text/html"),
    "not_xml": (b"no feed at all", "application/xml"),
    "truncated": (b'<?xml version="1.0"?><caps><server/>', "application/xml"),
    "dtd": (b'<!DOCTYPE caps [<!ENTITY x "y">]><caps>&x;</caps>', "application/xml"),
}


@pytest.mark.parametrize("reason", BAD_FEEDS)
def test_a_bad_feed_is_refused_and_counted_and_the_daemon_goes_on(
    reason: str, tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    body, content_type = BAD_FEEDS[reason]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    world.offer(world.release())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        bad = INDEXER.format(name="bad", url=f"http://127.0.0.1:{server.server_address[1]}/api")
        with daemon(tmp_path / "run", bad, world.indexer, builtin_client, WANTED, dsn=dsn) as run:
            run.await_state("imported")
            counted = f'understudy_indexer_answers_refused_total{{indexer="bad",reason="{reason}"}}'
            assert any(line.startswith(counted) and not line.endswith(" 0.0") for line in run.metrics())
            (search,) = run.rows("select reason, last_error from jobs where kind = 'search' and lane = 'indexer:bad'")
            assert search["reason"] == "parse error"
        server.shutdown()


def test_the_database_goes_away_and_comes_back_during_a_download(
    tmp_path: Path, own_postgres: EmbeddedPostgres, world: World, builtin_client: str
) -> None:
    world.offer(world.release(seconds=180))
    world.limit_rate(700_000)
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=own_dsn(own_postgres)) as run:
        until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
        own_postgres.stop()
        until(lambda: run.status("/readyz") == 503, what="not ready")
        assert run.status("/healthz") == 200
        assert run.status("/api/movies") == 503
        own_postgres.start()
        until(lambda: run.status("/readyz") == 200, what="ready again")
        run.await_state("imported")
        assert len(run.films()) == 1
        assert run.log_lines("an actor was restarted") == []  # an outage is no crash


def test_a_database_that_is_away_at_the_start_is_waited_for_and_said_once(
    tmp_path: Path, own_postgres: EmbeddedPostgres, world: World, builtin_client: str
) -> None:
    world.offer(world.release())
    own_postgres.stop()
    dsn = own_dsn(own_postgres)
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn, starts=False) as run:
        run.launch()
        until(lambda: run.status("/healthz") == 200, timeout_s=20, what="the daemon to live")
        until(lambda: run.log_lines('"dependency": "database", "state": "open"'), what="the log to say so")
        assert run.status("/readyz") == 503
        own_postgres.start()
        run.await_state("imported")
        assert len(run.log_lines('"dependency": "database", "state": "open"')) == 1


def own_dsn(server: EmbeddedPostgres) -> str:
    """The migrated database of a server that the test may stop."""
    return make_conninfo(server.dsn, dbname=TEMPLATE)


def test_a_torrent_that_another_movie_has_is_not_taken_for_this_one(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    seed = world.release()
    world.offer(seed)
    world.offer(world.release(WORSE))
    other = world.release("Tears.of.Steel.2012.720p.BluRay.x264-OWN")
    world.offer(other)
    world.offer(other, torrent=seed.torrent, title="Tears.of.Steel.2012.1080p.BluRay.x264-BORROWED")
    wanted = '\n[wanted.hd]\ntitles = ["Sintel (2010)", "Tears of Steel (2012)"]\n'
    with daemon(tmp_path / "run", world.indexer, builtin_client, wanted, dsn=dsn) as run:
        until(lambda: len(run.rows("select from movies where state = 'imported'")) == 2, timeout_s=30)
        assert len(run.rows("select distinct infohash from downloads")) == len(run.rows("select from downloads")) == 2
        assert len(run.films()) == 2
