"""Watches a root folder: whether it is there, and how much room it has."""

from pathlib import Path

from prometheus_client import Gauge

from actors.breaker import Breaker, BreakerState, Outage
from actors.health import HealthBoard
from storage import imports
from storage.database import Database
from storage.file_access import FileHelper, HelperGone
from storage.file_errors import FileError, FolderGone, NoSpace, NotRegular, SourceGone

MARKER = ".understudy"
"""A folder of ours in every root in use; the recycle bin is inside it by default."""


class RootWatch:
    """Sets and clears the health item of `root`; `free_bytes` has the label `root`.

    What it sees opens the root's breaker at once, and has it tried again as soon as the root is well.
    """

    def __init__(
        self,
        root: Path,
        *,
        min_free_bytes: int,
        helper: FileHelper,
        breaker: Breaker,
        database: Database,
        health: HealthBoard,
        free_bytes: Gauge,
    ) -> None:
        self._root, self._min_free_bytes = root, min_free_bytes
        self._helper, self._breaker, self._database, self._health = helper, breaker, database, health
        self._free_bytes = free_bytes
        self._source = f"root:{root}"

    def look(self) -> None:
        """Raises DatabaseUnavailable, when the folder is not there and nobody can tell whether it should be."""
        try:
            self.require_room()
            self.require()
        except FolderGone as error:
            if not self._make_unused_root():
                self._close_it(error)
        except HelperGone:
            return  # it was told to end with its actor, or killed; the next look tells
        except FileError as error:
            self._close_it(error)
        else:
            self.up()
            if self._breaker.state is BreakerState.OPEN:
                self._breaker.transition_to(BreakerState.CLOSED, reason="it is there again")

    def up(self) -> None:
        """The root answers."""
        self._health.clear(self._source)

    def down(self, error: FileError) -> Outage:
        """What an import that cannot use the root raises; the health item says so."""
        self._health.set(self._source, f"{error}: imports wait", severity="error")
        return Outage(str(error))

    def is_there(self) -> bool:
        """Whether the root itself answers: what an import waits for may be the folder of its download."""
        try:
            self.require()
        except FileError:
            return False
        return True

    def require_room(self) -> None:
        """Raises NoSpace when less is free than is to stay free."""
        free_bytes = self._helper.free_bytes(self._root)
        self._free_bytes.labels(root=str(self._root)).set(free_bytes)
        if free_bytes < self._min_free_bytes:
            free_gib, wanted_gib = free_bytes / 2**30, self._min_free_bytes / 2**30
            raise NoSpace(f"{self._root} has only {free_gib:.1f} GiB free, roots.min_free wants {wanted_gib:.1f}")

    def require(self) -> None:
        """Raises FolderGone when films lie here by the database and the folder is not the one they were put into.

        A mount that is away leaves an empty folder behind. Every root in use has a folder of ours in it, so one
        without is told apart; a film is never written beside the mount that it belongs on.
        """
        try:
            self._helper.identity(self._root / MARKER)
        except NotRegular:
            return  # the folder is there
        except SourceGone:
            if self._has_films():
                raise FolderGone(f"{self._root} lacks {MARKER}: is its disk mounted?") from None
            self._helper.make_folders(self._root, MARKER)

    def _close_it(self, error: FileError) -> None:
        outage = self.down(error)
        if self._breaker.state is BreakerState.CLOSED:
            self._breaker.transition_to(BreakerState.OPEN, reason=str(outage))

    def _has_films(self) -> bool:
        with self._database.transaction() as connection:
            return imports.has_files_below(connection, f"{self._root}/")

    def _make_unused_root(self) -> bool:
        """Make a root folder that never held a film; one that did is a mount that is away."""
        if self._has_films():
            return False
        try:
            self._helper.make_folders("/", str(self._root).lstrip("/"))
        except FileError as error:
            self._close_it(error)
        return True
