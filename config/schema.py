"""Every table and key of config.toml with its default. An empty file is a working daemon."""

import socket
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from config.units import Bytes, FilePath, Seconds, Secret
from movies.errors import UnknownQuality
from movies.movie import WantedMovie, parse_wanted
from movies.profile import BUILTIN_PROFILES, Profile
from movies.quality import quality_named

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError('expected an address such as "http://127.0.0.1:9117/api"')
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class Table(BaseModel):
    """A table of the file: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Daemon(Table):
    node: Name = Field(default_factory=lambda: socket.gethostname().split(".")[0] or "node")
    data_dir: FilePath = Field(default=Path("data"), validate_default=True)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    debug: bool = False


class Storage(Table):
    dsn: Secret = SecretStr("")
    call_limit: Seconds = Field(default=5.0, gt=0)


class Api(Table):
    listen: str = "127.0.0.1:7878"
    api_key: Secret = SecretStr("")

    @field_validator("listen")
    @classmethod
    def _has_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError('expected HOST:PORT such as "127.0.0.1:7878"')
        return value

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


class Retry(Table):
    retries: int = Field(default=3, ge=0, le=100)
    base: Seconds = Field(default=10.0, gt=0)
    cap: Seconds = Field(default=3600.0, gt=0)


class Breaker(Table):
    failures: int = Field(default=3, ge=1, le=100)
    wait: Seconds = Field(default=10.0, gt=0)
    max_wait: Seconds = Field(default=600.0, gt=0)


class Root(Table):
    path: FilePath = Field(default=Path("library"), validate_default=True)
    min_free: Bytes = 2**30


class Import(Table):
    transfer: Literal["hardlink-only", "prefer-hardlink", "copy", "move"] = "prefer-hardlink"
    recycle_bin: str = ".understudy/recycle"

    @field_validator("recycle_bin")
    @classmethod
    def _inside(cls, value: str) -> str:
        if not value or value.startswith("/") or ".." in value.split("/"):
            raise ValueError('expected a folder inside each root, such as ".understudy/recycle"')
        return value


class Naming(Table):
    folder: str = "{Movie Title} ({Release Year})"
    file: str = "{Movie Title} ({Release Year}) {Quality Full}"


class Limits(Table):
    every: Seconds = Field(default=2.0, ge=0)


class SeedUntil(Table):
    ratio: float | None = Field(default=None, ge=0)
    time: Seconds | None = None


class Indexer(Table):
    name: Name
    type: Literal["torznab"] = "torznab"
    url: HttpUrl
    api_key: Secret = SecretStr("")
    priority: int = Field(default=25, ge=1, le=50)
    categories: tuple[int, ...] = (2000,)
    minimum_seeders: int = Field(default=1, ge=0)
    rss_interval: Seconds = Field(default=1800.0, ge=1)
    timeout: Seconds = Field(default=60.0, gt=0, le=70)
    limits: Limits = Limits()
    seed_until: SeedUntil = SeedUntil()


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
    download_limit: Bytes | None = None
    upload_limit: Bytes | None = None


class QBittorrent(DownloadClientTable):
    type: Literal["qbittorrent"]
    url: HttpUrl
    username: str = "admin"
    password: Secret = SecretStr("")
    category: str = Field(default="understudy", min_length=1)
    path_mappings: tuple[PathMapping, ...] = ()


DownloadClient = Annotated[Builtin | QBittorrent, Field(discriminator="type")]


class Stall(Table):
    no_progress: Seconds = Field(default=1800.0, gt=0)
    metadata: Seconds = Field(default=600.0, gt=0)


class ProfileTable(Table):
    qualities: tuple[str | tuple[str, ...], ...] = Field(min_length=1)
    cutoff: str | None = None
    upgrade: bool = True

    @model_validator(mode="after")
    def _known(self) -> Self:
        names = [name for group in self.groups for name in group]
        for name in names + ([self.cutoff] if self.cutoff else []):
            try:
                quality_named(name)
            except UnknownQuality as error:
                raise ValueError(str(error)) from None
        if self.cutoff is not None and self.cutoff not in names:
            raise ValueError(f'cutoff "{self.cutoff}" is not among the qualities')
        if len(names) != len(set(names)):
            raise ValueError("a quality is named twice")
        return self

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        return tuple((group,) if isinstance(group, str) else group for group in self.qualities)


class Wanted(Table):
    profile: str | None = None
    root: FilePath | None = None
    tmdb: tuple[Annotated[int, Field(gt=0, lt=2**31)], ...] = ()
    imdb: tuple[Annotated[str, StringConstraints(pattern=r"^tt\d{7,10}$")], ...] = ()
    titles: tuple[Annotated[str, StringConstraints(min_length=1, max_length=512)], ...] = ()

    def movies(self, *, profile: str, root: str) -> list[WantedMovie]:
        found = [WantedMovie(tmdb_id=tmdb_id, profile=profile, root=root) for tmdb_id in self.tmdb]
        found += [WantedMovie(imdb_id=imdb_id, profile=profile, root=root) for imdb_id in self.imdb]
        for text in self.titles:
            title, year = parse_wanted(text)
            found.append(WantedMovie(title=title, year=year, profile=profile, root=root))
        return found


class Config(Table):
    """The whole file, checked: names are unique, and what one table names in another exists."""

    daemon: Daemon = Daemon()
    storage: Storage = Storage()
    api: Api = Api()
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    roots: tuple[Root, ...] = Field(default_factory=lambda: cast(Any, ({},)), validate_default=True, min_length=1)
    import_: Import = Field(default=Import(), alias="import")
    naming: Naming = Naming()
    indexers: tuple[Indexer, ...] = ()
    download_clients: tuple[DownloadClient, ...] = Field(
        default_factory=lambda: cast(Any, ({"name": "builtin", "type": "builtin"},)), validate_default=True
    )
    stall: Stall = Stall()
    profiles: dict[Name, ProfileTable] = {}
    wanted: dict[Name, Wanted] = {}

    @property
    def all_profiles(self) -> dict[str, Profile]:
        """The built-in profiles and the file's own, which win over them."""
        own = {
            name: Profile(
                name=name, groups=table.groups, cutoff=table.cutoff or table.groups[0][0], upgrade=table.upgrade
            )
            for name, table in self.profiles.items()
        }
        return {**BUILTIN_PROFILES, **own}

    def wanted_movies(self) -> list[tuple[str, WantedMovie]]:
        """Every movie the file asks for, with its block's name; profile and root filled in."""
        root = str(self.roots[0].path)
        return [
            (block, movie)
            for block, table in self.wanted.items()
            for movie in table.movies(profile=table.profile or block, root=str(table.root or root))
        ]
