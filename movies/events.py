"""Every kind of event there is, each with its facts: what emitters write and subscribers get, on one page.

An event says what happened, in the past. Its name and its fields are read by programs of others, and by older and newer
daemons on the same database: a field once there keeps its meaning, and a field that is added has a default.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from movies.movie import DownloadId


@dataclass(frozen=True, kw_only=True)
class DaemonStarted:
    """A daemon began to claim jobs."""

    node: str


@dataclass(frozen=True, kw_only=True)
class MovieSearching:
    """The indexers are asked for a movie."""


@dataclass(frozen=True, kw_only=True)
class ReleaseChosen:
    """A release was taken for a movie; `attempt` counts the acquisition's from 1."""

    title: str
    indexer: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class DownloadGrabbed:
    """The release's torrent is here, and the client is about to get it."""

    download_id: DownloadId
    client: str


@dataclass(frozen=True, kw_only=True)
class DownloadStarted:
    """The client has it."""

    download_id: DownloadId


@dataclass(frozen=True, kw_only=True)
class DownloadCompleted:
    """The client has all of it."""

    download_id: DownloadId
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class DownloadFailed:
    """A download came to nothing in its client; what becomes of the acquisition is the next event."""

    download_id: DownloadId
    client: str
    reason: str
    error: str


@dataclass(frozen=True, kw_only=True)
class AcquisitionFailed:
    """An attempt at a movie came to nothing: it is tried again, or waits for a person."""

    reason: str
    error: str
    attempt: int
    outcome: Literal["retried", "dead"]


@dataclass(frozen=True, kw_only=True)
class MovieImported:
    """The film is in the library; `method` is how the file came there: hardlink, reflink or copy."""

    path: str
    download_id: DownloadId
    method: str


@dataclass(frozen=True, kw_only=True)
class JobDied:
    """A job became a dead letter: only a person brings it back."""

    job_kind: str
    reason: str


Happening = (
    DaemonStarted
    | MovieSearching
    | ReleaseChosen
    | DownloadGrabbed
    | DownloadStarted
    | DownloadCompleted
    | DownloadFailed
    | AcquisitionFailed
    | MovieImported
    | JobDied
)

KINDS: Mapping[str, type[Happening]] = {
    "daemon.started": DaemonStarted,
    "movie.searching": MovieSearching,
    "release.chosen": ReleaseChosen,
    "download.grabbed": DownloadGrabbed,
    "download.started": DownloadStarted,
    "download.completed": DownloadCompleted,
    "download.failed": DownloadFailed,
    "acquisition.failed": AcquisitionFailed,
    "movie.imported": MovieImported,
    "job.died": JobDied,
}
"""The names under which they are stored and streamed."""

_KIND_OF = {what: kind for kind, what in KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class Unrecognised:
    """An event of a kind, or with facts, that this version does not know: another one wrote it."""

    kind: str
    payload: Mapping[str, Any]


def kind_of(what: Happening) -> str:
    return _KIND_OF[type(what)]


def payload_of(what: Happening) -> dict[str, Any]:
    """The facts as they are stored."""
    return asdict(what)


def read(kind: str, payload: Mapping[str, Any]) -> Happening | Unrecognised:
    """The event as it was written. Facts that are added later are left out here."""
    what = KINDS.get(kind)
    if what is None:
        return Unrecognised(kind=kind, payload=payload)
    types = _types(kind)
    known = {name: payload[name] for name in types if name in payload}
    required = {field.name for field in fields(what) if field.default is MISSING}
    if required - known.keys() or not all(_fits(known[name], types[name]) for name in known):
        return Unrecognised(kind=kind, payload=payload)
    return what(**known)


@cache
def _types(kind: str) -> dict[str, Any]:
    """Each field's type; a NewType is what it is made of."""
    return {name: getattr(hint, "__supertype__", hint) for name, hint in get_type_hints(KINDS[kind]).items()}


def _fits(value: object, expected: Any) -> bool:
    if get_origin(expected) is Literal:
        return value in get_args(expected)
    return isinstance(value, expected) and not isinstance(value, bool)
