"""An Importer: brings finished downloads into one root folder, by journaled steps that a crash may cut anywhere.

plan -> stage under a temporary name in the target folder -> give the final name -> recycle the old file -> record. The
journal says which step was last; taking it again is harmless.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actors.address import Address
from actors.breaker import Breaker
from actors.health import HealthBoard
from actors.judge import Judge
from actors.messages import Tick
from actors.operation import Operation
from actors.root_files import RootFiles
from actors.root_watch import RootWatch
from actors.worker import Failed, PutOff, Worker
from clients.download_client import PathMapping, local_path
from movies.files import NoFilm, NoFilmReason, extension_of
from movies.movie import DownloadId, DownloadState, MovieId, MovieState
from movies.naming import movie_file, movie_folder, quality_full
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
        judge: Judge,
        helper: FileHelper,
        breaker: Breaker,
        health: HealthBoard,
        progress_writer: ProgressWriter,
        **worker: Any,
    ) -> None:
        super().__init__(address, **worker)
        self._root, self._rules, self._judge = root, rules, judge
        self._helper, self._breaker, self._health, self._progress = helper, breaker, health, progress_writer
        self._files = RootFiles(root, helper=helper, transfer=rules.transfer, on_life=self.inbox.go_on)
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
            jobs.require(connection, claim)  # else the journal may be another's by now, and what it names, too
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
            staged = self._files.staged_before(journal)
            if journal is None or staged is None:
                if journal is not None:  # planned otherwise then, it may have another name now
                    self._files.remove(journal["temp_path"])
                journal = self._plan(claim, download, operation)
                if journal is None:
                    return
                self.inbox.go_on()
                staged = self._files.staged_before(journal) or self._stage(claim, journal, operation)
            self.inbox.go_on()
            self._files.place(journal, staged, operation, permit=lambda: self._require(claim))
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
        source = self._files.film(path, operation)
        if isinstance(source, NoFilm):
            self._reject(claim, download, source)
            return None
        download_id, movie_id = DownloadId(download["id"]), MovieId(download["movie_id"])
        with self.database.transaction() as connection:
            movie = movies.one(connection, movie_id)
            file = imports.file_of(connection, movie_id)
        assert movie is not None
        if file and (why := self._judge.why_no_upgrade(download, over=file, profile_name=movie["profile"])):
            self._decline(claim, download, f"not an upgrade: {why}")
            return None
        self._watch.require_room()
        folder, name = self._target(movie, download, extension=extension_of(source))
        self._files.make_folder(folder)
        recycle = f"{self._rules.recycle_bin}/{download_id}"
        target = str(self._root / folder / name)
        old_path = self._old_path(movie_id, file)
        if old_path is not None:
            self._files.make_folder(recycle)
        there = self._files.same_film(target, source, operation) if target != old_path else None
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
            if there is not None:
                imports.staged(connection, download_id, identity=there[0], method=there[1])
            return imports.one(connection, download_id)

    def _require(self, claim: Claim) -> None:
        """Raises Fenced when the job is another's."""
        with self.database.transaction() as connection:
            jobs.require(connection, claim)

    def _old_path(self, movie_id: MovieId, file: Mapping[str, Any] | None) -> str | None:
        """The movie's present file, if it is this root's to recycle."""
        if file is None:
            return None
        if not Path(file["path"]).is_relative_to(self._root):
            self.log.warning("the old file stays: it lies in another root", movie_id=movie_id, path=file["path"])
            return None
        return str(file["path"])

    def _target(self, movie: Mapping[str, Any], download: Mapping[str, Any], *, extension: str) -> tuple[str, str]:
        quality, parsed = quality_named(download["quality"]), parse_release(download["title"])
        values = {
            "Movie Title": movie["title"],
            "Release Year": movie["year"],
            "TmdbId": movie["tmdb_id"],
            "ImdbId": movie["imdb_id"],
            "Quality Full": quality_full(quality, Revision(**download["revision"])),
            "Release Group": parsed.release_group if isinstance(parsed, ParsedRelease) else None,
            "Edition Tags": parsed.edition if isinstance(parsed, ParsedRelease) else None,
        }
        folder = movie_folder(self._rules.folder_pattern, values)
        return folder, movie_file(self._rules.file_pattern, values, extension=extension)

    def _stage(self, claim: Claim, journal: Mapping[str, Any], operation: Operation) -> Identity:
        staged, identity = self._files.stage(journal, operation)
        if staged.link_refusal and self._rules.transfer != "copy":
            text = f"hard links are refused here ({staged.link_refusal}): films are copied"
            if self._health.set(f"hardlink:{self._root}", text):
                self.log.warning("films are copied, not linked", root=str(self._root), reason=staged.link_refusal)
        try:
            with self.database.transaction() as connection:
                jobs.require(connection, claim)
                imports.staged(connection, journal["download_id"], identity=identity, method=staged.method)
        except Fenced:
            self._files.remove(journal["temp_path"])  # nobody else knows of it
            raise
        return identity

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
                facts=download["facts"],
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
