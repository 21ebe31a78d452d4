"""An Importer: brings finished downloads into one root folder, by journaled steps that a crash may cut anywhere.

plan -> stage under a temporary name in the target folder -> give the final name -> recycle the old file -> record. The
journal says which step was last; taking it again is harmless. All touching of disks is done by a helper process, so a
dead mount hangs that and not the daemon.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actors.address import Address
from actors.breaker import Breaker
from actors.health import HealthBoard
from actors.messages import Tick
from actors.operation import Operation
from actors.root_watch import RootWatch
from actors.worker import Failed, PutOff, Worker
from clients.download_client import PathMapping, local_path
from movies.decision import HeldRelease, is_upgrade
from movies.files import HEAD_BYTES, ListedFile, NoFilm, NoFilmReason, choose_film, extension_of, is_container_for
from movies.movie import DownloadId, DownloadState, MovieId, MovieState
from movies.naming import movie_file, movie_folder, quality_full
from movies.profile import Profile
from movies.quality import Revision, quality_named
from movies.release import ParsedRelease, parse_release
from storage import acquisition, downloads, imports, jobs, movies, progress
from storage.database import Connection
from storage.errors import DatabaseUnavailable, Fenced
from storage.file_access import FileHelper, HelperGone, HelperHung
from storage.file_errors import (
    Denied,
    FileError,
    FolderGone,
    NoSpace,
    NotRegular,
    OutsideRoot,
    ReadOnly,
    SourceChanged,
    SourceGone,
    TargetExists,
)
from storage.files import Identity
from storage.jobs import Claim
from storage.progress_writer import ProgressWriter

CHECK_EVERY_S = 30.0
DATABASE_WAIT_S = 0.2
STABLE_WAIT_S = 5.0
SOURCE_WAIT_S = 10.0
HELPER_END_S, HELPER_WAIT_S = 1.0, 1.0
HOSTILE = (NoFilmReason.UNSAFE_PATH, NoFilmReason.DANGEROUS)


@dataclass(frozen=True, kw_only=True)
class ImportRules:
    """How films come into the root, from the configuration; `mappings` by the home of the download client."""

    transfer: Literal["hardlink-only", "prefer-hardlink", "copy", "move"]
    recycle_bin: str
    folder_pattern: str
    file_pattern: str
    min_free_bytes: int
    mappings: Mapping[str, Sequence[PathMapping]]


class Importer(Worker):
    """Serves `root`; `helper` is its own process for the disk."""

    def __init__(
        self,
        address: Address,
        *,
        root: Path,
        rules: ImportRules,
        profiles: Mapping[str, Profile],
        helper: FileHelper,
        breaker: Breaker,
        health: HealthBoard,
        progress_writer: ProgressWriter,
        **worker: Any,
    ) -> None:
        super().__init__(address, **worker)
        self._root, self._rules, self._profiles = root, rules, profiles
        self._helper, self._breaker, self._health, self._progress = helper, breaker, health, progress_writer
        self._watch = RootWatch(
            root,
            min_free_bytes=rules.min_free_bytes,
            helper=helper,
            breaker=breaker,
            database=self.database,
            health=health,
            free_bytes=self.metrics.free_bytes,
        )
        self._source_item = f"download folder:{root}"

    def init(self) -> None:
        self.address.tell_after(0.0, Tick())

    def interrupt(self) -> None:
        self._helper.close()

    def cleanup(self, reason: BaseException | None) -> None:
        self._helper.close(timeout_s=HELPER_END_S)

    def tick(self) -> None:
        next_in_s = CHECK_EVERY_S
        try:
            self._watch.look()
        except DatabaseUnavailable:
            next_in_s = DATABASE_WAIT_S
        finally:
            self.address.tell_after(next_in_s, Tick())

    def came_to_nothing(self, connection: Connection, claim: Claim) -> None:
        progress.end_job(connection, claim)

    def work(self, claim: Claim) -> None:
        download_id = DownloadId(claim.payload["download_id"])
        with self.database.transaction() as connection:
            download = downloads.one(connection, download_id)
            journal = imports.one(connection, download_id)
        if download is None:
            raise Failed(f"download {download_id} does not exist", reason="gone", is_permanent=True)
        if download["state"] == DownloadState.IMPORTED:
            with self.finishing(claim):
                return
        try:
            with self._breaker.call():
                self._import(claim, download, journal)
        except SourceChanged as error:
            raise PutOff(str(error), waiting_for="a file that is still written", delay_s=STABLE_WAIT_S) from error
        except TargetExists as error:
            raise Failed(str(error), reason="import: file exists", is_permanent=True) from error
        except (OutsideRoot, NotRegular) as error:
            raise Failed(str(error), reason="import: unsafe path", is_permanent=True) from error
        except Denied as error:
            raise Failed(str(error), reason="permission denied") from error
        except FileError as error:
            raise Failed(str(error), reason="import: file transfer") from error

    def _import(self, claim: Claim, download: Mapping[str, Any], journal: Mapping[str, Any] | None) -> None:
        """All steps from the one the journal names."""
        name = f"import:{download['id']}"
        operation = Operation(name, claim=claim, writer=self._progress, step="planning")
        try:
            self._watch.require()
            staged = self._staged_before(journal)
            if journal is None or staged is None:
                if journal is not None:  # planned otherwise then, it may have another name now
                    self._helper.remove(self._below(journal["temp_path"]), root=self._root)
                journal = self._plan(claim, download, operation)
                if journal is None:
                    return
                self.inbox.go_on()
                staged = self._stage(claim, journal, operation)
            self.inbox.go_on()
            self._place(journal, staged, operation)
            self._record(claim, download, staged)
            self._watch.up()
            self._health.clear(self._source_item)
        except (FolderGone, HelperHung) as error:
            if not self._watch.is_there():
                raise self._watch.down(error) from error
            self._health.set(self._source_item, f"{error}: an import waits", severity="error")
            raise PutOff(str(error), waiting_for="the folder of a download", delay_s=SOURCE_WAIT_S) from error
        except HelperGone as error:
            raise PutOff(str(error), waiting_for="its helper process", delay_s=HELPER_WAIT_S) from error
        except (NoSpace, ReadOnly) as error:
            raise self._watch.down(error) from error

    def _plan(self, claim: Claim, download: Mapping[str, Any], operation: Operation) -> dict[str, Any] | None:
        """Choose the film and write the journal; None when there is nothing to import and the job has ended."""
        path = local_path(download["content_path"], self._rules.mappings.get(download["node"], ()))
        source = self._film(path, operation)
        if isinstance(source, NoFilm):
            self._reject(claim, download, source)
            return None
        download_id, movie_id = DownloadId(download["id"]), MovieId(download["movie_id"])
        with self.database.transaction() as connection:
            movie = movies.one(connection, movie_id)
            file = imports.file_of(connection, movie_id)
        assert movie is not None
        profile = self._profiles.get(movie["profile"])
        if file and profile:
            held, new = _held(file), _held(download)
            if not is_upgrade(new, over=held, profile=profile):
                self._decline(claim, download, f"not an upgrade of {quality_full(held.quality, held.revision)}")
                return None
        self._watch.require_room()
        folder, name = self._target(movie, download, extension=extension_of(source))
        self._helper.make_folders(self._root, folder)
        recycle = f"{self._rules.recycle_bin}/{download_id}"
        target = str(self._root / folder / name)
        old_path = self._old_path(movie_id, file)
        if old_path is not None:
            self._helper.make_folders(self._root, recycle)
        if target != old_path and (found := self._seen(target)) is not None and found != self._seen(source):
            raise TargetExists(f"{target} is another file")
        with self.database.transaction() as connection:
            jobs.require(connection, claim)
            downloads.move(connection, download_id, DownloadState.IMPORTING, expected=acquisition.IMPORTABLE)
            imports.plan(
                connection,
                download_id=download_id,
                movie_id=movie_id,
                source_path=source,
                temp_path=str(self._root / folder / f".understudy-{download_id}-{claim.owner.hex[:8]}.partial"),
                target_path=target,
                old_path=old_path,
                recycle_path=str(self._root / recycle / Path(old_path or target).name),
            )
            return imports.one(connection, download_id)

    def _old_path(self, movie_id: MovieId, file: Mapping[str, Any] | None) -> str | None:
        """The movie's present file, if it is this root's to recycle."""
        if file is None:
            return None
        if not Path(file["path"]).is_relative_to(self._root):
            self.log.warning("the old file stays: it lies in another root", movie_id=movie_id, path=file["path"])
            return None
        return str(file["path"])

    def _film(self, content_path: str, operation: Operation) -> str | NoFilm:
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

    def _target(self, movie: Mapping[str, Any], download: Mapping[str, Any], *, extension: str) -> tuple[str, str]:
        new, parsed = _held(download), parse_release(download["title"])
        values = {
            "Movie Title": movie["title"],
            "Release Year": movie["year"],
            "TmdbId": movie["tmdb_id"],
            "ImdbId": movie["imdb_id"],
            "Quality Full": quality_full(new.quality, new.revision),
            "Release Group": parsed.release_group if isinstance(parsed, ParsedRelease) else None,
            "Edition Tags": parsed.edition if isinstance(parsed, ParsedRelease) else None,
        }
        folder = movie_folder(self._rules.folder_pattern, values)
        return folder, movie_file(self._rules.file_pattern, values, extension=extension)

    def _staged_before(self, journal: Mapping[str, Any] | None) -> Identity | None:
        """The staged file's identity when an import that was cut short had come so far and its file is still there."""
        if journal is None or journal["state"] != "staged":
            return None
        staged = Identity(
            device=journal["device"],
            inode=journal["inode"],
            size_bytes=journal["size_bytes"],
            mtime_ns=journal["mtime_ns"],
        )
        return staged if staged in (self._seen(journal["temp_path"]), self._seen(journal["target_path"])) else None

    def _below(self, path: str) -> str:
        """`path` as the helper wants it: relative to the root."""
        return str(Path(path).relative_to(self._root))

    def _seen(self, path: str) -> Identity | None:
        try:
            return self._helper.identity(path)
        except (SourceGone, NotRegular):
            return None

    def _stage(self, claim: Claim, journal: Mapping[str, Any], operation: Operation) -> Identity:
        transfer = "prefer-hardlink" if self._rules.transfer == "move" else self._rules.transfer
        temp, report = self._below(journal["temp_path"]), self._heard(operation.moved)
        operation.begin("copying")
        self._helper.remove(temp, root=self._root)
        staged = self._helper.stage(
            journal["source_path"], temp, root=self._root, transfer=transfer, on_progress=report
        )
        if staged.link_refusal and self._rules.transfer != "copy":
            text = f"hard links are refused here ({staged.link_refusal}): films are copied"
            if self._health.set(f"hardlink:{self._root}", text):
                self.log.warning("films are copied, not linked", root=str(self._root), reason=staged.link_refusal)
        identity = self._helper.identity(journal["temp_path"])
        try:
            with self.database.transaction() as connection:
                jobs.require(connection, claim)
                imports.staged(connection, journal["download_id"], identity=identity, method=staged.method)
        except Fenced:
            self._helper.remove(temp, root=self._root)  # nobody else knows of it
            raise
        return identity

    def _place(self, journal: Mapping[str, Any], staged: Identity, operation: Operation) -> None:
        """Give the staged file its final name, if it has not got it yet, and put the old one into the recycle bin."""
        temp, target, old_path = journal["temp_path"], journal["target_path"], journal["old_path"]
        recycle_path, report = self._below(journal["recycle_path"]), self._heard(operation.moved)
        operation.begin("placing")
        if self._seen(target) != staged or self._seen(temp) == staged:
            if old_path == target and self._seen(target) not in (None, staged):
                self._helper.replace(
                    self._below(temp), self._below(target), recycle_path, root=self._root, on_progress=report
                )
            else:
                self._helper.place(self._below(temp), self._below(target), root=self._root)
        if old_path is not None and old_path != target and self._seen(old_path) is not None:
            self._helper.recycle(self._below(old_path), recycle_path, root=self._root, on_progress=report)

    def _record(self, claim: Claim, download: Mapping[str, Any], staged: Identity) -> None:
        movie_id, download_id = MovieId(download["movie_id"]), DownloadId(download["id"])
        with self.finishing(claim) as connection:
            journal = imports.one(connection, download_id)
            assert journal is not None
            path, method = journal["target_path"], journal["method"]
            imports.done(
                connection,
                download_id,
                movie_id=movie_id,
                path=path,
                identity=staged,
                method=method,
                quality=download["quality"],
                revision=download["revision"],
                release_title=download["title"],
            )
            acquisition.imported(
                connection, movie_id, download_id, path=path, method=method, correlation_id=claim.correlation_id
            )
            if self._rules.transfer == "move":
                acquisition.remove(connection, download, with_data=True)
        self.log.info("a film was imported", movie_id=movie_id, path=path, method=method)

    def _reject(self, claim: Claim, download: Mapping[str, Any], film: NoFilm) -> None:
        """The download holds no film that may be filed: never again, and on to the next release."""
        movie_id = MovieId(download["movie_id"])
        with self.finishing(claim) as connection:
            downloads.move(
                connection,
                download["id"],
                DownloadState.FAILED,
                expected=(DownloadState.COMPLETED, DownloadState.IMPORTING),
                error=film.text,
            )
            acquisition.block(
                connection,
                movie_id,
                release_id=download["release_id"],
                infohash=download["infohash"],
                title=download["title"],
                reason=film.text,
            )
            acquisition.remove(connection, download, with_data=True)
            acquisition.failed(
                connection,
                movie_id,
                attempt=download["attempt"],
                reason=f"import: {film.reason.value}",
                error=film.text,
                policy=self.policy,
                jitter=self.chance(),
                correlation_id=claim.correlation_id,
            )
            progress.end_job(connection, claim)
        line = self.log.error if film.reason in HOSTILE else self.log.warning
        line("a download holds no film", movie_id=movie_id, release=download["title"], reason=film.text)

    def _decline(self, claim: Claim, download: Mapping[str, Any], text: str) -> None:
        with self.finishing(claim) as connection:
            downloads.move(
                connection,
                download["id"],
                DownloadState.BLOCKED,
                expected=(DownloadState.COMPLETED, DownloadState.IMPORTING),
                error=text,
            )
            downloads.end(connection, download["id"])
            progress.end_job(connection, claim)
            movies.set_state(connection, MovieId(download["movie_id"]), MovieState.IMPORTED, reason=text)
        self.log.info("a download is not imported", movie_id=download["movie_id"], reason=text)

    def _heard(self, report: Callable[[int, int], None]) -> Callable[[int, int], None]:
        """What the helper does for long is told to `report`, and to the supervisor as a sign of life."""

        def on_progress(done: int, total: int) -> None:
            self.inbox.go_on()
            report(done, total)

        return on_progress


def _held(row: Mapping[str, Any]) -> HeldRelease:
    return HeldRelease(quality=quality_named(row["quality"]), revision=Revision(**row["revision"]))
