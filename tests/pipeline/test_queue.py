"""The queue of a real daemon: orphans run again at once, bad rows are dead letters, people decide over HTTP and CLI."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.pipeline.command_line import understudy
from tests.pipeline.conftest import World
from tests.pipeline.daemon import INDEXER, WANTED, DaemonRun, daemon
from tests.until import until


def insert(run: DaemonRun, **job: Any) -> int:
    facts = {"payload": "{}", "correlation_id": "by-hand", **job}
    columns, places = ", ".join(facts), ", ".join(["%s"] * len(facts))
    (row,) = run.rows(f"insert into jobs ({columns}) values ({places}) returning id", *facts.values())
    return int(row["id"])


def job(run: DaemonRun, job_id: int) -> dict[str, Any]:
    (row,) = run.rows("select * from jobs where id = %s", job_id)
    return row


def is_dead(run: DaemonRun, job_id: int) -> bool:
    return bool(job(run, job_id)["state"] == "dead")


def gauge(run: DaemonRun, kind: str, reason: str) -> float | None:
    wanted = f'understudy_dead_letters{{kind="{kind}",reason="{reason}"}} '
    return next((float(line.removeprefix(wanted)) for line in run.metrics() if line.startswith(wanted)), None)


@contextmanager
def silent_indexers(count: int) -> Iterator[list[str]]:
    """Configurations of indexers that take a connection and never answer."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        yield [
            INDEXER.format(name=f"silent-{number}", url=f"http://127.0.0.1:{server.getsockname()[1]}/api")
            for number, server in enumerate(servers)
        ]
    finally:
        for server in servers:
            server.close()


def test_after_a_kill_all_orphaned_jobs_run_again_within_5_s_of_the_start(
    tmp_path: Path, dsn: str, builtin_client: str
) -> None:
    with (
        silent_indexers(8) as silent,
        daemon(tmp_path / "run", *silent, builtin_client, WANTED, dsn=dsn) as run,
    ):
        until(lambda: len(run.rows("select from jobs where state = 'running'")) == 8)
        orphans = {row["id"]: row["owner"] for row in run.rows("select id, owner from jobs where state = 'running'")}
        run.kill()
        run.launch()
        again = "select started_at from jobs where id = any(%s) and state = 'running' and lost = 1 and owner <> all(%s)"
        found: list[dict[str, Any]] = []

        def are_all_back() -> bool:
            found[:] = run.rows(again, list(orphans), list(orphans.values()))
            return len(found) == len(orphans)

        until(are_all_back, what="every orphan to be in work again")
        (begun,) = run.rows("select max(happened_at) as at from events where kind = 'daemon.started'")
        assert max((row["started_at"] - begun["at"]).total_seconds() for row in found) < 5


OF_ANOTHER_VERSION = [
    ("transcode", "{}", "unknown kind"),
    ("fetch", '{"movie": 1}', "bad payload"),
    ("fetch", '{"movie_id": "1", "release_id": 1, "attempt": 1}', "bad payload"),
]


