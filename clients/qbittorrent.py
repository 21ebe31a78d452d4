"""qBittorrent 4.1 and later, 5.x included, through its WebUI.

qBittorrent knows a hybrid torrent by its version 2 hash; here it has its version 1 hash, like everywhere in the daemon.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from clients.download_client import ClientDownload, ClientState, PathMapping, SeedGoal, local_path
from clients.errors import AuthenticationFailed, BadAnswer, BadAnswerReason, Gone, Refused, Unavailable

CONNECT_TIMEOUT_S = 5.0
LISTED_WITHIN_S, LOOK_EVERY_S = 5.0, 0.1
UNKNOWN_ETA_S = 8_640_000
NO_LIMIT = -1

_STATES = {
    ClientState.FAILED: {"error", "missingFiles"},
    ClientState.PAUSED: {"pausedDL", "stoppedDL"},
    ClientState.QUEUED: {"queuedDL", "checkingDL", "checkingUP", "checkingResumeData"},
    ClientState.COMPLETED: {"uploading", "stalledUP", "queuedUP", "forcedUP", "pausedUP", "stoppedUP"},
    ClientState.STALLED: {"stalledDL"},
    ClientState.METADATA: {"metaDL", "forcedMetaDL"},
}
_ERRORS = {"error": "qBittorrent reports an error with it", "missingFiles": "its files are missing"}


class QBittorrent:
    """`clients.download_client.DownloadClient`. Logs in when it must, and again when its session has expired.

    Every method may raise Unavailable, AuthenticationFailed, and BadAnswer (what answers is no qBittorrent we know).
    A request that fails is sent once more before that; `timeout_s` is for each.
    """

    def __init__(
        self,
        *,
        name: str,
        url: str,
        username: str,
        password: str,
        category: str,
        timeout_s: float = 30.0,
        path_mappings: Sequence[PathMapping] = (),
    ) -> None:
        import qbittorrentapi  # here, so that it costs nothing where no qBittorrent is configured

        self.name = name
        self._category = category
        self._path_mappings = path_mappings
        self._api = qbittorrentapi.Client(
            host=url,
            username=username,
            password=password,
            SIMPLE_RESPONSES=True,
            FORCE_SCHEME_FROM_HOST=True,
            REQUESTS_ARGS={"timeout": (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)},
            HTTPADAPTER_ARGS={"max_retries": 0},
        )
        self._own_hashes: dict[str, str] = {}
        """Of hybrids: from our infohash to the hash qBittorrent goes by."""

    def add(
        self, *, infohash: str, torrent: bytes | None, magnet: str | None, save_name: str, seed_goal: SeedGoal
    ) -> None:
        """One that is there already keeps its category and its limits. Refused where qBittorrent does not take it."""
        if self._find(infohash):
            return
        is_taken = self._is_taken(torrent=torrent, magnet=magnet, save_name=save_name, seed_goal=seed_goal)
        give_up_at = time.monotonic() + LISTED_WITHIN_S
        while not self._find(infohash):  # adding goes on after the answer
            if not is_taken:
                raise Refused(f"qBittorrent did not take torrent {infohash}")
            if time.monotonic() > give_up_at:
                raise Unavailable(f"qBittorrent took torrent {infohash}, but lists none after {LISTED_WITHIN_S:g} s")
            time.sleep(LOOK_EVERY_S)

    def downloads(self, also: frozenset[str] = frozenset()) -> list[ClientDownload]:
        items = self._list() if also else self._list(category=self._category)
        with _translated("list"):
            downloads = [download_of(item, self._path_mappings) for item in items]
        return [found for found in downloads if found.category == self._category or found.infohash in also]

    def files(self, infohash: str) -> list[tuple[str, int]]:
        with _translated("files"):
            items: Any = self._api.torrents_files(torrent_hash=self._own_hash(infohash))
            return [(item["name"], item["size"]) for item in items]

    def remove(self, infohash: str, *, with_data: bool) -> None:
        """Ours is what is in our category. It leaves the list soon after; files are deleted in the background."""
        item = self._find(infohash)
        with _translated("remove"):
            if item is not None and item["category"] == self._category:
                self._api.torrents_delete(delete_files=with_data, torrent_hashes=item["hash"])

    def test(self) -> str:
        with _translated("version"):
            version = self._api.app_version()
            if not re.match(r"v\d+\.", version):
                raise ValueError(f"no version but {version[:80]!r}")
            return f"qBittorrent {version}"

    def close(self) -> None:
        """Nothing to do: connections go with this object, and the login expires in qBittorrent by itself."""

    def _is_taken(self, *, torrent: bytes | None, magnet: str | None, save_name: str, seed_goal: SeedGoal) -> bool:
        """False for a duplicate too: 200 and `Fails.`, or since 5.2 a 409."""
        try:
            with _translated("add"):
                answer = self._api.torrents_add(
                    torrent_files=torrent,
                    urls=magnet if torrent is None else None,
                    rename=save_name if torrent is None else None,
                    category=self._category,
                    content_layout="Original",  # without a folder of its own a torrent's content has no path
                    is_stopped=False,
                    **share_limits_of(seed_goal),
                )
        except Refused:
            return False
        return answer != "Fails."

    def _find(self, infohash: str) -> dict[str, Any] | None:
        """Looks among all torrents only for one that, by its hash, is not there: it might be a hybrid."""
        for filters in ({"torrent_hashes": self._own_hash(infohash)}, {}):
            for item in self._list(**filters):
                if infohash_of(item) == infohash:
                    return item
        return None

    def _own_hash(self, infohash: str) -> str:
        return self._own_hashes.get(infohash, infohash)

    def _list(self, **filters: Any) -> list[dict[str, Any]]:
        with _translated("list"):
            items: Any = self._api.torrents_info(**filters)
            if not isinstance(items, list):
                raise TypeError("not a list")
            hashes = {infohash_of(item): item["hash"] for item in items}
        self._own_hashes |= {ours: theirs for ours, theirs in hashes.items() if ours != theirs}
        return items


def state_of(state: str) -> ClientState:
    """qBittorrent's word as ours; `downloading`, `forcedDL`, `moving`, and words it has yet to invent: downloading."""
    return next((ours for ours, words in _STATES.items() if state in words), ClientState.DOWNLOADING)


