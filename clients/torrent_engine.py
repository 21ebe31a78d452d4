"""The libtorrent session behind the built-in client, with the rules libtorrent does not have.

Runs in the session process, in its only thread: `on_alerts()` when libtorrent has news, `tick()` once a second.
- A torrent is listed as completed only when its bytes have left libtorrent's cache.
- One that was complete never downloads again: files that went missing make it fail, not start over.
- What the disk refuses is a condition, not a failure: the torrent stalls, says why, and is tried again.
- Two torrents never share a file: one whose name is taken, and a magnet, whose name is not known when it is added, is
  saved in a folder named after its infohash.
"""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import libtorrent as lt

from clients.download_client import ClientDownload, SeedGoal
from clients.errors import BadAnswer, BadAnswerReason, ClientError, Gone, Refused, Unavailable
from clients.torrent_binding import interfaces_of, is_loopback, problem_of
from clients.torrent_channel import SessionSettings
from clients.torrent_entry import Torrent, content_name, names_of, ratio_of, seeding_time_s
from clients.torrent_resume import Record, ResumeFolder

Reply = Callable[[ClientError | None], None]

_RESET_FLAGS = lt.torrent_flags.auto_managed | lt.torrent_flags.paused | lt.torrent_flags.upload_mode


class _Removal(NamedTuple):
    reply: Reply
    with_data: bool


