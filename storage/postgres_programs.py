"""Runs PostgreSQL's own programs (pg_dump, pg_restore, psql) on a database, each ended when it shows no progress.

A password reaches them through their environment, never through a command line, which every user of the machine sees.
They die with their parent. What they print is English, whatever the machine speaks, because it is looked at.
"""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from storage import postgres_exec
from storage.child_process import ChildProcess
from storage.embedded import Spawn, shipped_binaries
from storage.errors import DatabaseUnavailable, PostgresFailed, StorageError
from storage.file_errors import NoSpace

PACE_S = 0.2
LAST_LINES = 6
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
_LOST = re.compile(r"connection to server|server closed the connection|terminating connection|SSL connection has been")
_NO_TLS = re.compile(r"SSL support is not compiled in|no encryption")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


class ProgramFailed(Exception):
    """A program could not be started, ended badly or was ended; the text is what it said."""


def start_plainly(
    argv: Sequence[str],
    *,
    pass_fds: Sequence[int] = (),
    stdout: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
) -> ChildProcess:
    """A `Spawn` for programs whose calling thread lives as long as the child, such as the command line."""
    return subprocess.Popen(
        argv,
        pass_fds=pass_fds,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT if stdout else None,
        env=env,
    )


NOTICE_OUR_END = "-c client_connection_check_interval=1s"
"""A backend that waits for a lock would otherwise go on for a program that was killed."""


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The programs in `binaries` (None: the shipped ones). `is_stopping` is asked while one runs, and ends it."""

    binaries: Path | None = None
    spawn: Spawn = start_plainly
    is_stopping: Callable[[], bool] = lambda: False

    @property
    def folder(self) -> Path:
        """Where they are. Raises ProgramFailed for a machine that none are shipped for."""
        try:
            return self.binaries or shipped_binaries()
        except PostgresFailed:
            text = "none of PostgreSQL's programs are shipped for this machine: name a folder with them by --binaries"
            raise ProgramFailed(text) from None

    def major_version(self, program: str) -> int:
        """Of that program, e.g. 18. Raises ProgramFailed, as `run` does."""
        said = self.run(program, "--version", patience_s=30.0)
        found = _VERSION.search(said)
        if found is None:
            raise ProgramFailed(f'{self.folder / program} is not PostgreSQL\'s: it says "{said}"')
        return int(found[1])

    def run(
        self,
        program: str,
        *arguments: str,
        patience_s: float,
        dsn: str | None = None,
        fds: Sequence[int] = (),
        progress: Callable[[], int] = lambda: 0,
    ) -> str:
        """Run it to its end and return what it printed on both outputs; it inherits `fds`.

        After `patience_s` seconds in which `progress()` did not change it is killed. Raises ProgramFailed.
        """
        options, environment = ((), dict(os.environ)) if dsn is None else _connecting(dsn)
        wrapper = [sys.executable, "-I", "-S", postgres_exec.__file__, "--parent", str(os.getpid()), "--death-signal=9"]
        command = [*wrapper, "--", str(self.folder / program), *options, *arguments]
        with os.fdopen(os.memfd_create("output"), "w+b") as output:
            try:
                process = self.spawn(command, pass_fds=fds, stdout=output, env=environment | {"LC_ALL": "C"})
            except OSError as error:
                raise ProgramFailed(f"{program} cannot be started: {error}") from error
            try:
                status = self._wait(process, program, patience_s=patience_s, progress=progress)
            finally:
                _end(process)
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if status != 0:
            raise ProgramFailed(" | ".join(said.splitlines()[-LAST_LINES:]) or f"{program} ended with status {status}")
        return said

    def _wait(self, process: ChildProcess, program: str, *, patience_s: float, progress: Callable[[], int]) -> int:
        moved_at, seen = time.monotonic(), progress()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(PACE_S)
            if self.is_stopping():
                raise ProgramFailed(f"{program} was ended by the stop")
            if (now := progress()) != seen:
                moved_at, seen = time.monotonic(), now
            elif time.monotonic() - moved_at > patience_s:
                raise ProgramFailed(f"{program} made no progress for {patience_s:g} s and was ended")


def translated(failure: ProgramFailed, *, tried: str, otherwise: type[StorageError]) -> Exception:
    """What a caller is to be told: NoSpace, DatabaseUnavailable, or else `otherwise`."""
    text = f"{tried}: {failure}"
    if _NO_SPACE.search(text):
        return NoSpace(text)
    if _NO_TLS.search(text):
        return otherwise(f"{text} | these programs know no TLS: name a folder with the server's own by --binaries")
    return DatabaseUnavailable(text) if _LOST.search(text) else otherwise(text)


def _connecting(dsn: str) -> tuple[Sequence[str], dict[str, str]]:
    """The options that lead to the database, and the environment with its password."""
    parts = {"connect_timeout": 10} | conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    parts.pop("sslpassword", None)  # has no way but the command line, so a key with a password is none for a backup
    environment = os.environ | {"PGOPTIONS": f"{os.environ.get('PGOPTIONS', '')} {NOTICE_OUR_END}".strip()}
    if password:
        environment["PGPASSWORD"] = str(password)
    return ("--no-password", f"--dbname={make_conninfo('', **parts)}"), environment


def _end(process: ChildProcess) -> None:
    if process.poll() is None:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that the kernel holds ends when it can
            process.wait(5.0)
