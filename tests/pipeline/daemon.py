"""A real daemon for pipeline tests: started as a user would, asked over its unix socket, looked at in its database."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from api.local import NotRunning, UnixConnection, ask_daemon, follow_events
from storage.embedded import free_port
from tests.until import until

REPOSITORY = Path(__file__).parents[2]
READY_S = 60.0

BASE = """\
[daemon]
data_dir = "data"
log_format = "json"
debug = true
{daemon_keys}

[storage]
dsn = "{dsn}"

[api]
listen = "127.0.0.1:{port}"

[retry]
base = "100ms"

[breaker]
window = 2
minimum_calls = 2
wait = "300ms"

[[roots]]
path = "library"
min_free = "1KiB"

[selection]
min_free = "1KiB"
"""

INDEXER = """
[[indexers]]
name = "{name}"
url = "{url}"
rss_interval = "1s"
limits = {{ every = "0s" }}
"""

BUILTIN = """
[[download_clients]]
name = "builtin"
type = "builtin"
download_dir = "downloads"
bind = "lo"
port = {port}
poll_interval = "100ms"
"""

QBITTORRENT = """
[[download_clients]]
name = "qbit"
type = "qbittorrent"
url = "{url}"
username = "{username}"
password = "{password}"
poll_interval = "100ms"
"""

WANTED = """
[wanted.hd]
titles = ["Sintel (2010)"]
"""


class DaemonRun:
    """One folder with a configuration, and the daemon that runs on it; it may be started any number of times."""

    def __init__(self, folder: Path, config: str, *, dsn: str, wrapper: Sequence[str] = ()) -> None:
        self.folder, self.dsn = folder, dsn
        self.config = folder / "config.toml"
        self.config.write_text(config)
        self.library = folder / "library"
        self.log = folder / "daemon.log"
        self._wrapper = list(wrapper)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def launch(self) -> None:
        """Start it and return at once."""
        argv = [*self._wrapper, sys.executable, "-P", "-m", "cli", "run", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
            )

    def start(self) -> None:
        """Start it and wait until it is ready and its queue active."""
        self.launch()
        until(self.is_active, timeout_s=READY_S, what=f"the queue to be active; the log ends {self.log_tail()}")

    def is_active(self) -> bool:
        if self.exit_code is not None:
            raise AssertionError(f"the daemon ended with {self.exit_code}: {self.log_tail()}")
        try:
            return bool(self.get("/api/queue/status").get("status") == "active")
        except NotRunning:
            return False

    def kill(self) -> None:
        """kill -9 of the daemon alone, as the kernel's memory killer does it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, *, timeout_s: float = 15.0) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout_s)

    def wait(self, timeout_s: float) -> int:
        assert self._process is not None
        return self._process.wait(timeout_s)

    def end(self) -> None:
        """Whatever its state, it is gone afterwards."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def get(self, path: str) -> Any:
        return ask_daemon(self.folder / "data", "GET", path)[1]

    def post(self, path: str) -> tuple[int, Any]:
        return ask_daemon(self.folder / "data", "POST", path)

    def status(self, path: str) -> int:
        """The HTTP status; 0 when nobody answers."""
        try:
            return ask_daemon(self.folder / "data", "GET", path)[0]
        except NotRunning:
            return 0

    def metrics(self) -> list[str]:
        """The lines of /metrics."""
        connection = UnixConnection(self.folder / "data" / "run" / "api.sock", timeout_s=5)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()

    def events(self, *, last_id: str = "0-0") -> Iterator[dict[str, Any]]:
        return follow_events(self.folder / "data", last_id=last_id)

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def movie(self) -> dict[str, Any]:
        """The only movie's row, with its file's path."""
        (row,) = self.rows(
            "select movies.*, path from movies left join movie_files on movie_files.movie_id = movies.id"
        )
        return row

    def await_state(self, state: str, *, timeout_s: float = 30.0) -> dict[str, Any]:
        """The movie, once it is in `state`."""

        def has_come() -> dict[str, Any] | None:
            movie = self.movie() if self.rows("select from movies") else {"state": "none"}
            return movie if movie["state"] == state else None

        found = until(has_come, timeout_s=timeout_s, what=f"the movie to be {state}; the log ends {self.log_tail()}")
        assert found is not None
        return found

    def films(self) -> list[Path]:
        """Everything in the library that is not a folder, hidden files too."""
        return sorted(path for path in self.library.rglob("*") if not path.is_dir())

    def log_lines(self, text: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if text in line]

    def log_tail(self) -> str:
        return self.log.read_text()[-1500:] if self.log.exists() else "empty"


@contextmanager
def daemon(
    folder: Path,
    *parts: str,
    dsn: str,
    node: str = "",
    daemon_keys: str = "",
    starts: bool = True,
    wrapper: Sequence[str] = (),
) -> Iterator[DaemonRun]:
    """A daemon on `folder` with BASE, `daemon_keys` and `parts` as its configuration, ended afterwards."""
    folder.mkdir(exist_ok=True)
    keys = f'node = "{node}"\n{daemon_keys}' if node else daemon_keys
    text = BASE.format(dsn=dsn, port=free_port(), daemon_keys=keys)
    run = DaemonRun(folder, text + "".join(parts), dsn=dsn, wrapper=wrapper)
    try:
        if starts:
            run.start()
        yield run
    finally:
        run.end()
