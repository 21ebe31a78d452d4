"""Actors of a running daemon that crash, hang or crash again and again, and breakers: everything else goes on."""

import itertools
import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

from storage.acquisition import root_lane
from storage.embedded import free_port
from tests.pipeline.conftest import World
from tests.pipeline.daemon import QBITTORRENT, WANTED, DaemonRun, daemon
from tests.qbittorrent_server import PASSWORD, USERNAME, qbittorrent_server
from tests.until import until

INDEXER = "indexer:open-movies"
WAYS = ("exception", "system_exit", "keyboard_interrupt")
HANG_LIMIT = 'hang_limit = "6s"'
HANG_S = 6.0 + 10.0
"""That limit, and the time to notice."""


def walk(children: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tree's children and all below them, by name."""
    return {one["name"]: one for child in children for one in (child, *walk(child["children"]).values())}


def tree(run: DaemonRun) -> dict[str, dict[str, Any]]:
    return walk(run.get("/api/supervision").get("tree", []))


def crash(run: DaemonRun, actor: str, how: str) -> None:
    assert run.post(f"/api/debug/crash/{actor}?how={how}") == (200, {"crash": actor})


def incarnations(run: DaemonRun) -> dict[str, int]:
    return {name: child["incarnation"] for name, child in tree(run).items()}


def test_every_actor_may_crash_and_no_other_notices(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    """F12 and F14, on all actors; the one that answers comes last."""
    world.offer(world.release(seconds=180))
    world.limit_rate(500_000)
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=20)
        actors = [name for name, child in tree(run).items() if child["kind"] == "actor" and name != "api"]
        assert set(actors) > {"queue", "selector", INDEXER, "client:builtin", "health_monitor"}
        for actor, how in zip(actors, itertools.cycle(WAYS), strict=False):  # all ways each would park their groups
            before = incarnations(run)
            crash(run, actor, how)
            until(partial(is_later, run, actor, before[actor]), what=f"{actor} to be restarted after {how}")
            assert incarnations(run) == before | {actor: before[actor] + 1}
        crash(run, "api", "exception")
        until(
            lambda: run.status("/api/supervision") == 200 and is_later(run, "api", 1),
            what="the HTTP process to be back",
        )
        run.await_state("imported")
        assert len(run.films()) == 1
        lost = 'understudy_actor_dead_letters_total{reason="crashed"} ' + f"{float(len(actors) + 1)}"
        assert lost in run.metrics()


def is_later(run: DaemonRun, actor: str, incarnation: int) -> bool:
    child = tree(run)[actor]
    return bool(child["state"] == "running" and child["incarnation"] > incarnation)


def test_a_group_that_crashes_again_and_again_is_parked_until_it_is_told_to_start(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    """F16: the rest goes on, health and metrics say which; by hand it is tried at once."""
    with daemon(tmp_path / "run", world.indexer, builtin_client, dsn=dsn) as run:
        until(lambda: tree(run))

        def is_parked() -> bool:
            if tree(run)["indexers"]["state"] == "running":
                crash(run, INDEXER, "exception")
            return bool(tree(run)["indexers"]["state"] == "parked")

        until(is_parked, timeout_s=30)
        until(lambda: "understudy_actor_groups_parked 1.0" in run.metrics())
        items = {item["source"]: item for item in run.get("/api/health")["health"]}
        assert items["group:indexers"]["severity"] == "error"
        assert "indexers crashed too often" in items["group:indexers"]["text"]
        assert (run.status("/healthz"), run.status("/readyz")) == (200, 200)
        others = {name: child["state"] for name, child in tree(run).items() if name != "indexers"}
        assert set(others.values()) == {"running"}
        assert run.post("/api/supervision/restart/indexers") == (200, {"restart": "indexers"})
        until(lambda: tree(run)["indexers"]["state"] == "running")
        until(lambda: "understudy_actor_groups_parked 0.0" in run.metrics())
        assert "group:indexers" not in {item["source"] for item in run.get("/api/health")["health"]}


def test_actors_that_hang_are_replaced_and_counted_and_a_movie_is_imported_meanwhile(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    """F15, on the two actors whose job another actor cannot do, after their part of this movie and before the next."""
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn, daemon_keys=HANG_LIMIT) as run:
        crash(run, "health_monitor", "hang")
        run.await_state("imported")
        crash(run, "selector", "hang")
        until(lambda: tree(run)["selector"]["message"] == "Crash")
        (folder,) = {str(Path(run.movie()["path"]).parents[1])}
        assert (run.status("/healthz"), run.status("/readyz")) == (200, 200)
        os.kill(run.pid, signal.SIGUSR1)
        until(lambda: run.log_lines("what all threads do"))
        (line,) = run.log_lines("what all threads do")
        assert "selector, at Crash for" in json.loads(line)["stack"]
        assert f"{root_lane(folder)}, waiting" in run.get("/api/supervision/stacks")["stacks"]
        for actor in ("health_monitor", "selector"):
            until(partial(is_later, run, actor, 1), timeout_s=HANG_S, what=f"{actor} to be replaced")
        assert "understudy_actor_zombies 2.0" in run.metrics()
        assert 'understudy_actor_dead_letters_total{reason="hung"} 2.0' in run.metrics()
        (report,) = [json.loads(line) for line in run.log_lines('"Hung: selector')]
        assert "threading.py" in report["stack"]
        assert (run.status("/healthz"), run.exit_code) == (200, None)
        assert run.stop(timeout_s=15) == 0, "a stop does not wait for threads that hang"


def test_a_breaker_opened_by_hand_stays_so_over_a_kill_until_it_is_closed(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, builtin_client, dsn=dsn) as run:
        code, answer = run.post(f"/api/breakers/open/{INDEXER}")
        assert (code, answer["breaker"]["state"]) == (200, "forced_open")
        until(lambda: run.rows("select from breakers where state = 'forced_open'"))
        run.kill()
        run.config.write_text(run.config.read_text() + WANTED)
        run.start()
        until(lambda: tree(run)[INDEXER]["breaker"]["state"] == "forced_open")
        until(lambda: run.rows("select from jobs where kind = 'search' and state = 'ready'"))
        assert f'understudy_breaker_state{{dependency="{INDEXER}"}} 3.0' in run.metrics()
        assert any(item["source"] == f"breaker:{INDEXER}" for item in run.get("/api/health")["health"])
        (search,) = run.rows("select attempt, state from jobs where kind = 'search'")
        assert search == {"attempt": 0, "state": "ready"}, "waiting for a breaker spends no attempt"
        assert run.post(f"/api/breakers/close/{INDEXER}")[0] == 200
        run.await_state("imported")
        assert run.post("/api/breakers/open/indexer:unknown")[0] == 404
        assert run.post(f"/api/breakers/smash/{INDEXER}")[0] == 404


def test_a_download_client_goes_away_and_comes_back_with_its_torrent(tmp_path: Path, dsn: str, world: World) -> None:
    """Its breaker opens, the rest goes on, no attempt is spent; then its torrent is found again, not added twice."""
    world.offer(world.release(seconds=180))
    world.limit_rate(300_000)
    profile, lane, port = tmp_path / "qbittorrent", "client:qbit", free_port()
    profile.mkdir()
    client = QBITTORRENT.format(url=f"http://127.0.0.1:{port}", username=USERNAME, password=PASSWORD)

    def breaker() -> object:
        return tree(run)[lane]["breaker"]["state"]

    with daemon(tmp_path / "run", world.indexer, client, WANTED, dsn=dsn) as run:
        with qbittorrent_server(profile, web_port=port) as server:
            world.seeder.keep_dialing(server.listen_port)
            until(lambda: run.rows("select from progress where done_bytes > 0"), timeout_s=60)
        until(lambda: breaker() == "open", timeout_s=20, what="the breaker to open")
        until(lambda: f"breaker:{lane}" in {item["source"] for item in run.get("/api/health")["health"]})
        assert (run.status("/healthz"), run.status("/readyz")) == (200, 200)
        assert {child["state"] for child in tree(run).values()} == {"running"}
        world.limit_rate(0)
        with qbittorrent_server(profile, web_port=port) as server:
            world.seeder.keep_dialing(server.listen_port)
            run.await_state("imported", timeout_s=60)
            assert breaker() == "closed"
        assert [row["attempt"] for row in run.rows("select attempt from downloads")] == [1]


def test_one_correlation_id_follows_a_movie_through_the_log_from_search_to_import(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        run.await_state("imported")
        (row,) = run.rows("select distinct correlation_id from jobs where kind <> 'rss'")
        lines = [json.loads(line) for line in run.log.read_text().splitlines() if line.startswith("{")]
        spoke = {line["actor"] for line in lines if line.get("correlation_id") == row["correlation_id"]}
        assert spoke >= {INDEXER, "selector", "client:builtin", root_lane(str(run.library))}


def test_the_http_process_asks_with_a_deadline_when_the_daemon_is_stopped(
    tmp_path: Path, dsn: str, world: World
) -> None:
    with daemon(tmp_path / "run", world.indexer, dsn=dsn) as run:
        os.kill(run.pid, signal.SIGSTOP)
        try:
            until(lambda: run.status("/api/supervision") == 503)  # it stops a moment after the signal
            assert (run.status("/healthz"), run.status("/readyz")) == (503, 200)
            assert "understudy_up 0" in run.metrics()
        finally:
            os.kill(run.pid, signal.SIGCONT)
        until(lambda: run.status("/api/supervision") == 200)
