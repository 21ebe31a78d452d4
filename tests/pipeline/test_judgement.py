"""A whole acquisition by custom formats and a delay, and what can be asked about it afterwards."""

from pathlib import Path
from typing import Any

from tests.pipeline.command_line import understudy
from tests.pipeline.conftest import World
from tests.pipeline.daemon import DaemonRun, daemon
from tests.until import until

GOOD, PLAIN, BAD = (f"Sintel.2010.1080p.BluRay.{rest}" for rest in ("x264-GOOD", "x264-PLAIN", "x265-BAD"))
CHOOSY = """
[formats.good]
conditions = [{ type = "release_group", regex = "^GOOD$" }]
[formats.x265]
conditions = [{ type = "release_title", regex = "[xh]\\\\.?265" }]

[profiles.choosy]
qualities = ["Bluray-1080p"]
formats = { good = 10, x265 = -50 }

[[delays]]
preferred = "torrent"
torrent = "1h"
bypass_score = 10

[wanted.choosy]
titles = ["Sintel (2010)"]
"""


def verdict_of(run: DaemonRun, title: str) -> dict[str, Any] | None:
    rows = run.rows("select verdicts.* from verdicts join releases on id = release_id where title = %s", title)
    return rows[0] if rows else None


def test_the_release_that_is_worth_waiting_for_is_taken_and_the_choice_explained(
    tmp_path: Path, dsn: str, world: World, builtin_client: str
) -> None:
    for name in (PLAIN, BAD):
        world.offer(world.release(name))
    good = world.release(GOOD)
    with daemon(tmp_path / "run", world.indexer, builtin_client, CHOOSY, dsn=dsn) as run:
        (waiting,) = until(
            lambda: run.rows("select * from jobs where kind = 'select' and waiting_for = 'a pending release'")
        )
        assert (waiting["run_at"] - waiting["created_at"]).total_seconds() > 3000
        plain, bad = verdict_of(run, PLAIN), verdict_of(run, BAD)
        assert plain is not None
        assert bad is not None
        assert (plain["is_accepted"], plain["is_pending"]) == (False, True)
        assert (bad["is_pending"], bad["score"], bad["formats"]) == (False, -50, ["x265"])
        assert run.movie()["reason"].startswith("waits for a release")

        world.offer(good)
        run.await_state("imported")
        (download,) = run.rows("select * from downloads")
        (file,) = run.rows("select * from movie_files")
        assert download["title"] == GOOD
        assert download["facts"] == file["facts"]
        assert download["facts"]["release_group"] == "GOOD"

        shown = understudy("why", "Sintel (2010)", config=run.config)
        assert f"{GOOD} from open-movies" in shown
        assert "now nothing would be taken" in shown
        why_not = understudy("why-not", BAD, config=run.config)
        assert "(custom_format_minimum)" in why_not
        assert "(existing_file)" in why_not

        new = run.folder / "new.toml"
        new.write_text(run.config.read_text().replace("good = 10", "good = -1"))
        replayed = understudy("replay", "--since", "1h", "--running", str(run.config), config=new)
        assert GOOD in replayed
        assert "rejected: custom_format_minimum" in replayed
