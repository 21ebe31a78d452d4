"""An Indexer: asks one indexer for releases, judges what it answers, and fetches the torrents of those chosen.

Searches and RSS end in the same place: every release with all reasons in the decision log, and a `select` job for each
movie that something may be taken for.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from actors.address import Address
from actors.breaker import Breaker, Outage
from actors.dependency import calling, failure_of, reason_of
from actors.duty import Duty
from actors.health import HealthBoard
from actors.messages import Tick
from actors.operation import Operation
from actors.selector import IndexerTerms
from actors.worker import Failed, PutOff, Worker
from clients.errors import BadAnswer, ClientError, Gone, Refused, Unreachable
from clients.metainfo import parse_magnet, parse_torrent
from clients.torznab import LastSeen, Torznab
from clients.torznab_feed import Item
from movies.decision import Offer, Reason, Target, Verdict, decide
from movies.movie import MovieId, ReleaseId
from movies.profile import Profile
from movies.release import ParsedRelease, Unparsable, parse_release
from movies.title import clean_title
from storage import acquisition, downloads, jobs, movies, progress, releases
from storage.acquisition import ANY_CLIENT, indexer_lane, rss_duty
from storage.database import Connection
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
        terms: IndexerTerms,
        profiles: Mapping[str, Profile],
        clients: Sequence[ClientTerms],
        rss_interval_s: float,
        seed_ratio: float | None,
        seed_time_s: int | None,
        progress_writer: ProgressWriter,
        clock: Callable[[], float] = time.monotonic,
        **worker: Any,
    ) -> None:
        super().__init__(address, **worker)
        self._torznab, self._breaker, self._health, self._terms = torznab, breaker, health, terms
        self._profiles, self._clients = profiles, clients
        self._progress = progress_writer
        self._rss_interval_s, self._seed_ratio, self._seed_time_s = rss_interval_s, seed_ratio, seed_time_s
        self._duty = Duty(rss_duty(torznab.name), database=self.database, node=self.node)
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
            if self._duty.hold() and self._clock() >= self._next_feed:
                self._plan_feed()
        except (DatabaseUnavailable, Fenced):
            pass  # tried again soon
        finally:
            self.address.tell_after(self._duty.look_in_s if not self._duty.is_held else FEED_EVERY_S, Tick())

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
            targets = movies.targets(connection, self._profiles, movie_id=movie_id)
        items: list[Item] = []
        operation = Operation(f"search:{movie_id}:{self.name}", claim=claim, writer=self._progress, step="searching")
        for number, target in enumerate(targets):
            operation.counted(number, len(targets))
            with calling(self._breaker):
                items = self._torznab.search(
                    title=target.title, year=target.year, tmdb_id=target.tmdb_id, imdb_id=target.imdb_id
                )
        judged = [(item, verdict) for target in targets for item, verdict in self._judge(items, target)]
        accepted = sum(verdict.is_accepted for _, verdict in judged)
        with self.finishing(claim) as connection:
            ids = releases.record(connection, [(self._offer(item), links_of(item)) for item in items])
            log = [(ids[item.guid][0], verdict) for item, verdict in judged]
            releases.log_verdicts(connection, movie_id, log)
            name_movie(connection, movie_id, (verdict for _, verdict in judged))
            if accepted:
                acquisition.select(connection, movie_id, correlation_id=claim.correlation_id)
            progress.end_job(connection, claim)
            acquisition.search_ended(connection, movie_id)
        self.log.info("an indexer was searched", movie_id=movie_id, releases=len(items), accepted=accepted)

    def _read_feed(self, claim: Claim) -> None:
        with self.database.transaction() as connection:
            since = releases.newest_in_feed(connection, self.name)
            targets = movies.targets(connection, self._profiles)
        with calling(self._breaker):
            page = self._torznab.recent(since=since and LastSeen(guid=since[0], published_at=since[1]))
        index = TargetIndex(targets)
        found: dict[MovieId, list[tuple[Item, Verdict]]] = {}
        for item in page.items:
            offer, parsed = self._offer(item), parse_release(item.title)
            for target in index.candidates(offer, parsed):
                verdict = decide(offer, parsed, target)
                if not any(rejection.reason is Reason.MOVIE_DOES_NOT_MATCH for rejection in verdict.rejections):
                    found.setdefault(target.movie_id, []).append((item, verdict))
        with self.finishing(claim) as connection:
            ids = releases.record(connection, [(self._offer(item), links_of(item)) for item in page.items])
            for movie_id, judged in sorted(found.items()):  # in one order everywhere, since `select` locks the movie
                releases.log_verdicts(connection, movie_id, [(ids[item.guid][0], verdict) for item, verdict in judged])
                name_movie(connection, movie_id, (verdict for _, verdict in judged))
                if any(verdict.is_accepted and ids[item.guid][1] for item, verdict in judged):
                    acquisition.select(connection, movie_id, correlation_id=claim.correlation_id)
            last = page.last_seen or LastSeen(guid="", published_at=None)
            releases.remember_feed(connection, self.name, newest_guid=last.guid or None, newest_at=last.published_at)
        self.log.info("a feed was read", releases=len(page.items), movies=len(found), is_gap=page.is_gap)

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
            self._give_release_up(claim, row, error)
            return
        parsed = parse_release(row["title"])
        if isinstance(parsed, Unparsable):
            raise Failed(f"the name cannot be read: {parsed.reason}", reason="unparsable", is_permanent=True)
        with self.finishing(claim) as connection:
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
        """The first client by priority that may take it and is there; round robin comes with usenet."""
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

    def _give_release_up(self, claim: Claim, row: Mapping[str, Any], error: ClientError) -> None:
        with self.finishing(claim) as connection:
            self._block(connection, claim, row, reason=str(error))
        self.log.warning("a release was given up", release=row["title"], reason=str(error))

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

    def _judge(self, items: Iterable[Item], target: Target) -> list[tuple[Item, Verdict]]:
        return [(item, decide(self._offer(item), parse_release(item.title), target)) for item in items]

    def _offer(self, item: Item) -> Offer:
        return Offer(
            indexer=self.name,
            guid=item.guid,
            title=item.title,
            size_bytes=item.size_bytes,
            seeders=item.seeders,
            published_at=item.published_at,
            infohash=item.infohash,
            tmdb_id=item.tmdb_id,
            imdb_id=item.imdb_id,
            indexer_priority=self._terms.priority,
            minimum_seeders=self._terms.minimum_seeders,
        )


class TargetIndex:
    """Finds the movies that an offer could be for without asking each: by ids, and by cleaned title."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._by_key: dict[object, list[Target]] = {}
        for target in targets:
            keys: set[object] = {clean_title(title) for title in (target.title, *target.alternative_titles) if title}
            for key in keys | {target.tmdb_id, target.imdb_id} - {None}:
                self._by_key.setdefault(key, []).append(target)

    def candidates(self, offer: Offer, parsed: ParsedRelease | Unparsable) -> list[Target]:
        keys: set[object] = {offer.tmdb_id, offer.imdb_id}
        if isinstance(parsed, ParsedRelease):
            keys |= {parsed.tmdb_id, parsed.imdb_id}
            keys |= {clean_title(title) for title in (parsed.title, *parsed.titles)}
        found = {target.movie_id: target for key in keys - {None} for target in self._by_key.get(key, ())}
        return list(found.values())


def links_of(item: Item) -> Links:
    return Links(link=item.link, magnet=item.magnet)


def name_movie(connection: Connection, movie_id: MovieId, verdicts: Iterable[Verdict]) -> None:
    """A movie known by a bare id takes title and year of the first release that was accepted for it."""
    for verdict in verdicts:
        if verdict.is_accepted and isinstance(verdict.parsed, ParsedRelease):
            movies.name_if_unnamed(connection, movie_id, title=verdict.parsed.title, year=verdict.parsed.year)
            return


def strictest(one: Goal | None, other: Goal | None) -> Goal | None:
    """The longer of two seed goals; None asks for nothing."""
    return max((goal for goal in (one, other) if goal is not None), default=None)
