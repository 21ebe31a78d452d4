"""The folder in which backups gather: what they are called, and which of them stay.

A name says why and when a file was made and which schema it holds, so nothing has to be opened to choose one. Only
files with such a name are ever deleted, and only after a newer one is whole.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from storage.backup_file import remove_abandoned
from storage.file_errors import FileError, reported


class Reason(StrEnum):
    """Why a backup was made."""

    DAILY = "daily"
    MIGRATION = "migration"
    ASKED = "asked"


KEPT: Mapping[Reason, int] = {Reason.DAILY: 7, Reason.MIGRATION: 3}
"""How many stay; those that a user asked for all do."""

_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"understudy-(daily|migration|asked)-(\d{8}T\d{6}Z)-schema(\d{1,6})\.dump")


@dataclass(frozen=True, kw_only=True)
class KeptBackup:
    """A file in the folder, as its name describes it; one made for a migration holds the `schema` before it."""

    path: Path
    reason: Reason
    made_at: datetime
    schema: int


def name_of(reason: Reason, *, schema: int, made_at: datetime) -> str:
    """E.g. understudy-daily-20260131T020000Z-schema12.dump."""
    return f"understudy-{reason}-{made_at.astimezone(UTC).strftime(_TIME)}-schema{schema}.dump"


def kept(folder: Path) -> list[KeptBackup]:
    """The backups in `folder`, newest first; none where there is no folder. Raises FileError."""
    found = []
    with reported("look for backups in", folder):
        for path in folder.iterdir() if folder.exists() else ():
            backup = _described(path)
            if backup is not None and path.is_file() and not path.is_symlink():
                found.append(backup)
    return sorted(found, key=lambda backup: (backup.made_at, backup.path.name), reverse=True)


def newest_of(folder: Path, schema: int) -> Path | None:
    """The newest backup that a program which knows `schema` can restore; None also for a folder that is unreadable."""
    with contextlib.suppress(FileError):
        return next((backup.path for backup in kept(folder) if backup.schema <= schema), None)
    return None


def add(folder: Path, reason: Reason, *, schema: int, now: datetime, make: Callable[[Path], object]) -> Path:
    """Have `make` write a backup into `folder`, made if missing, and then let the oldest of its kind go.

    What `make` raises is raised, and then every older one stays.
    """
    with reported("make the backup folder", folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove_abandoned(folder)
    target = folder / name_of(reason, schema=schema, made_at=now)
    make(target)
    _prune(folder, reason, newest=target)
    return target


def _prune(folder: Path, reason: Reason, *, newest: Path) -> None:
    """The new one stays, wherever a clock that went back sorts it in. A file that cannot be deleted does, too."""
    n_kept = KEPT.get(reason)
    if n_kept is None:
        return
    older = [backup.path for backup in kept(folder) if backup.reason is reason and backup.path != newest]
    for path in older[n_kept - 1 :]:
        with contextlib.suppress(OSError):
            path.unlink()


def _described(path: Path) -> KeptBackup | None:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    try:
        made_at = datetime.strptime(match[2], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return KeptBackup(path=path, reason=Reason(match[1]), made_at=made_at, schema=int(match[3]))
