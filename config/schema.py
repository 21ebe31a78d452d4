"""Every table and key of config.toml with its default. An empty file is a working daemon."""

import re
import socket
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator

from config.format_tables import Flag, FormatTable
from config.guide import Guide, read_guide
from config.judgement import (
    Delay,
    FormatName,
    MinimumAvailability,
    ProfileTable,
    Restriction,
    Selection,
    Sizes,
    TrashGuides,
)
from config.profiles import draft_of, merged_formats
from config.schedules import Schedules
from config.strings import (
    FailureReason,
    FilePattern,
    FolderInRoot,
    FolderPattern,
    HttpUrl,
    ImdbId,
    JobKind,
    ListenAddress,
    Name,
    TimeOfDay,
    TimeZone,
    WantedTitle,
)
from config.table import Array, NonEmptyArray, Table
from config.units import MAX_WINDOW_CALLS, Bytes, CallWindow, FilePath, Seconds, Secret, Window
from movies.availability import Availability
from movies.custom_format import CustomFormat
from movies.failure import ReasonChange, RetryPolicy, taxonomy
from movies.movie import WantedMovie, parse_wanted
from movies.profile import BUILTIN_PROFILES, Profile

MAX_INT32 = 2**31 - 1

TmdbId = Annotated[int, Field(gt=0, le=MAX_INT32)]
Rate = Annotated[Bytes, Field(le=MAX_INT32)]
"""Bytes a second; libtorrent counts them in 32 bits."""

Share = Annotated[float, Field(gt=0, le=1)]


def _host_name() -> str:
    """This machine's name as far as a node may bear it."""
    first = socket.gethostname().split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]", "-", first).strip("-_")[:63] or "node"


class Daemon(Table):
    node: Name = Field(default_factory=_host_name)
    data_dir: FilePath = Field(default=Path("data"), validate_default=True)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    timezone: TimeZone = ""
    start_wait: Seconds = Field(default=10.0, ge=0, le=600)
    hang_limit: Seconds = Field(default=30.0, ge=5, le=3600)
    debug: bool = False


class Storage(Table):
    dsn: Secret = SecretStr("")
    call_limit: Seconds = Field(default=5.0, gt=0)
    keep_jobs: Seconds = Field(default=7 * 86400.0, ge=60)
    keep_events: Seconds = Field(default=7 * 86400.0, ge=60)
    keep_history: Seconds = Field(default=90 * 86400.0, ge=86400)


class Backup(Table):
    daily: TimeOfDay = "03:30"
    before_migration: bool = True
    folder: FilePath | None = None
    binaries: FilePath | None = None


class Api(Table):
    listen: ListenAddress = "127.0.0.1:7878"
    api_key: Secret = SecretStr("")

    @field_validator("api_key")
    @classmethod
    def _long_enough(cls, value: Secret) -> Secret:
        text = value.get_secret_value()
        if text and (len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text):
            raise ValueError("expected at least 16 ASCII characters without spaces")
        return value

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class RetryReason(Table):
    """What differs from the defaults of one reason."""

    base: Seconds | None = Field(default=None, gt=0)
    growth: float | None = Field(default=None, ge=1, le=100)
    retries: int | None = Field(default=None, ge=0, le=100)


class Retry(Table):
    """`base` and `retries` hold for every reason where they are given; else each has its own."""

    base: Seconds | None = Field(default=None, gt=0)
    retries: int | None = Field(default=None, ge=0, le=100)
    growth: float = Field(default=2.0, ge=1, le=100)
    cap: Seconds = Field(default=86400.0, gt=0)
    jitter: float = Field(default=0.5, ge=0, le=1)
    reasons: dict[FailureReason, RetryReason] = Field(default_factory=dict)

    @property
    def policy(self) -> RetryPolicy:
        return taxonomy(
            RetryPolicy(growth=self.growth, cap_s=self.cap, jitter_ratio=self.jitter),
            base_s=self.base,
            retries=self.retries,
            own={
                reason: ReasonChange(base_s=table.base, growth=table.growth, retries=table.retries)
                for reason, table in self.reasons.items()
            },
        )


class QueueTable(Table):
    limits: dict[JobKind, Annotated[int, Field(ge=1, le=1000)]] = Field(default_factory=dict)
    lease: Seconds = Field(default=30.0, ge=6, le=3600)

    @property
    def duty_lease_s(self) -> float:
        """A standing duty does without its node for half as long as a job."""
        return self.lease / 2


class Breaker(Table):
    window: Window = CallWindow(kind="count", size=3)
    minimum_calls: int = Field(default=3, ge=1, le=MAX_WINDOW_CALLS)
    failure_rate: Share = 1.0
    slow_call: Seconds = Field(default=60.0, gt=0)
    slow_rate: Share = 1.0
    half_open_calls: int = Field(default=1, ge=1, le=100)
    wait: Seconds = Field(default=10.0, gt=0)
    max_wait: Seconds = Field(default=600.0, gt=0)


class Root(Table):
    path: FilePath = Field(default=Path("library"), validate_default=True)
    min_free: Bytes = 2**30


class Import(Table):
    transfer: Literal["hardlink-only", "prefer-hardlink", "copy", "move"] = "prefer-hardlink"
    recycle_bin: FolderInRoot = ".understudy/recycle"
    progress_limit: Seconds = Field(default=30.0, ge=1)


class Naming(Table):
    folder: FolderPattern = "{Movie Title} ({Release Year})"
    file: FilePattern = "{Movie Title} ({Release Year}) {Quality Full}"


class Limits(Table):
    every: Seconds = Field(default=2.0, ge=0)