def test_jobs_of_another_version_are_dead_letters_and_the_queue_goes_on(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        reasons = {
            insert(run, kind=kind, lane="indexer:open-movies", payload=payload, priority=9): reason
            for kind, payload, reason in OF_ANOTHER_VERSION
        }
        for job_id, reason in reasons.items():
            until(partial(is_dead, run, job_id))
            letter = run.get(f"/api/queue/{job_id}")
            assert (letter["reason"], letter["correlation_id"], len(letter["errors"])) == (reason, "by-hand", 1)
        run.await_state("imported")
        until(lambda: gauge(run, "other", "unknown kind") == 1 and gauge(run, "fetch", "bad payload") == 2)
        assert run.log_lines("an actor was restarted") == []
        states = {job(run, job_id)["state"] for job_id in reasons}
        assert states == {"dead"}, "nothing leaves the dead letters by itself"


def test_dead_letters_are_retried_discarded_and_replayed_by_command(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    with daemon(tmp_path / "run", world.indexer, builtin_client, dsn=dsn) as run:

        def letter(reason: str) -> int:
            return insert(
                run, kind="fetch", lane="indexer:open-movies", state="dead", reason=reason, ended_at="2020-01-01"
            )

        one, two, other, bad = (letter(reason) for reason in ("gone", "gone", "parse error", "bad payload"))
        assert gauge(run, "fetch", "hash mismatch") == 0
        until(lambda: gauge(run, "fetch", "gone") == 2)
        assert "parse error" not in understudy("jobs", "dead", "--reason", "gone", config=run.config)
        assert "1 discarded" in understudy("jobs", "discard", "--reason", "parse error", config=run.config)
        assert f"job {one}: discarded" in understudy("jobs", "discard", str(one), config=run.config)
        assert "1 retried, 0 waiting already" in understudy(
            "jobs", "retry", "--kind", "fetch", "--reason", "gone", config=run.config
        )
        until(lambda: job(run, two)["reason"] == "bad payload", what="the retried one to be refused again")
        assert [job(run, job_id)["state"] for job_id in (one, other)] == ["done", "done"]
        new = json.dumps({"movie_id": 1, "release_id": 77, "attempt": 1})
        assert "lacks release_id" in understudy(
            "jobs", "replay", str(bad), '{"movie_id": 1}', config=run.config, code=1
        )
        assert f"job {bad}: replayed" in understudy("jobs", "replay", str(bad), new, config=run.config)
        until(lambda: job(run, bad)["reason"] == "gone", what="the replayed one to find no release 77")
        assert "name one job" in understudy("jobs", "retry", config=run.config, code=2)
        both = understudy("jobs", "discard", str(bad), "--reason", "gone", config=run.config, code=2)
        assert "name one job" in both


def test_of_many_who_retry_a_dead_letter_at_once_one_revives_it_f19(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    with daemon(tmp_path / "run", world.indexer, builtin_client, dsn=dsn) as run:
        job_id = insert(run, kind="fetch", lane="indexer:open-movies", payload='{"movie_id": 1}')
        until(lambda: job(run, job_id)["state"] == "dead")
        run.rows("update jobs set lane = 'indexer:nobody' where id = %s returning id", job_id)
        barrier = threading.Barrier(6)

        def retry() -> int:
            barrier.wait(10)
            return run.post(f"/api/queue/{job_id}/retry")[0]

        with ThreadPoolExecutor(6) as people:
            asked = [people.submit(retry) for _ in range(6)]
        assert sorted(future.result() for future in asked) == [200] + [409] * 5
        assert (job(run, job_id)["state"], job(run, job_id)["attempt"]) == ("ready", 0)


def test_what_waits_for_an_indexer_goes_on_as_soon_as_its_breaker_closes(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    world.offer(world.release())
    slow = '\n[breaker]\nwait = "1h"\nmax_wait = "1h"\nwindow = 2\nminimum_calls = 2\n'
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn, starts=False) as run:
        text = run.config.read_text()
        a, b = text.index("[breaker]"), text.index("[[roots]]")
        run.config.write_text(text[:a] + slow + text[b:])
        world.feed.stop()
        run.start()

        def breaker() -> object:
            return {row["dependency"]: row["state"] for row in run.get("/api/breakers")["breakers"]}[
                "indexer:open-movies"
            ]

        until(lambda: breaker() == "open", timeout_s=20)
        run.rows(
            """update jobs set run_at = now() + interval '1 h', waiting_for = lane
               where kind in ('search', 'rss') and state = 'ready' returning id"""
        )
        world.feed.start()
        assert run.rows("select from jobs where state = 'ready' and kind = 'search' and attempt > 0") == []
        assert run.post("/api/breakers/close/indexer:open-movies")[0] == 200
        run.await_state("imported")
