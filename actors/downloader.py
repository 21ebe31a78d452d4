"""A Downloader: one download client's hands and eyes. Adds what was grabbed and follows it until it is imported.

Every poll is one list call and one transaction. What the client does not know any more is given up only after several
good polls, because clients restart and lists are empty for a while.

Where several nodes share the client, one has the duty to poll it; each adds and removes what it is asked to.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from actors.address import Address
from actors.breaker import Breaker, BreakerOpen, Outage
from actors.dependency import calling
from actors.duty import LEASE_S, Duty
from actors.health import HealthBoard
from actors.ticker import Ticker
from actors.worker import Failed, Worker
from clients.download_client import ClientDownload, ClientState, DownloadClient, SeedGoal
from clients.errors import AuthenticationFailed, BadAnswer, ClientError, Gone, Refused
from movies.events import DownloadFailed
from movies.movie import DownloadId, DownloadState, MovieId
from storage import acquisition, downloads, events, movies, progress
from storage.acquisition import client_duty
from storage.database import Connection
from storage.errors import DatabaseUnavailable, Fenced
from storage.jobs import Claim
from storage.progress import Progress
from storage.progress_writer import ProgressWriter

MISSING_POLLS = 3
TEST_EVERY_S = 15.0
IDLE_POLL_S = 10.0
"""Between polls while there is nothing to follow; an `add` begins to at once."""

STATE_OF = {
    ClientState.QUEUED: DownloadState.QUEUED,
    ClientState.METADATA: DownloadState.METADATA,
    ClientState.DOWNLOADING: DownloadState.DOWNLOADING,
    ClientState.STALLED: DownloadState.STALLED,
    ClientState.PAUSED: DownloadState.PAUSED,
}


@dataclass(frozen=True, kw_only=True)
class StallLimits:
    """How long a download may stand still, in seconds."""

    no_progress_s: float
    metadata_s: float


@dataclass
class Watch:
    """What one download showed at earlier polls."""

    done_bytes: int = -1
    changed_at: float = 0.0
    missing: int = 0


class Downloader(Worker):
    """`remove` says what happens to an imported torrent whose seed goal is reached; `home` whose the client is."""

    def __init__(
        self,
        address: Address,
        *,
        client: DownloadClient,
        home: str,
        breaker: Breaker,
        health: HealthBoard,
        stall: StallLimits,
        remove: Literal["never", "torrent", "torrent+data"],
        poll_interval_s: float,
        progress_writer: ProgressWriter,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
        **worker: Any,
    ) -> None:
        super().__init__(address, **worker)
        self._client, self._home, self._breaker, self._health = client, home, breaker, health
        self._stall, self._remove, self._poll_interval_s = stall, remove, poll_interval_s
        self._progress, self._clock = progress_writer, clock
        self._watches: dict[DownloadId, Watch] = {}
        self._next_poll = self._next_test = 0.0
        duty = client_duty(client.name, home)
        self._duty = Duty(duty, database=self.database, node=self.node, lease_s=lease_s, clock=clock)
        self._ticker = Ticker(address, clock=clock)

    def init(self) -> None:
        self._ticker.set(0.0)

    def cleanup(self, reason: BaseException | None) -> None:
        if reason is None:
            self._duty.give_up()

    def work(self, claim: Claim) -> None:
        download_id = DownloadId(claim.payload["download_id"])
        with self.database.transaction() as connection:
            row = downloads.one(connection, download_id)
            torrent = downloads.torrent_of(connection, download_id)
        if row is None:
            raise Failed(f"download {download_id} does not exist", reason="gone", is_permanent=True)
        try:
            if claim.kind == "add":
                self._add(claim, row, torrent)
            else:
                self._take_out(claim, row)
        except AuthenticationFailed as error:
            raise Failed(str(error), reason="authentication failed") from error
        except ClientError as error:
            raise Failed(str(error), reason="download client error") from error

    def tick(self) -> None:
        if not self._ticker.is_due():
            return
        try:
            if self._has_duty() and self._clock() >= self._next_poll:
                self._poll_now()
            if self._clock() >= self._next_test:
                self._next_test = self._clock() + TEST_EVERY_S
                self._test()
        except (DatabaseUnavailable, BreakerOpen):
            pass  # the next poll sees the same and more
        except Fenced as error:
            self.log.warning("another node follows the client now", reason=str(error))
        except Outage as outage:
            self.log.debug("the download client does not answer", reason=str(outage))  # its breaker says it once
        except ClientError as error:
            self._health.set(f"client:{self._client.name}", str(error), severity="error")
        finally:
            self._ticker.set(self._next_look_s())

    def _has_duty(self) -> bool:
        """Whether this node is to poll; one that cannot reach the client leaves it to another that perhaps can."""
        has_duty = False
        if self._breaker.would_permit():
            has_duty = self._duty.hold()
        else:
            self._duty.give_up()
        if not has_duty:
            self._watches.clear()
        return has_duty

    def _next_look_s(self) -> float:
        """Until the duty or the next poll is due."""
        poll_in_s = max(0.0, self._next_poll - self._clock())
        return min(self._duty.look_in_s, poll_in_s) if self._duty.is_held else self._duty.look_in_s

    def _add(self, claim: Claim, row: Mapping[str, Any], torrent: bytes | None) -> None:
        movie_id, download_id = MovieId(row["movie_id"]), DownloadId(row["id"])
        goal = SeedGoal(ratio=row["seed_ratio"], time_s=row["seed_time_s"])
        try:
            with calling(self._breaker):
                self._client.add(
                    infohash=row["infohash"],
                    torrent=torrent,
                    magnet=row["magnet"],
                    save_name=row["title"],
                    seed_goal=goal,
                )
        except (Refused, BadAnswer, Gone) as error:
            with self.finishing(claim) as connection:
                self._failed(connection, row, reason="download client refused it", error=str(error), is_blocked=True)
            return
        with self.finishing(claim) as connection:
            acquisition.started(connection, movie_id, download_id, correlation_id=claim.correlation_id)
        self._next_poll = 0.0
        self._ticker.set(0.0)
        self.log.info("a download was started", movie_id=movie_id, release=row["title"])

    def _take_out(self, claim: Claim, row: Mapping[str, Any]) -> None:
        with self.database.transaction() as connection:
            is_wanted = downloads.is_wanted_again(connection, DownloadId(row["id"]))
        if not is_wanted:
            with calling(self._breaker):
                self._client.remove(row["infohash"], with_data=bool(claim.payload["with_data"]))
        with self.finishing(claim) as connection:
            downloads.end(connection, DownloadId(row["id"]))

    def _test(self) -> None:
        with calling(self._breaker):
            self._client.test()
        self._health.clear(f"client:{self._client.name}")

    def _poll_now(self) -> None:
        try:
            self._poll()
        finally:
            idle_s = 0.0 if self._watches else IDLE_POLL_S
            self._next_poll = self._clock() + max(self._poll_interval_s, idle_s)

    def _poll(self) -> None:
        with self.database.transaction() as connection:
            rows = downloads.watched(connection, node=self._home, client=self._client.name)
        self._watches = {row["id"]: self._watches.get(row["id"], Watch()) for row in rows}
        if not rows:
            return
        with calling(self._breaker):
            listed = self._client.downloads(also=frozenset(row["infohash"] for row in rows))
        seen = {download.infohash: download for download in listed}
        running: list[Progress] = []
        with self.database.transaction() as connection:
            self._duty.require(connection)
            for row in rows:
                if (found := self._follow(connection, row, seen.get(row["infohash"]))) is not None:
                    running.append(found)
        for found in running:
            self._progress.show(found)

    def _follow(self, connection: Connection, row: Mapping[str, Any], seen: ClientDownload | None) -> Progress | None:
        """Write what the poll showed of one download; returns its progress while it runs."""
        watch, state = self._watches[row["id"]], DownloadState(row["state"])
        if state is DownloadState.GRABBING:
            return None
        watch.missing = 0 if seen else watch.missing + 1
        if seen is None:
            if watch.missing >= MISSING_POLLS:
                self._vanished(connection, row, state)
            return None
        if state not in acquisition.RUNNING:
            if state is DownloadState.IMPORTED:
                self._after_import(connection, row, seen)
            return None
        if seen.state is ClientState.FAILED:
            self._failed(connection, row, reason="download failed", error=seen.error or "the client reports an error")
            return None
        if seen.state is ClientState.COMPLETED:
            self._completed(connection, row, seen)
            return None
        if stalled := self._stalled(watch, seen):
            self._failed(connection, row, reason="download stalled", error=stalled)
            return None
        now = STATE_OF[seen.state]
        if now is not state:
            downloads.move(connection, row["id"], now, expected=(state,), error=seen.error)
        return Progress(
            operation=f"download:{row['id']}",
            movie_id=MovieId(row["movie_id"]),
            step=now.value,
            done_bytes=seen.done_bytes,
            total_bytes=seen.size_bytes or row["size_bytes"] or 0,
            rate_bytes_s=seen.rate_bytes_s,
            eta_s=seen.eta_s,
            download_id=DownloadId(row["id"]),
        )

    def _completed(self, connection: Connection, row: Mapping[str, Any], seen: ClientDownload) -> None:
        movie_id = MovieId(row["movie_id"])
        movie = movies.one(connection, movie_id)
        if movie is None or seen.content_path is None:
            return
        if acquisition.completed(
            connection,
            movie_id,
            DownloadId(row["id"]),
            content_path=seen.content_path,
            size_bytes=seen.size_bytes,
            root=movie["root"],
            node=self._home,
            correlation_id=row["correlation_id"],
        ):
            cid = row["correlation_id"]
            self.log.info("a download is complete", movie_id=movie_id, release=row["title"], correlation_id=cid)

    def _stalled(self, watch: Watch, seen: ClientDownload) -> str | None:
        """Why the download is given up, None while it may go on. A paused one is somebody's wish."""
        now = self._clock()
        if seen.done_bytes != watch.done_bytes or seen.state in (ClientState.PAUSED, ClientState.QUEUED):
            watch.done_bytes, watch.changed_at = seen.done_bytes, now
            return None
        limit_s = self._stall.metadata_s if seen.state is ClientState.METADATA else self._stall.no_progress_s
        if now - watch.changed_at < limit_s:
            return None
        what = "no metadata" if seen.state is ClientState.METADATA else "no progress"
        return f"{what} for {limit_s:.0f} s at {seen.done_bytes} of {seen.size_bytes} bytes"

    def _vanished(self, connection: Connection, row: Mapping[str, Any], state: DownloadState) -> None:
        if state in acquisition.RUNNING:
            error = f"{self._client.name} does not know it any more"
            self._failed(connection, row, reason="download client lost it", error=error)
        elif state is DownloadState.IMPORTED:
            downloads.end(connection, DownloadId(row["id"]))

    def _after_import(self, connection: Connection, row: Mapping[str, Any], seen: ClientDownload) -> None:
        if self._remove == "never":
            downloads.end(connection, DownloadId(row["id"]))
        elif seen.is_seed_goal_reached:
            acquisition.remove(connection, row, with_data=self._remove == "torrent+data")

    def _failed(
        self, connection: Connection, row: Mapping[str, Any], *, reason: str, error: str, is_blocked: bool = False
    ) -> None:
        """The download came to nothing: out of the client with it, and the acquisition goes on without."""
        movie_id = MovieId(row["movie_id"])
        if not downloads.move(connection, row["id"], DownloadState.FAILED, expected=acquisition.RUNNING, error=error):
            return
        progress.end(connection, f"download:{row['id']}")
        movies.lock(connection, movie_id)
        events.emit(
            connection,
            DownloadFailed(download_id=DownloadId(row["id"]), client=self._client.name, reason=reason, error=error),
            movie_id=movie_id,
            correlation_id=row["correlation_id"],
        )
        if is_blocked:
            acquisition.block(
                connection,
                movie_id,
                release_id=row["release_id"],
                infohash=row["infohash"],
                title=row["title"],
                reason=error,
            )
        acquisition.remove(connection, row, with_data=True)
        acquisition.failed(
            connection,
            movie_id,
            attempt=row["attempt"],
            reason=reason,
            error=error,
            policy=self.policy,
            jitter=self.chance(),
            correlation_id=row["correlation_id"],
        )
        cid, title = row["correlation_id"], row["title"]
        self.log.warning("a download failed", movie_id=movie_id, release=title, reason=error, correlation_id=cid)
