"""A daemon on its own PostgreSQL, as most users have it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.embedded import free_port
from tests.pipeline.daemon import DaemonRun

EMBEDDED = """\
[daemon]
data_dir = "data"
[api]
listen = "127.0.0.1:{port}"
[[download_clients]]
name = "builtin"
type = "builtin"
download_dir = "downloads"
bind = "lo"
"""


@contextmanager
def embedded(tmp_path: Path) -> Iterator[DaemonRun]:
    """A started daemon in the folder `run`, ended afterwards."""
    folder = tmp_path / "run"
    folder.mkdir()
    run = DaemonRun(folder, EMBEDDED.format(port=free_port()), dsn="")
    try:
        run.start()
        yield run
    finally:
        run.end()
