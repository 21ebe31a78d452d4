"""Watches a root folder: whether it is there, and how much room it has."""

from pathlib import Path

from prometheus_client import Gauge

from actors.health import HealthBoard
from storage import imports
from storage.database import Database
from storage.file_access import FileHelper
from storage.file_errors import FileError, FolderGone


class RootWatch:
    """Sets and clears the health item of `root`; `free_bytes` has the label `root`."""

    def __init__(
        self,
        root: Path,
        *,
        min_free_bytes: int,
        helper: FileHelper,
        database: Database,
        health: HealthBoard,
        free_bytes: Gauge,
    ) -> None:
        self._root, self._min_free_bytes = root, min_free_bytes
        self._helper, self._database, self._health = helper, database, health
        self._free_bytes = free_bytes
        self._source = f"root:{root}"

    def look(self) -> None:
        """Raises DatabaseUnavailable, when the folder is not there and nobody can tell whether it should be."""
        try:
            free_bytes = self._helper.free_bytes(self._root)
        except FolderGone:
            if not self._make_unused_root():
                self._health.set(self._source, f"{self._root} is not there: is its disk mounted?", severity="error")
            return
        except FileError as error:
            self._health.set(self._source, str(error), severity="error")
            return
        self._free_bytes.labels(root=str(self._root)).set(free_bytes)
        if free_bytes < self._min_free_bytes:
            self._health.set(self._source, f"{self._root} has only {free_bytes / 2**30:.1f} GiB free")
        else:
            self._health.clear(self._source)

    def _make_unused_root(self) -> bool:
        """Make a root folder that never held a film; one that did is a mount that is away."""
        with self._database.transaction() as connection:
            if imports.has_files_below(connection, f"{self._root}/"):
                return False
        try:
            self._helper.make_folders("/", str(self._root).lstrip("/"))
        except FileError as error:
            self._health.set(self._source, str(error), severity="error")
        return True
