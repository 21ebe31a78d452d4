"""One torrent of the built-in client's session: what is known of it, and how it is listed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import libtorrent as lt

from clients.download_client import ClientDownload, ClientState
from clients.torrent_resume import Record

_CHECKING = {
    lt.torrent_status.states.checking_files,
    lt.torrent_status.states.checking_resume_data,
    lt.torrent_status.states.queued_for_checking,
}


@dataclass(kw_only=True)
class Torrent:
    record: Record
    handle: lt.torrent_handle | None
    """None: refused, and out of the session."""
    save_path: str
    info: lt.torrent_info | None = None
    """None: a magnet whose metadata has not come, or has been refused."""
    error: str | None = None
    has_failed: bool = False
    """For good; with an error but without this, the disk refused something and is tried again."""
    is_flush_asked: bool = False
    is_unsaved: bool = False
    """The disk did not take the record, which libtorrent's own "is modified" cannot know."""

    def files(self) -> Iterator[tuple[str, int]]:
        """Path below the save path, size in bytes; padding left out."""
        if self.info is None:
            return
        layout = self.info.layout()
        for index in range(layout.num_files()):
            if not layout.file_flags(index) & lt.file_flags_t.flag_pad_file:
                yield layout.file_path(index), layout.file_size(index)

    def listed(self, status: lt.torrent_status | None, *, is_suspended: bool) -> ClientDownload:
        """`status` None: refused. `is_suspended`: the session may not use the network now."""
        info = self.info
        size = info.total_size() if info else 0
        done = status.total_done if status and info else 0
        rate = status.download_payload_rate if status else 0
        return ClientDownload(
            infohash=self.record.infohash,
            name=self.record.name,
            state=self._state(status, is_suspended=is_suspended),
            size_bytes=size,
            done_bytes=done,
            rate_bytes_s=rate,
            eta_s=(size - done) // rate if rate and info else None,
            ratio=ratio_of(status) if status else 0.0,
            seeding_time_s=seeding_time_s(status) if status else 0,
            save_path=self.save_path,
            content_path=os.path.join(self.save_path, content_name(info)) if info else None,
            error=self.error,
            category=None,
            is_seed_goal_reached=self.record.is_seed_goal_reached,
            is_private=info.priv() if info else False,
        )

    def _state(self, status: lt.torrent_status | None, *, is_suspended: bool) -> ClientState:
        if status is None or self.has_failed:
            return ClientState.FAILED
        if status.state in _CHECKING:
            return ClientState.QUEUED
        if self.record.is_complete:
            return ClientState.COMPLETED
        if is_suspended:
            return ClientState.PAUSED
        if self.info is None:
            return ClientState.METADATA
        is_moving = status.download_payload_rate > 0 or status.is_seeding
        return ClientState.DOWNLOADING if is_moving else ClientState.STALLED


def names_of(hashes: lt.info_hash_t) -> list[str]:
    """The infohashes a torrent may be known by, as we write them."""
    return [str(hashes.v1)] * hashes.has_v1() + [str(hashes.v2)[:40]] * hashes.has_v2()


def content_name(info: lt.torrent_info) -> str:
    """Name of the torrent's file or folder on disk: as libtorrent cleaned it, which may not be the torrent's own."""
    return info.layout().file_path(0).split("/")[0]


def ratio_of(status: lt.torrent_status) -> float:
    """Uploaded by downloaded, or by the torrent's size where that is more: files may have been here before."""
    size = max(status.all_time_download, status.total)
    return status.all_time_upload / size if size else 0.0


def seeding_time_s(status: lt.torrent_status) -> int:
    return int(status.seeding_duration.total_seconds())
