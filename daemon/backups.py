"""Backups of a daemon's database: daily, before its migrations, and by hand, also while no daemon runs.

By hand the database is found as the daemon would: that of the configuration, else the embedded one, which is started
for the time being unless a daemon has it running.
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from actors.base import Fatal
from config.schema import Config
from storage import backup, backup_folder
from storage.backup import Backup, OnStep
from storage.backup_folder import Reason
from storage.data_folder import DataFolder
from storage.embedded import EmbeddedPostgres, dsn_of_running
from storage.errors import BackupFailed, DatabaseUnavailable, DataFolderLocked, StorageError
from storage.file_errors import FileError, reported
from storage.migration import known_migrations
from storage.postgres_programs import Programs, start_plainly

EXIT_NO_BACKUP = 6
STOP_LIMIT_S = 30.0


def folder_of(config: Config) -> Path:
    """Where a daemon's backups gather."""
    return config.backup.folder or config.daemon.data_dir / "backups"


def keep_one(
    folder: Path,
    reason: Reason,
    *,
    dsn: str,
    programs: Programs,
    schema: int | None = None,
    on_step: OnStep = lambda step, size_bytes: None,
) -> Path:
    """One more backup in `folder`, of a database with `schema` (None: this program's). For the rest see `back_up`."""
    return backup_folder.add(
        folder,
        reason,
        schema=known_migrations()[-1].version if schema is None else schema,
        now=datetime.now(UTC),
        make=lambda target: backup.back_up(dsn, target, programs=programs, on_step=on_step),
    )


def before_migration(
    config: Config, folder: Path, *, dsn: str, programs: Programs, log: Callable[[Path], None]
) -> Callable[[int, int], None]:
    """For `migrate`: a backup of what it is about to change. Without one the daemon ends, and the database stays."""

    def save(version_from: int, version_to: int) -> None:
        if not config.backup.before_migration:
            return
        try:
            log(keep_one(folder, Reason.MIGRATION, dsn=dsn, programs=programs, schema=version_from))
        except DatabaseUnavailable:
            raise
        except (StorageError, FileError) as error:
            text = f"the database stays at schema {version_from}, because no backup could be made: {error}"
            raise Fatal(f"{text} (backup.before_migration = false does without)", exit_code=EXIT_NO_BACKUP) from error

    return save


def back_up_by_hand(config: Config, target: Path | None, *, binaries: Path | None) -> Path:
    """A backup at `target`, or one more in the daemon's folder. Raises StorageError or FileError."""
    programs = Programs(binaries=binaries or config.backup.binaries)
    with _database(config, binaries=binaries) as dsn:
        if target is None:
            return keep_one(folder_of(config), Reason.ASKED, dsn=dsn, programs=programs)
        return backup.back_up(dsn, target.absolute(), programs=programs).path


def restore_by_hand(config: Config, source: Path, *, binaries: Path | None) -> Backup:
    """Put a backup in the place of the database, while no daemon runs. Raises StorageError or FileError."""
    programs = Programs(binaries=binaries or config.backup.binaries)
    backup.read_backup(source, programs=programs)  # before anything is started or made for it
    dsn = config.storage.dsn.get_secret_value()
    with contextlib.ExitStack() as parts:
        folder = parts.enter_context(_locked(config.daemon.data_dir, wait_s=config.daemon.start_wait))
        if not dsn:
            dsn = parts.enter_context(_started(folder, binaries=binaries))
        return backup.restore(dsn, source, scratch=folder.path, programs=programs)


@contextlib.contextmanager
def _database(config: Config, *, binaries: Path | None) -> Iterator[str]:
    """Its DSN, while it can be read; a daemon may work on it."""
    dsn, folder = config.storage.dsn.get_secret_value(), DataFolder(config.daemon.data_dir)
    with contextlib.ExitStack() as parts:
        if not dsn:
            if not folder.postgres.exists():
                raise BackupFailed(f"there is no database in {folder.path} yet: there is nothing to back up")
            try:
                folder = parts.enter_context(_locked(folder.path, wait_s=0.0))
            except DataFolderLocked as locked:
                dsn = dsn_of_running(folder) or ""
                if not dsn:
                    raise DatabaseUnavailable(f"{locked}; its database does not run") from locked
            else:
                dsn = parts.enter_context(_started(folder, binaries=binaries))
        yield dsn


@contextlib.contextmanager
def _locked(path: Path, *, wait_s: float) -> Iterator[DataFolder]:
    """The data folder, made if there is none, while no daemon uses it. Raises DataFolderLocked or FileError."""
    folder = DataFolder(path)
    with reported("use the data folder", path):
        folder.lock(wait_s=wait_s)
    try:
        yield folder
    finally:
        folder.unlock()


@contextlib.contextmanager
def _started(folder: DataFolder, *, binaries: Path | None) -> Iterator[str]:
    """The DSN of the embedded PostgreSQL, which runs meanwhile. Raises PostgresFailed."""
    postgres = EmbeddedPostgres(folder, spawn=start_plainly, binaries=binaries)
    try:
        postgres.start()
        yield postgres.dsn
    finally:
        postgres.stop(timeout_s=STOP_LIMIT_S)
