"""What an import does to the files of one root folder: finds the film, stages it, gives it its final name.

No database: the journal comes in as a row. All of it is done by the root's helper process, so a dead mount hangs that
and not the daemon.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from actors.operation import Operation
from movies.files import HEAD_BYTES, ListedFile, NoFilm, NoFilmReason, choose_film, extension_of, is_container_for
from storage.file_access import FileHelper
from storage.file_errors import NotRegular, SourceGone, TargetExists
from storage.files import Identity, Method, Staged


class RootFiles:
    """`root` as its Importer sees it; `on_life` is told whenever the helper shows that it is at work."""

    def __init__(
        self,
        root: Path,
        *,
        helper: FileHelper,
        transfer: Literal["hardlink-only", "prefer-hardlink", "copy", "move"],
        on_life: Callable[[], None],
    ) -> None:
        self._root, self._helper, self._transfer, self._on_life = root, helper, transfer, on_life

    def film(self, content_path: str, operation: Operation) -> str | NoFilm:
        """The absolute path of the film in a download, or why there is none."""
        try:
            identity = self._helper.identity(content_path)
            folder, name = str(Path(content_path).parent), Path(content_path).name
            listed = [ListedFile(path=name, size_bytes=identity.size_bytes)]
        except NotRegular:
            folder = content_path
            operation.begin("scanning")
            scan = self._helper.scan(content_path, on_progress=self._heard(operation.counted))
            listed = [ListedFile(path=file.path, size_bytes=file.size_bytes) for file in scan.files]
        film = choose_film(listed)
        if isinstance(film, NoFilm):
            return film
        path = str(Path(folder) / film.path)
        if not is_container_for(extension_of(path), self._helper.head(path, HEAD_BYTES)):
            return NoFilm(reason=NoFilmReason.DANGEROUS, text=f"{film.path!a} is not the container its name says")
        return path

    def seen(self, path: str) -> Identity | None:
        """The regular file under this absolute path; None if there is none."""
        try:
            return self._helper.identity(path)
        except (SourceGone, NotRegular):
            return None

    def same_film(self, target: str, source: str, operation: Operation) -> tuple[Identity, Method] | None:
        """What has the final name already and is this very film, and how it is; None where nothing has that name.

        A database that was restored from an older backup does not know of it. Raises TargetExists for another file.
        """
        found = self.seen(target)
        if found is None:
            return None
        if found == self.seen(source):
            return found, "hardlink"
        operation.begin("comparing")
        if not self._helper.has_same_content(target, source, on_progress=self._heard(operation.moved)):
            raise TargetExists(f"{target} is another file")
        return found, "copy"

    def make_folder(self, relative: str) -> None:
        self._helper.make_folders(self._root, relative)

    def remove(self, path: str) -> None:
        """Delete a file below the root, if it is there."""
        self._helper.remove(self._below(path), root=self._root)

    def staged_before(self, journal: Mapping[str, Any] | None) -> Identity | None:
        """The staged file's identity when an import that was cut short had come so far and its file is still there."""
        if journal is None or journal["state"] != "staged":
            return None
        staged = Identity(
            device=journal["device"],
            inode=journal["inode"],
            size_bytes=journal["size_bytes"],
            mtime_ns=journal["mtime_ns"],
        )
        return staged if staged in (self.seen(journal["temp_path"]), self.seen(journal["target_path"])) else None

    def stage(self, journal: Mapping[str, Any], operation: Operation) -> tuple[Staged, Identity]:
        """Bring the film under its temporary name, in place of what a former attempt left there."""
        temp = journal["temp_path"]
        operation.begin("copying")
        self.remove(temp)
        staged = self._helper.stage(
            journal["source_path"],
            self._below(temp),
            root=self._root,
            transfer="prefer-hardlink" if self._transfer == "move" else self._transfer,
            on_progress=self._heard(operation.moved),
        )
        return staged, self._helper.identity(temp)

    def place(
        self, journal: Mapping[str, Any], staged: Identity, operation: Operation, *, permit: Callable[[], None]
    ) -> None:
        """Give the staged file its final name, if it has not got it yet, and put the old one into the recycle bin.

        `permit` is called right before what has a final name changes, and raises where that is no longer ours to do.
        """
        temp, target, old_path = journal["temp_path"], journal["target_path"], journal["old_path"]
        recycle_path, report = self._below(journal["recycle_path"]), self._heard(operation.moved)
        operation.begin("placing")
        if self.seen(target) != staged or self.seen(temp) == staged:
            is_upgrade = old_path == target and self.seen(target) not in (None, staged)
            permit()
            if is_upgrade:
                self._helper.replace(
                    self._below(temp), self._below(target), recycle_path, root=self._root, on_progress=report
                )
            else:
                self._helper.place(self._below(temp), self._below(target), root=self._root)
        if old_path is not None and old_path != target and self.seen(old_path) is not None:
            permit()
            self._helper.recycle(self._below(old_path), recycle_path, root=self._root, on_progress=report)

    def _below(self, path: str) -> str:
        """`path` as the helper wants it: relative to the root."""
        return str(Path(path).relative_to(self._root))

    def _heard(self, report: Callable[[int, int], None]) -> Callable[[int, int], None]:
        """What the helper does for long is told to `report`, and to the supervisor as a sign of life."""

        def on_progress(done: int, total: int) -> None:
            self._on_life()
            report(done, total)

        return on_progress
