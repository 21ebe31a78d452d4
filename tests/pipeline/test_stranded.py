"""No movie is left behind: what changes, breaks or comes late on the way is noticed, and another way is tried."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pipeline.conftest import GOOD, WORSE, World
from tests.pipeline.daemon import BUILTIN, INDEXER, WANTED, daemon
from tests.until import until

IMPATIENT = """
[stall]
no_progress = "1s"
"""


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The address of a server that answers everything with `status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
        server.shutdown()


def test_a_search_that_comes_late_is_still_chosen_from(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release())
    world.feed.stop()
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        until(lambda: run.rows("select from jobs where kind = 'select' and state = 'done'"), timeout_s=30)
        run.rows("update jobs set state = 'done' where kind = 'rss' and state = 'ready' returning id")
        world.feed.start()
        run.await_state("imported")


@pytest.mark.parametrize("status", [403, 500])
def test_a_release_whose_link_fails_is_given_up_for_the_next(
    status: int, tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release(), download_status=status)
    world.offer(world.release(WORSE))
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        run.await_state("imported")
        (blocked,) = run.rows("select title, reason from blocklist")
        assert blocked["title"] == GOOD
        assert str(status) in blocked["reason"]


def test_movies_of_an_indexer_and_a_client_that_are_gone_are_got_another_way(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    seed = world.release()
    world.offer(seed)
    nobody = BUILTIN.format(port=0).replace('"builtin"\ntype', '"lonely"\ntype')
    gone = INDEXER.format(name="gone", url=world.feed.url)
    with daemon(tmp_path / "run", gone, nobody, WANTED, dsn=dsn) as run:
        until(lambda: run.rows("select from downloads where client = 'lonely' and state <> 'grabbing'"), timeout_s=20)
        assert run.stop() == 0
        text = run.config.read_text().replace(gone, world.indexer).replace(nobody, builtin_client)
        run.config.write_text(text)
        run.start()
        run.await_state("imported")
        assert run.rows("select client from downloads where state = 'imported'") == [{"client": "builtin"}]


def test_an_indexer_that_refuses_is_asked_at_its_times_and_shown(tmp_path: Path, dsn: str, builtin_client: str) -> None:
    with answering(401) as url:
        refusing = INDEXER.format(name="refusing", url=url).replace('"1s"', '"1h"')
        with daemon(tmp_path / "run", refusing, builtin_client, dsn=dsn) as run:
            until(lambda: run.rows("select from jobs where kind = 'rss' and state = 'done'"))
            assert run.rows("select indexer from feeds") == [{"indexer": "refusing"}]  # its time was noted, so it rests
            assert run.rows("select from jobs where state in ('ready', 'running', 'dead')") == []
            assert any("refusing cannot be used" in item["text"] for item in run.get("/api/health")["health"])


def test_a_root_whose_mount_is_away_gets_no_film(
    tmp_path: Path, small_disk: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release(WORSE))
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        run.await_state("imported")
        subprocess.run(["umount", "--lazy", small_disk], check=True)
        world.offer(world.release())
        until(lambda: run.rows("select from jobs where kind = 'import' and waiting_for is not null"), timeout_s=20)
        assert list(small_disk.iterdir()) == []
        assert any("is its disk mounted" in item["text"] for item in run.get("/api/health")["health"])


def test_min_free_is_kept(tmp_path: Path, dsn: str, world: World, builtin_client: str) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn, starts=False) as run:
        run.config.write_text(run.config.read_text().replace('"1KiB"', '"1000TB"'))
        run.start()
        until(lambda: run.rows("select from jobs where kind = 'import' and waiting_for is not null"), timeout_s=20)
        assert run.films() == []