class Engine:
    """Unavailable where the state or download folder cannot be used."""

    def __init__(self, settings: SessionSettings, *, alert_fd: int) -> None:
        """`alert_fd`: a byte is written to it when alerts wait."""
        self._settings = settings
        self._is_loopback = is_loopback(settings.bind)
        self._torrents: dict[str, Torrent] = {}
        self._removals: dict[str, _Removal] = {}
        self._saving: set[str] = set()
        self._save_at = time.monotonic() + settings.save_every_s
        self._folder = ResumeFolder(settings.state_dir)
        try:
            os.makedirs(settings.download_dir, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"download folder cannot be used: {error}") from error
        self._session = lt.session(self._session_settings())
        self._problem: str | None = None
        self._check_binding()
        self._session.set_alert_fd(alert_fd)
        for record, params in self._folder.read_all():
            self._restore(record, params)

    def add(self, *, infohash: str, torrent: bytes | None, magnet: str | None, name: str, seed_goal: SeedGoal) -> None:
        """Adopts what is there already, with the new seed goal. Refused, BadAnswer, Unavailable."""
        if known := self._torrents.get(infohash):
            if known.handle is None:
                raise Refused(known.error or "refused before")
            known.record = replace(known.record, seed_goal=seed_goal)
            self._review(known, known.handle.status(0))
            self._save(known)
            return
        if infohash in self._removals:
            raise Unavailable(f"torrent {infohash} is still being removed")
        params = _parsed(torrent, magnet)
        if infohash not in names_of(params.info_hashes):
            raise BadAnswer(f"the torrent is not {infohash} but another one", reason=BadAnswerReason.MALFORMED)
        if params.ti and (refusal := self._refusal(params.ti)):
            raise Refused(refusal)
        record = Record(infohash=infohash, name=params.ti.name() if params.ti else name, seed_goal=seed_goal)
        params.save_path = self._save_path(infohash, params.ti)
        try:
            self._folder.write(record, params)
        except OSError as error:
            raise Unavailable(f"resume data cannot be saved: {error}") from error
        self._start(record, params)

    def downloads(self) -> list[ClientDownload]:
        is_suspended = self._session.is_paused()
        return [self._listed(torrent, is_suspended=is_suspended) for torrent in self._torrents.values()]

    def files(self, infohash: str) -> list[tuple[str, int]]:
        if infohash not in self._torrents:
            raise Gone(f"no torrent {infohash}")
        return list(self._torrents[infohash].files())

    def remove(self, infohash: str, *, with_data: bool, reply: Reply) -> None:
        """`reply` is called when it is gone, `with_data` when its files are gone too."""
        torrent = self._torrents.pop(infohash, None)
        if torrent and torrent.handle:
            self._removals[infohash] = _Removal(reply, with_data)
            self._session.remove_torrent(torrent.handle, lt.session.delete_files if with_data else 0)
        elif removal := self._removals.get(infohash):
            self._removals[infohash] = removal._replace(reply=reply)
        else:
            self._folder.delete(infohash)
            reply(None)

    def status(self) -> dict[str, Any]:
        """Fields as in `clients.builtin.SessionStatus`."""
        return {
            "version": f"libtorrent {lt.__version__}",
            "listening_port": None if self._problem else self._session.listen_port() or None,
            "problem": self._problem,
        }

    def tick(self) -> None:
        self._check_binding()
        for torrent in self._torrents.values():
            if torrent.handle and torrent.record.is_complete and not torrent.record.is_seed_goal_reached:
                self._review(torrent, torrent.handle.status(0))
        if time.monotonic() >= self._save_at:
            self._save_at = time.monotonic() + self._settings.save_every_s
            for torrent in self._torrents.values():
                self._retry_disk(torrent)
                self._save(torrent, only_if_modified=not torrent.is_unsaved)

    def on_alerts(self) -> None:
        # What hangs on an alert, such as its resume data, is freed by the next pop_alerts().
        for alert in self._session.pop_alerts():
            match alert:
                case lt.torrent_removed_alert():
                    self._on_removed(alert.info_hashes, with_data=False)
                case lt.torrent_deleted_alert():
                    self._on_removed(alert.info_hashes, with_data=True)
                case lt.torrent_delete_failed_alert():
                    self._on_removed(alert.info_hashes, with_data=True, error=alert.error)
                case lt.torrent_alert():
                    if torrent := self._find(alert.handle):
                        self._on_torrent_alert(torrent, alert)

    def stop(self, *, timeout_s: float) -> None:
        """Stop transferring and save every torrent's resume data, as far as `timeout_s` allows."""
        self._session.pause()
        for torrent in self._torrents.values():
            self._save(torrent)
        give_up_at = time.monotonic() + timeout_s
        while self._saving and time.monotonic() < give_up_at:
            self._session.wait_for_alert(100)
            self.on_alerts()

    def _session_settings(self) -> "lt.settings_pack":
        settings, is_public = self._settings, not self._is_loopback
        listen, outgoing = interfaces_of(settings.bind, settings.port)
        return {
            "listen_interfaces": listen,
            "outgoing_interfaces": outgoing,
            "enable_dht": settings.has_dht and is_public,
            "enable_lsd": settings.has_lsd and is_public,
            "enable_upnp": False,
            "enable_natpmp": False,
            "allow_multiple_connections_per_ip": self._is_loopback,
            "upload_rate_limit": settings.upload_limit_bytes_s,
            "download_rate_limit": settings.download_limit_bytes_s,
            "stop_tracker_timeout": 1,
            "alert_queue_size": 100_000,
            "alert_mask": lt.alert_category.error | lt.alert_category.status | lt.alert_category.storage,
        }

    def _check_binding(self) -> None:
        problem = problem_of(self._settings.bind)
        if problem and not self._problem:
            self._session.pause()
        elif self._problem and not problem:
            listen, outgoing = interfaces_of(self._settings.bind, self._settings.port)
            self._session.apply_settings({"listen_interfaces": listen, "outgoing_interfaces": outgoing})
            self._session.reopen_network_sockets(0)
            self._session.resume()
        self._problem = problem

    def _refusal(self, info: lt.torrent_info) -> str | None:
        if info.priv() and not self._settings.allow_private:
            return "private torrent: the built-in client takes them only with allow_private = true"
        return None

    def _save_path(self, infohash: str, info: lt.torrent_info | None) -> str:
        taken = {content_name(other.info) for other in self._torrents.values() if other.info}
        if info and content_name(info) not in taken:
            return self._settings.download_dir
        return os.path.join(self._settings.download_dir, infohash)

    def _start(self, record: Record, params: lt.add_torrent_params) -> None:
        """Hand the torrent to libtorrent; whether it runs follows from the record alone."""
        params.flags &= ~_RESET_FLAGS
        if record.is_seed_goal_reached:
            params.flags |= lt.torrent_flags.paused
        if record.is_complete:
            params.flags |= lt.torrent_flags.upload_mode
        if self._is_loopback or not self._settings.has_pex:
            params.flags |= lt.torrent_flags.disable_pex
        handle = self._session.add_torrent(params)
        self._torrents[record.infohash] = Torrent(
            record=record, handle=handle, info=handle.torrent_file(), save_path=params.save_path
        )

    def _restore(self, record: Record, params: lt.add_torrent_params | None) -> None:
        if params is None:
            self._torrents[record.infohash] = Torrent(
                record=record,
                handle=None,
                save_path=self._save_path(record.infohash, None),
                error=record.refusal,
                has_failed=True,
            )
        else:
            self._start(record, params)

    def _find(self, handle: lt.torrent_handle) -> Torrent | None:
        return next((self._torrents[name] for name in names_of(handle.info_hashes()) if name in self._torrents), None)

    def _on_torrent_alert(self, torrent: Torrent, alert: lt.torrent_alert) -> None:
        match alert:
            case lt.save_resume_data_alert():
                self._saving.discard(torrent.record.infohash)
                self._keep(torrent, alert.params)
            case lt.save_resume_data_failed_alert():
                self._saving.discard(torrent.record.infohash)
            case lt.metadata_received_alert():
                self._check_metadata(torrent, alert.handle)
            case lt.torrent_finished_alert():
                self._review(torrent, alert.handle.status(0))
            case lt.cache_flushed_alert() if torrent.is_flush_asked and alert.handle.status(0).is_seeding:
                torrent.record = replace(torrent.record, is_complete=True)
                self._save(torrent)
            case lt.fastresume_rejected_alert() if torrent.record.is_complete:
                torrent.error, torrent.has_failed = f"files are missing or changed: {alert.message()}", True
                alert.handle.pause()
            case lt.file_error_alert():
                torrent.error = alert.message()

    def _check_metadata(self, torrent: Torrent, handle: lt.torrent_handle) -> None:
        info = handle.torrent_file()
        if info is None:
            return
        torrent.record = replace(torrent.record, name=info.name())
        if refusal := self._refusal(info):
            self._session.remove_torrent(handle, lt.session.delete_files)
            torrent.handle, torrent.error, torrent.has_failed = None, refusal, True
            torrent.record = replace(torrent.record, refusal=refusal)
            self._keep(torrent, None)
            return
        torrent.info = info
        self._save(torrent)

    def _review(self, torrent: Torrent, status: lt.torrent_status) -> None:
        """Have one that just became complete flushed; stop or resume seeding as its goal says."""
        if torrent.handle is None or torrent.has_failed or not status.is_seeding:
            return
        if not torrent.record.is_complete:
            if not torrent.is_flush_asked:
                torrent.is_flush_asked = True
                torrent.handle.flush_cache()
            return
        goal = torrent.record.seed_goal
        is_reached = goal.is_reached(ratio=ratio_of(status), seeding_time_s=seeding_time_s(status))
        if is_reached != torrent.record.is_seed_goal_reached:
            torrent.record = replace(torrent.record, is_seed_goal_reached=is_reached)
            if is_reached:
                torrent.handle.pause()
            else:
                torrent.handle.resume()
            self._save(torrent)

    def _listed(self, torrent: Torrent, *, is_suspended: bool) -> ClientDownload:
        status = torrent.handle.status(0) if torrent.handle else None
        if status:
            self._review(torrent, status)
        return torrent.listed(status, is_suspended=is_suspended)

    def _retry_disk(self, torrent: Torrent) -> None:
        if torrent.handle is None or torrent.error is None or torrent.has_failed:
            return
        torrent.error = None
        torrent.handle.clear_error()
        if not torrent.record.is_complete:
            torrent.handle.unset_flags(lt.torrent_flags.upload_mode)
        if not torrent.record.is_seed_goal_reached:
            torrent.handle.resume()

    def _save(self, torrent: Torrent, *, only_if_modified: bool = False) -> None:
        """Ask libtorrent for the resume data, with its cache flushed first; `_keep` gets what comes."""
        if torrent.handle is None:
            return
        self._saving.add(torrent.record.infohash)
        flags = lt.save_resume_flags_t.save_info_dict | lt.save_resume_flags_t.flush_disk_cache
        torrent.handle.save_resume_data(flags | (lt.save_resume_flags_t.only_if_modified if only_if_modified else 0))

    def _keep(self, torrent: Torrent, params: lt.add_torrent_params | None) -> None:
        try:
            self._folder.write(torrent.record, params)
            torrent.is_unsaved = False
        except OSError as error:
            torrent.is_unsaved = True
            print(f"resume data not saved: {torrent.record.infohash}: {error}", file=sys.stderr)

    def _on_removed(self, hashes: lt.info_hash_t, *, with_data: bool, error: lt.error_code | None = None) -> None:
        """libtorrent tells of the torrent and, where that was asked for, of its data: the last of them is the end."""
        for infohash in names_of(hashes):
            with contextlib.suppress(OSError):  # there is none, or something else is in it
                os.rmdir(self._save_path(infohash, None))
            removal = self._removals.get(infohash)
            if removal is None or removal.with_data != with_data:
                continue
            del self._removals[infohash]
            self._folder.delete(infohash)
            if error and error.value() not in (0, errno.ENOENT):  # 0: there was nothing to delete yet
                removal.reply(Refused(f"removed, but its files are still there: {error.message()}"))
            else:
                removal.reply(None)


def _parsed(torrent: bytes | None, magnet: str | None) -> lt.add_torrent_params:
    try:
        return lt.load_torrent_buffer(torrent) if torrent is not None else lt.parse_magnet_uri(magnet or "")
    except RuntimeError as error:
        raise BadAnswer(f"not a torrent: {error}", reason=BadAnswerReason.MALFORMED) from error
