"""A process that holds a data folder as a daemon does, for tests that kill it or put it into another namespace.

`python -m tests.storage.folder_holder FOLDER [--postgres] [--durable]` prints one line of JSON, what it has or why it
has nothing, and ends when its standard input does.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storage.data_folder import DataFolder
from storage.embedded import EmbeddedPostgres
from storage.errors import StorageError
from tests.postgres import spawn

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the process printed: its error and nothing else, or where its server is and what that remarked."""

    error: str = ""
    dsn: str = ""
    postgres_pid: int = 0
    remarks: Sequence[str] = ()


@contextmanager
def folder_holder(
    folder: Path, *options: str, wrapper: Sequence[str] = ()
) -> Iterator[tuple["subprocess.Popen[str]", Said]]:
    """The process, in a session of its own and started through `wrapper`, once it has spoken; ended at the end."""
    process = subprocess.Popen(
        [*wrapper, sys.executable, "-m", "tests.storage.folder_holder", str(folder), *options],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout, process:
        try:
            yield process, Said(**json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()


def hold(folder: DataFolder, *, with_postgres: bool, is_durable: bool) -> Iterator[Said]:
    folder.lock(wait_s=0.2)
    if not with_postgres:
        yield Said()
        return
    remarks: list[str] = []
    server = EmbeddedPostgres(folder, spawn=spawn, is_durable=is_durable, log=remarks.append)
    try:
        server.start()
        yield Said(dsn=server.dsn, postgres_pid=server.pid or 0, remarks=remarks)
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--durable", action="store_true")
    options = parser.parse_args()
    try:
        for said in hold(DataFolder(options.folder), with_postgres=options.postgres, is_durable=options.durable):
            print(json.dumps(vars(said)), flush=True)
            sys.stdin.read()
    except StorageError as error:
        print(json.dumps(vars(Said(error=str(error)))))


if __name__ == "__main__":
    main()