class SeedUntil(Table):
    ratio: float | None = Field(default=None, ge=0, le=1_000_000)
    time: Seconds | None = None

    @property
    def time_s(self) -> int | None:
        """Whole seconds, as clients count them."""
        return None if self.time is None else int(self.time)


class Indexer(Table):
    name: Name
    type: Literal["torznab"] = "torznab"
    url: HttpUrl
    api_key: Secret = SecretStr("")
    priority: int = Field(default=25, ge=1, le=50)
    categories: Array[Annotated[int, Field(ge=0, le=MAX_INT32)]] = (2000,)
    minimum_seeders: int = Field(default=1, ge=0)
    rss_interval: Seconds = Field(default=1800.0, ge=1)
    timeout: Seconds = Field(default=60.0, gt=0, le=70)
    limits: Limits = Limits()
    seed_until: SeedUntil = SeedUntil()
    required_flags: Array[Flag] = ()
    tags: Array[Name] = ()


class DownloadClientTable(Table):
    name: Name
    priority: int = Field(default=1, ge=1, le=50)
    poll_interval: Seconds = Field(default=2.0, gt=0)
    remove: Literal["never", "torrent", "torrent+data"] = "never"
    seed_until: SeedUntil = SeedUntil()


class PathMapping(Table):
    remote: str = Field(min_length=1)
    local: FilePath


class Builtin(DownloadClientTable):
    type: Literal["builtin"]
    download_dir: FilePath = Field(default=Path("downloads"), validate_default=True)
    bind: str = ""
    port: int = Field(default=0, ge=0, le=65535)
    allow_private: bool = False
    download_limit: Rate = 0
    upload_limit: Rate = 0


class QBittorrent(DownloadClientTable):
    type: Literal["qbittorrent"]
    url: HttpUrl
    username: str = "admin"
    password: Secret = SecretStr("")
    category: str = Field(default="understudy", min_length=1)
    shared: bool = True
    path_mappings: Array[PathMapping] = ()


DownloadClient = Annotated[Builtin | QBittorrent, Field(discriminator="type")]


class Stall(Table):
    no_progress: Seconds = Field(default=1800.0, gt=0)
    metadata: Seconds = Field(default=600.0, gt=0)


class Wanted(Table):
    profile: str | None = None
    root: FilePath | None = None
    tmdb: Array[TmdbId] = ()
    imdb: Array[ImdbId] = ()
    titles: Array[WantedTitle] = ()
    tags: Array[Name] = ()
    minimum_availability: MinimumAvailability = Availability.RELEASED

    def movies(self, *, profile: str, root: str) -> list[WantedMovie]:
        identities: list[dict[str, Any]] = [{"tmdb_id": tmdb_id} for tmdb_id in self.tmdb]
        identities += [{"imdb_id": imdb_id} for imdb_id in self.imdb]
        identities += [dict(zip(("title", "year"), parse_wanted(text), strict=True)) for text in self.titles]
        return [
            WantedMovie(
                **identity,
                profile=profile,
                root=root,
                tags=self.tags,
                minimum_availability=self.minimum_availability,
            )
            for identity in identities
        ]


def _as_written(value: Any) -> Any:
    """A default that is read as if it stood in the file: its paths begin at the file's folder."""
    return Field(default_factory=lambda: value, validate_default=True)


class Config(Table):
    """The whole file, checked: names are unique, and what one table names in another exists."""

    daemon: Daemon = _as_written({})
    storage: Storage = Storage()
    backup: Backup = Backup()
    schedules: Schedules = Schedules()
    api: Api = Api()
    queue: QueueTable = QueueTable()
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    roots: NonEmptyArray[Root] = _as_written([{}])
    import_: Import = Field(default=Import(), alias="import")
    naming: Naming = Naming()
    indexers: Array[Indexer] = ()
    download_clients: Array[DownloadClient] = _as_written([{"name": "builtin", "type": "builtin"}])
    stall: Stall = Stall()
    trash_guides: TrashGuides = _as_written({})
    profiles: dict[Name, ProfileTable] = Field(default_factory=dict)
    formats: dict[FormatName, FormatTable] = Field(default_factory=dict)
    sizes: Sizes = Sizes()
    selection: Selection = Selection()
    delays: Array[Delay] = ()
    restrictions: Array[Restriction] = ()
    wanted: dict[Name, Wanted] = Field(default_factory=dict)

    @cached_property
    def guide(self) -> Guide:
        """The guides, read from their folder when first asked for; without files if nothing in the file names them."""
        tables: list[ProfileTable | FormatTable] = [*self.profiles.values(), *self.formats.values()]
        is_used = self.sizes.trash is not None or any(table.trash_id is not None for table in tables)
        return read_guide(self.trash_guides.path) if is_used else Guide(folder=self.trash_guides.path)

    @cached_property
    def all_profiles(self) -> dict[str, Profile]:
        """The built-in profiles and the file's own, which win over them."""
        own = {name: draft_of(table, self.guide).profile(name) for name, table in self.profiles.items()}
        return {**BUILTIN_PROFILES, **own}

    @cached_property
    def all_formats(self) -> dict[str, CustomFormat]:
        """The file's custom formats, and those that its profiles bring from the guides."""
        return merged_formats(self.formats, self.profiles, self.guide)

    def wanted_movies(self) -> list[tuple[str, WantedMovie]]:
        """Every movie the file asks for, with its block's name; profile and root filled in."""
        root = str(self.roots[0].path)
        return [
            (block, movie)
            for block, table in self.wanted.items()
            for movie in table.movies(profile=table.profile or block, root=str(table.root or root))
        ]
