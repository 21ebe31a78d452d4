"""`understudy demo`: the whole path of one movie on this machine, with a crash and an outage on the way.

The daemon is a real one, started as a user would; this program only plays the world around it and watches the events.
"""

import importlib.util
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from api.local import NotRunning, ask_daemon, follow_events
from demo.stage import TITLE, YEAR, Stage, set_stage

LIMIT_S = 60.0
DOWNLOADER = "client:builtin"
INDEXER = "indexer:open-movies"


class DemoFailed(Exception):
    """The film did not arrive; the text says how far it came."""


def show(console: Console, *, keep: bool) -> int:
    """Run the demo; the exit code."""
    if importlib.util.find_spec("libtorrent") is None:
        console.print("the demo needs libtorrent, which has no wheel for this Python: use Python 3.11 to 3.13")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="understudy-demo-"))
    console.print(f"making a film and a torrent of it in {folder}", soft_wrap=True)
    stage = set_stage(folder)
    is_done = False
    try:
        with (folder / "daemon.log").open("wb") as log:
            daemon = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli", "run", "--config", str(stage.config)], stdout=log, stderr=log
            )
        try:
            path = Show(console, stage, daemon).run()
        finally:
            stop(daemon)
        is_done = True
        console.print(f"\n[green]imported[/] {path}", soft_wrap=True)
        return 0
    except DemoFailed as error:
        console.print(f"[red]{error}[/]")
        console.print((folder / "daemon.log").read_text()[-3000:], markup=False, soft_wrap=True)
        return 1
    finally:
        stage.close()
        if not keep and not is_done:
            console.print(f"the daemon's folder is left in {folder}", soft_wrap=True)
        elif not keep:
            leave_library(folder)


def leave_library(folder: Path) -> None:
    """The film stays, all else goes."""
    for entry in folder.iterdir():
        if entry.name == "library":
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()


def stop(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    try:
        daemon.wait(15)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


class Show:
    """Watches one daemon and troubles it: its downloader crashes, its indexer goes away and comes back."""

    def __init__(self, console: Console, stage: Stage, daemon: "subprocess.Popen[bytes]") -> None:
        self._console, self._stage, self._daemon = console, stage, daemon
        self._start = time.monotonic()
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._path: str | None = None
        self._downloading = False
        self._crashed = self._restarted = self._is_away = self._opened = self._closed = False
        self._progress = Progress(
            TextColumn("         downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console
        )
        self._bar: TaskID | None = None

    def run(self) -> str:
        """Until the film is in the library, the actor is restarted and the breaker closed; the film's path."""
        self._say("the daemon starts, with its own PostgreSQL")
        threading.Thread(target=self._listen, daemon=True).start()
        with self._progress:
            while not (self._path and self._restarted and self._closed):
                self._check_time()
                with suppress(queue.Empty):
                    self._hear(self._events.get(timeout=0.1))
                if self._downloading:
                    self._trouble()
        return self._path

    def _check_time(self) -> None:
        if self._daemon.poll() is not None:
            raise DemoFailed(f"the daemon ended with status {self._daemon.returncode}")
        if time.monotonic() - self._start > LIMIT_S:
            raise DemoFailed(
                f"not done after {LIMIT_S:.0f} s: imported {self._path}, actor restarted {self._restarted}, "
                f"breaker opened {self._opened} and closed {self._closed}"
            )

    def _listen(self) -> None:
        last_id = "0-0"
        while self._daemon.poll() is None:
            try:
                for event in follow_events(self._stage.data_dir, last_id=last_id):
                    last_id = event["id"] or last_id
                    self._events.put(event)
            except NotRunning:
                time.sleep(0.05)

    def _hear(self, event: dict[str, Any]) -> None:
        facts = event["data"]
        match event["event"]:
            case "daemon.started":
                self._say("the queue is active")
            case "movie.searching":
                self._say(f"{TITLE} ({YEAR}) is wanted: searching")
            case "release.chosen":
                self._say(f"chosen among the releases: {facts['title']}")
            case "download.started":
                self._downloading = True
                self._say("the download has started")
            case "progress" if facts["operation"].startswith("download:"):
                self._draw(facts)
            case "download.completed":
                if self._bar is not None:
                    self._progress.update(self._bar, completed=facts["size_bytes"], total=facts["size_bytes"])
                self._say("the download is complete")
            case "movie.imported":
                self._path = facts["path"]
                self._say(f"imported by {facts['method']}")

    def _draw(self, facts: dict[str, Any]) -> None:
        if self._bar is None:
            self._bar = self._progress.add_task("download", total=facts["total_bytes"])
        self._progress.update(self._bar, completed=facts["done_bytes"], total=facts["total_bytes"])

    def _trouble(self) -> None:
        if not self._crashed:
            self._crashed = ask_daemon(self._stage.data_dir, "POST", f"/api/debug/crash/{DOWNLOADER}")[0] == 200
            self._say("[red]now its downloader crashes[/], by a debug message", if_so=self._crashed)
        elif not self._restarted:
            self._restarted = self._restarts() > 0
            self._say("the supervisor restarted it; the download went on meanwhile", if_so=self._restarted)
        if not self._is_away:
            self._stage.feed.stop()
            self._is_away = True
            self._say("[red]now the indexer goes away[/]")
        elif not self._opened:
            self._opened = self._breaker() == "open"
            self._say("its breaker is open: it is left alone, everything else goes on", if_so=self._opened)
            if self._opened:
                self._stage.feed.start()
                self._say("the indexer is back")
        elif not self._closed:
            self._closed = self._breaker() == "closed"
            self._say("a probe found it: the breaker is closed again", if_so=self._closed)

    def _restarts(self) -> int:
        _, answer = ask_daemon(self._stage.data_dir, "GET", "/api/supervision")
        groups = {child["name"]: child for child in answer["tree"]}
        return sum(child["restarts"] for child in groups["downloaders"]["children"] if child["state"] == "running")

    def _breaker(self) -> str:
        _, answer = ask_daemon(self._stage.data_dir, "GET", "/api/breakers")
        return str({entry["dependency"]: entry["state"] for entry in answer["breakers"]}[INDEXER])

    def _say(self, text: str, *, if_so: bool = True) -> None:
        if if_so:
            self._console.print(f"{time.monotonic() - self._start:6.1f} s  {text}", soft_wrap=True)
