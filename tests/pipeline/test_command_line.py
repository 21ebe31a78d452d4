"""The command line against a running daemon, and without one."""

import json
from pathlib import Path

from tests.pipeline.command_line import understudy
from tests.pipeline.conftest import World
from tests.pipeline.daemon import BUILTIN, WANTED, DaemonRun, daemon
from tests.until import until

NOBODY_SEEDS = """
[retry]
retries = 0
[stall]
no_progress = "1s"
"""


def test_a_running_daemon_is_shown(tmp_path: Path, dsn: str, world: World, builtin_client: str) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, builtin_client, WANTED, dsn=dsn) as run:
        path = run.await_state("imported")["path"]
        assert path in understudy("movies", config=run.config)
        assert "Sintel.2010.1080p.BluRay.x264-GOOD" in understudy("downloads", config=run.config)
        assert "fetch" in understudy("jobs", "list", "--state", "done", config=run.config)
        status = understudy("status", config=run.config)
        assert "queue active" in status
        assert "indexer:open-movies" in status
        assert "rss:open-movies" in status, "the standing duties"
        assert "rss:open-movies" in understudy("nodes", config=run.config)
        assert "there is no node x" in understudy("nodes", "forget", "x", config=run.config, code=1)
        assert "peers outside this machine cannot be reached" in status
        run.rows("update downloads set title = title || '[rartv][/b]:+1:' returning id")
        assert "GOOD[rartv][/b]:+1:" in understudy("downloads", config=run.config), "names are not markup"


def test_the_tree_and_the_breakers_are_shown_and_told_what_to_do(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    with daemon(tmp_path / "run", world.indexer, builtin_client, dsn=dsn) as run:

        def line(shown: str, name: str) -> list[str]:
            """The words of the row for `name`."""
            return next(row.split() for row in shown.splitlines() if row.split()[:1] == [name])

        name, lane = "indexer:open-movies", f"root:{run.library}"
        assert line(understudy("tree", config=run.config), name)[1] == "running"
        assert "is being restarted" in understudy("tree", "restart", name, config=run.config)
        until(lambda: line(understudy("tree", config=run.config), name)[1:4] == ["running", "1", "restarts"])
        assert "there is no actor nobody" in understudy("tree", "restart", "nobody", config=run.config, code=1)
        for action, state in (
            ("open", "forced_open"),
            ("disable", "disabled"),
            ("reset", "closed"),
            ("close", "closed"),
        ):
            assert f"{lane} is {state}" in understudy("breaker", action, lane, config=run.config)
            assert line(understudy("breaker", "list", config=run.config), lane)[1] == state
        assert "there is no breaker x" in understudy("breaker", "open", "x", config=run.config, code=1)
        assert "database-deadline" in understudy("stacks", config=run.config)


def test_dead_letters_are_listed_shown_and_retried(tmp_path: Path, dsn: str, world: World) -> None:
    world.offer(world.release())
    with daemon(tmp_path / "run", world.indexer, BUILTIN.format(port=0), WANTED, dsn=dsn, starts=False) as run:
        run.config.write_text(run.config.read_text().replace('[retry]\nbase = "100ms"\n', NOBODY_SEEDS))
        run.start()
        run.await_state("failed")
        assert "download stalled" in understudy("jobs", "dead", config=run.config)
        (letter,) = run.get("/api/queue?state=dead")["jobs"]
        shown = json.loads(understudy("jobs", "show", str(letter["id"]), config=run.config))
        assert [error["reason"] for error in shown["errors"]] == ["download stalled"]
        assert "retried" in understudy("jobs", "retry", str(letter["id"]), config=run.config)
        until(lambda: len(run.rows("select from downloads")) == 2, what="another grab")
        assert "not dead" in understudy("jobs", "retry", str(letter["id"]), config=run.config, code=1)
        assert "there is no job 999" in understudy("jobs", "show", "999", config=run.config, code=1)


def test_without_a_daemon_it_says_so(tmp_path: Path) -> None:
    run = DaemonRun(tmp_path, '[wanted.hd]\ntitles = ["Sintel (2010)"]\n', dsn="")
    assert "no daemon answers" in understudy("movies", config=run.config, code=5)
    assert "0 indexers, 1 wanted movies" in understudy("check", config=run.config)
    run.config.write_text("[nonsense]\n")
    assert ":1: unknown key nonsense" in understudy("check", config=run.config, code=2)