def share_limits_of(goal: SeedGoal) -> dict[str, Any]:
    """A limit the goal does not have is switched off, so that qBittorrent's global one does not end seeding early."""
    if goal == SeedGoal():
        return {}
    return {
        "ratio_limit": NO_LIMIT if goal.ratio is None else goal.ratio,
        "seeding_time_limit": NO_LIMIT if goal.time_s is None else math.ceil(goal.time_s / 60),
        "inactive_seeding_time_limit": NO_LIMIT,
    }


def infohash_of(item: Mapping[str, Any]) -> str:
    """`item` is an element of `torrents/info`; `infohash_v1` came with 4.4 and is empty without a version 1."""
    return str(item.get("infohash_v1") or item["hash"]).lower()


def download_of(item: Mapping[str, Any], mappings: Sequence[PathMapping] = ()) -> ClientDownload:
    """`item` is an element of `torrents/info`. KeyError, TypeError where it is not."""
    state = state_of(item["state"])
    content_path, path_error = _content_path(item["save_path"], item.get("content_path"))
    is_complete = state is ClientState.COMPLETED
    return ClientDownload(
        infohash=infohash_of(item),
        name=item["name"],
        state=state,
        size_bytes=max(0, item["size"]),
        done_bytes=item["completed"],
        rate_bytes_s=item["dlspeed"],
        eta_s=item["eta"] if 0 <= item["eta"] < UNKNOWN_ETA_S and not is_complete else None,
        ratio=item["ratio"],
        seeding_time_s=item.get("seeding_time", 0),
        save_path=local_path(item["save_path"], mappings),
        content_path=local_path(content_path, mappings) if content_path else None,
        error=_ERRORS.get(item["state"]) or (path_error if is_complete else None),
        category=item["category"] or None,
        is_seed_goal_reached=is_complete and _is_limit_reached(item),
        is_private=bool(item.get("private")),
    )


def _content_path(save_path: str, content_path: str | None) -> tuple[str | None, str | None]:
    """The absolute path, or why there is none; 4.5 gives a relative one while it checks resume data."""
    path_type = PureWindowsPath if "\\" in save_path else PurePosixPath
    if not content_path:
        return None, None
    absolute = path_type(save_path) / content_path
    if absolute == path_type(save_path):
        return None, f"path error: qBittorrent names no file or folder below {save_path}"
    return str(absolute), None


def _is_limit_reached(item: Mapping[str, Any]) -> bool:
    """By the limits in force, of the torrent or else global: negative means none, the time is in minutes."""
    ratio, time_min = item.get("max_ratio", NO_LIMIT), item.get("max_seeding_time", NO_LIMIT)
    goal = SeedGoal(ratio=ratio if ratio >= 0 else None, time_s=time_min * 60 if time_min >= 0 else None)
    return goal.is_reached(ratio=item["ratio"], seeding_time_s=item.get("seeding_time", 0))


@contextmanager
def _translated(operation: str) -> Iterator[None]:
    """The library's exceptions, and those of answers in another shape than expected, as ours."""
    import qbittorrentapi as api

    try:
        yield
    except (api.LoginFailed, api.HTTP401Error, api.HTTP403Error) as error:
        raise AuthenticationFailed(
            f"qBittorrent does not let us in: {error or 'wrong username or password'}"
        ) from error
    except api.HTTP5XXError as error:
        raise Unavailable(f"qBittorrent answered {operation!r} with status {error.http_status_code}") from error
    except api.UnsupportedMediaType415Error as error:
        raise BadAnswer("qBittorrent finds the torrent file invalid", reason=BadAnswerReason.MALFORMED) from error
    except api.Conflict409Error as error:
        raise Refused(f"qBittorrent refuses {operation!r}: {error}") from error
    except api.HTTPError as error:
        if operation == "files" and error.http_status_code == 404:
            raise Gone("qBittorrent does not have the torrent") from error
        text = f"qBittorrent answered {operation!r} with status {error.http_status_code}"
        raise BadAnswer(text, reason=BadAnswerReason.STATUS) from error
    except api.APIConnectionError as error:
        raise Unavailable(f"qBittorrent cannot be reached: {error}") from error
    except (api.APIError, KeyError, TypeError, AttributeError, ValueError) as error:
        text = f"qBittorrent answered {operation!r} in a shape we do not know: {error}"
        raise BadAnswer(text, reason=BadAnswerReason.MALFORMED) from error
