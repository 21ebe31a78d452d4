"""What can go wrong below the database and the data folder.

StorageError
├── DatabaseUnavailable   the server cannot be reached, did not answer in time, or is not migrated yet: try again later
│   └── Conflict          another transaction was in the way (deadlock, lock timeout ...): do it again at once
├── Fenced                the job was taken from this worker (lease lost, retried elsewhere): roll back, do nothing more
├── SchemaTooNew          a newer Understudy migrated this database: use that one, or restore a backup
├── NodeTaken             another daemon with this node name works on this database
├── DataFolderLocked      another process uses the data folder
├── BackupFailed          no backup was made, what was there is untouched; the text says why and the way out
├── RestoreRefused        nothing was restored, the data are as before; the text says why and the way out
└── PostgresFailed        the embedded PostgreSQL could not be made or started; the text says why and the way out
"""


class StorageError(Exception):
    """Base of this floor."""


class DatabaseUnavailable(StorageError):
    """The database cannot be used now. Nothing was committed, unless it was the commit's answer that was lost."""


class Conflict(DatabaseUnavailable):
    """The transaction lost to another and was rolled back whole. Who cannot do it again waits as for an outage."""


class Fenced(StorageError):
    """The job's fencing token matches no running row any more."""


class SchemaTooNew(StorageError):
    """The database holds a newer schema than this program knows."""


class NodeTaken(StorageError):
    """The node name is in use on this database."""


class DataFolderLocked(StorageError):
    """The data folder belongs to a running process; `pid` as it wrote it, None if unreadable."""

    def __init__(self, text: str, *, pid: int | None = None) -> None:
        super().__init__(text)
        self.pid = pid


class BackupFailed(StorageError):
    """There is no new backup. A full disk is `NoSpace`, a server out of reach DatabaseUnavailable."""


class RestoreRefused(StorageError):
    """The backup was not restored, and the data are as they were."""


class PostgresFailed(StorageError):
    """initdb or postgres refused; the way out is in the text."""
