"""An Indexer: asks one indexer for releases, judges what it answers, and fetches the torrents of those chosen.

Searches and RSS end in the same place: every release with all reasons in the decision log, and a `select` job for each
movie that something may be taken for.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from actors.address import Address
from actors.breaker import Breaker, Outage
from actors.dependency import calling, failure_of, reason_of
from actors.duty import Duty
from actors.health import HealthBoard
from actors.judge import Judge
from actors.messages import Tick
from actors.offers import Parsed, name_movie, read_items
from actors.operation import Operation
from actors.worker import Failed, PutOff, Worker
from clients.errors import BadAnswer, ClientError, Gone, Refused, Unreachable
from clients.metainfo import parse_magnet, parse_torrent
from clients.torznab import LastSeen, Torznab
from movies.format_facts import format_facts
from movies.movie import MovieId, ReleaseId
from movies.release import Unparsable, parse_release
from movies.verdict import Verdict
from storage import acquisition, decisions, downloads, jobs, movies, nodes, progress, releases
from storage.acquisition import ANY_CLIENT, indexer_lane, rss_duty
from storage.database import Connection
from storage.decisions import Decision
from storage.errors import DatabaseUnavailable, Fenced
from storage.jobs import Claim
from storage.progress_writer import ProgressWriter
from storage.releases import Links

CLIENT_WAIT_S = 5.0
FEED_EVERY_S = 1.0
Goal = TypeVar("Goal", int, float)


@dataclass(frozen=True, kw_only=True)
class ClientTerms:
    """What choosing a download client must know of one, and its own seed goal."""

    name: str
    home: str
    priority: int
    breaker: Breaker
    accepts_private: bool
    seed_ratio: float | None
    seed_time_s: int | None


@dataclass(frozen=True, kw_only=True)
class FetchedTorrent:
    """What a `fetch` brought: a torrent file, or a magnet link."""

    infohash: str
    torrent: bytes | None
    magnet: str | None
    size_bytes: int | None
    is_private: bool


class Indexer(Worker):
    """`torznab` is made by the supervisor, with its own limits; `clients` are those a grab may go to."""

    def __init__(
        self,
        address: Address,
        *,
        torznab: Torznab,
        breaker: Breaker,
        health: HealthBoard,
        judge: Judge,
        clients: Sequence[ClientTerms],
        rss_interval_s: float,
        seed_ratio: float | None,
        seed_time_s: int | None,
        progress_writer: ProgressWriter,
        lease_s: float,
        clock: Callable[[], float] = time.monotonic,
        **worker: Any,
    ) -> None:
        super().__init__(address, **worker)
        self._torznab, self._breaker, self._health = torznab, breaker, health
        self._judge, self._clients = judge, clients
        self._progress = progress_writer
        self._rss_interval_s, self._seed_ratio, self._seed_time_s = rss_interval_s, seed_ratio, seed_time_s
        self._duty = Duty(rss_duty(torznab.name), database=self.database, node=self.node, lease_s=lease_s)
        self._clock, self._next_feed = clock, 0.0

    @property
    def name(self) -> str:
        return self._torznab.name

    def init(self) -> None:
        self.address.tell_after(0.0, Tick())

    def cleanup(self, reason: BaseException | None) -> None:
        if reason is None:
            self._duty.give_up()

    def tick(self) -> None:
        """See that the next look at the feed is in the queue, while that is this node's duty."""
        try:
            if self._is_anothers():
                self._duty.give_up()
            elif self._duty.hold() and self._clock() >= self._next_feed:
                self._plan_feed()
        except (DatabaseUnavailable, Fenced):
            pass  # tried again soon
        finally:
            self.address.tell_after(self._duty.look_in_s if not self._duty.is_held else FEED_EVERY_S, Tick())

    def _is_anothers(self) -> bool:
        """Whether the indexer is out of reach here, and another node may reach it."""
        if self._breaker.would_permit():
            return False
        with self.database.transaction() as connection:
            return nodes.has_another_that_reaches(connection, indexer_lane(self.name), node=self.node)

    def _plan_feed(self) -> None:
        """The job is this node's, where one comes after the other; one that waits for a node that is gone, too."""
        with self.database.transaction() as connection:
            self._duty.require(connection)
            ago_s = releases.last_synced_s(connection, self.name)
            due_in_s = 0.0 if ago_s is None else self._rss_interval_s - ago_s
            jobs.enqueue(
                connection,
                "rss",
                lane=indexer_lane(self.name),
                node=self.node,
                payload={},
                unique_key=f"rss:{self.name}",
                correlation_id=f"rss-{random.getrandbits(32):08x}",
                delay_s=max(0.0, due_in_s),
            )
            releases.take_feed_over(connection, self.name, node=self.node)
        self._next_feed = self._clock() + max(FEED_EVERY_S, min(60.0, self._rss_interval_s / 4))

    def work(self, claim: Claim) -> None:
        try:
            match claim.kind:
                case "search":
                    self._search(claim)
                case "rss":
                    self._read_feed(claim)
                case "fetch":
                    self._fetch(claim)
                case _:
                    raise Failed(f"unknown kind of job {claim.kind}", reason="unknown kind", is_permanent=True)
        except ClientError as error:
            if isinstance(error, BadAnswer):
                self.metrics.refused_answers.labels(indexer=self.name, reason=error.reason.value).inc()
            self._health.set(f"{indexer_lane(self.name)}:answers", f"{self.name} cannot be used: {error}")
            if claim.kind == "rss":
                self._skip_feed(claim, error)
                return
            raise failure_of(error) from error
        if claim.kind in ("rss", "search"):
            self._health.clear(f"{indexer_lane(self.name)}:answers")

    def came_to_nothing(self, connection: Connection, claim: Claim) -> None:
        """Others may have answered: do not keep the movie waiting for this indexer."""
        if claim.kind == "search" and claim.movie_id is not None:
            progress.end_job(connection, claim)
            acquisition.search_ended(connection, claim.movie_id)

    def _search(self, claim: Claim) -> None:
        movie_id = MovieId(claim.payload["movie_id"])
        with self.database.transaction() as connection:
            known = self._judge.one(connection, movie_id)
        offers: list[Parsed] = []
        links: dict[str, Links] = {}
        operation = Operation(f"search:{movie_id}:{self.name}", claim=claim, writer=self._progress, step="searching")
        if known is not None:
            target = known.target
            operation.counted(0, 1)
            with calling(self._breaker):
                items = self._torznab.search(
                    title=target.title, year=target.year, tmdb_id=target.tmdb_id, imdb_id=target.imdb_id
                )
            offers, links = read_items(items)
        with self.database.transaction() as connection:
            judged = self._judge.one(connection, movie_id, offers)
        verdicts = judged.verdicts if judged else []
        with self.finishing(claim) as connection:
            ids = self._record(connection, offers, links)
            self._log_verdicts(connection, movie_id, verdicts, ids)
            if any(verdict.is_accepted or verdict.is_pending for verdict in verdicts):
                acquisition.select(connection, movie_id, correlation_id=claim.correlation_id)
            progress.end_job(connection, claim)
            acquisition.search_ended(connection, movie_id)
        accepted = sum(verdict.is_accepted for verdict in verdicts)
        self.log.info("an indexer was searched", movie_id=movie_id, releases=len(offers), accepted=accepted)

    def _read_feed(self, claim: Claim) -> None:
        with self.database.transaction() as connection:
            since = releases.newest_in_feed(connection, self.name)
        with calling(self._breaker):
            page = self._torznab.recent(since=since and LastSeen(guid=since[0], published_at=since[1]))
        offers, links = read_items(page.items)
        with self.database.transaction() as connection:
            found = self._judge.page(connection, offers)
        with self.finishing(claim) as connection:
            ids = self._record(connection, offers, links)
            for movie_id, judged in sorted(found.items()):  # in one order everywhere, since `select` locks the movie
                self._log_verdicts(connection, movie_id, judged.verdicts, ids)
                new = [verdict for verdict in judged.verdicts if ids[verdict.offer.guid][1]]
                if new:
                    seen = [ids[verdict.offer.guid][0] for verdict in judged.verdicts]
                    decisions.record(connection, Decision(movie_id=movie_id, target=judged.known, judged=seen))
                if any(verdict.is_accepted or verdict.is_pending for verdict in new):
                    acquisition.select(connection, movie_id, correlation_id=claim.correlation_id)
            last = page.last_seen or LastSeen(guid="", published_at=None)
            releases.remember_feed(connection, self.name, newest_guid=last.guid or None, newest_at=last.published_at)
        self.log.info("a feed was read", releases=len(page.items), movies=len(found), is_gap=page.is_gap)

    def _record(
        self, connection: Connection, offers: Sequence[Parsed], links: Mapping[str, Links]
    ) -> dict[str, tuple[ReleaseId, bool]]:
        return releases.record(connection, [(offer, links[offer.guid]) for offer, _ in offers])

    def _log_verdicts(
        self,
        connection: Connection,
        movie_id: MovieId,
        verdicts: Sequence[Verdict],
        ids: Mapping[str, tuple[ReleaseId, bool]],
    ) -> None:
        decisions.log_verdicts(connection, movie_id, [(ids[verdict.offer.guid][0], verdict) for verdict in verdicts])
        name_movie(connection, movie_id, verdicts)

    def _skip_feed(self, claim: Claim, error: ClientError) -> None:
        """A feed that cannot be read is looked at again at its next time, not at once and not as a dead letter."""
        with self.finishing(claim) as connection:
            releases.remember_feed(connection, self.name, newest_guid=None, newest_at=None)
        self.log.warning("a feed cannot be read", reason=str(error))

    def _fetch(self, claim: Claim) -> None:
        movie_id, release_id = MovieId(claim.payload["movie_id"]), ReleaseId(claim.payload["release_id"])
        with self.database.transaction() as connection:
            row = releases.one(connection, release_id)
        if row is None:
            raise Failed(f"there is no release {release_id}", reason="gone", is_permanent=True)
        try:
            fetched = self._fetch_torrent(row["link"], row["magnet"])
            client = self._choose_client(fetched)
        except ClientError as error:
            is_last = self.policy.of(reason_of(error)).is_spent(claim.attempt)
            is_final = is_last or isinstance(error, Refused | Gone | BadAnswer)
            if not is_final:
                raise failure_of(error) from error
            self._give_release_up(claim, row, str(error))
            return
        if self._is_blocked(movie_id, fetched):
            self._give_release_up(claim, row, "its torrent is on the blocklist")
            return
        parsed = parse_release(row["title"])
        if isinstance(parsed, Unparsable):
            raise Failed(f"the name cannot be read: {parsed.reason}", reason="unparsable", is_permanent=True)
        with self.finishing(claim) as connection:
            movie = movies.one(connection, movie_id)
            language = movie["original_language"] if movie else None
            download_id = downloads.intend(
                connection,
                movie_id=movie_id,
                release_id=release_id,
                node=client.home,
                client=client.name,
                infohash=fetched.infohash,
                title=row["title"],
                quality=parsed.quality,
                revision=parsed.revision,
                facts=format_facts(releases.offer_of(row), parsed, original_language=language),
                torrent=fetched.torrent,
                magnet=fetched.magnet,
                attempt=claim.payload["attempt"],
                size_bytes=fetched.size_bytes,
                seed_ratio=strictest(self._seed_ratio, client.seed_ratio),
                seed_time_s=strictest(self._seed_time_s, client.seed_time_s),
                correlation_id=claim.correlation_id,
            )
            if download_id is None:
                self._already_there(connection, claim, row, client, fetched.infohash)
                return
            acquisition.grabbed(
                connection,
                movie_id,
                download_id,
                client=client.name,
                node=client.home,
                correlation_id=claim.correlation_id,
            )
        self.log.info("a release was grabbed", movie_id=movie_id, release=row["title"], client=client.name)

    def _fetch_torrent(self, link: str | None, magnet: str | None) -> FetchedTorrent:
        if link is None and magnet is None:
            raise Gone("the release offers neither a torrent nor a magnet link")
        torrent = None
        if link is not None:
            with self._breaker.call():
                try:
                    found = self._torznab.fetch_torrent(link, magnet=magnet)
                except Unreachable as error:  # any other error is one of this link, and says nothing of the indexer
                    raise Outage(str(error)) from error
            torrent, magnet = found.torrent, found.magnet
        if torrent is None:
            parsed = parse_magnet(magnet or "")
            return FetchedTorrent(
                infohash=parsed.infohash, torrent=None, magnet=parsed.uri, size_bytes=None, is_private=False
            )
        metainfo = parse_torrent(torrent)
        return FetchedTorrent(
            infohash=metainfo.infohash,
            torrent=torrent,
            magnet=None,
            size_bytes=metainfo.size_bytes,
            is_private=metainfo.is_private,
        )

    def _choose_client(self, fetched: FetchedTorrent) -> ClientTerms:
        """The first client by priority that may take it and is there."""
        able = [client for client in self._clients if client.accepts_private or not fetched.is_private]
        if not able and self._clients:
            raise Refused("the torrent is private, and no download client is allowed to take those")
        reachable = [client for client in able if client.breaker.would_permit()]
        if not reachable:
            raise PutOff("no download client can be reached", waiting_for=ANY_CLIENT, delay_s=CLIENT_WAIT_S)
        return min(reachable, key=lambda client: client.priority)

    def _already_there(
        self, connection: Connection, claim: Claim, row: Mapping[str, Any], client: ClientTerms, infohash: str
    ) -> None:
        """The client has this torrent of ours: for this movie (all is well), or for another (so not for this one)."""
        movie_id = MovieId(claim.payload["movie_id"])
        owner = downloads.owner_of(connection, node=client.home, client=client.name, infohash=infohash)
        if owner == movie_id:
            movies.settle(connection, movie_id, reason="this torrent is downloaded already")
        else:
            self._block(connection, claim, row, reason=f"its torrent is downloaded for movie {owner}")

    def _is_blocked(self, movie_id: MovieId, fetched: FetchedTorrent) -> bool:
        """Its indexer told no hash, or another name is offered for the same torrent."""
        with self.database.transaction() as connection:
            return acquisition.is_blocked(connection, movie_id, infohash=fetched.infohash)

    def _give_release_up(self, claim: Claim, row: Mapping[str, Any], reason: str) -> None:
        with self.finishing(claim) as connection:
            self._block(connection, claim, row, reason=reason)
        self.log.warning("a release was given up", release=row["title"], reason=reason)

    def _block(self, connection: Connection, claim: Claim, row: Mapping[str, Any], *, reason: str) -> None:
        """Never take this release for the movie again, and spend an attempt on the next."""
        movie_id = MovieId(claim.payload["movie_id"])
        acquisition.block(
            connection,
            movie_id,
            release_id=ReleaseId(row["id"]),
            infohash=row["infohash"],
            title=row["title"],
            reason=reason,
        )
        acquisition.failed(
            connection,
            movie_id,
            attempt=claim.payload["attempt"],
            reason="release refused",
            error=reason,
            policy=self.policy,
            jitter=self.chance(),
            correlation_id=claim.correlation_id,
        )


def strictest(one: Goal | None, other: Goal | None) -> Goal | None:
    """The longer of two seed goals; None asks for nothing."""
    return max((goal for goal in (one, other) if goal is not None), default=None)
