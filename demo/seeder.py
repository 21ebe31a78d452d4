"""A BitTorrent peer on loopback that makes torrents of given files and seeds them: the demo's and the tests' swarm."""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import libtorrent as lt

DIAL_EVERY_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One file or folder being seeded."""

    path: Path
    infohash: str
    torrent: bytes
    magnet: str
    """Names the seeder's address (`x.pe`), so it needs no tracker and no dialling."""
    size_bytes: int


class Seeder:
    """Seeds what it is given on 127.0.0.1, until closed. Each path must be a name of its own: it names the torrent."""

    def __init__(self, *paths: Path, upload_limit_bytes_s: int = 0) -> None:
        """`upload_limit_bytes_s` is for all peers together; 0 means no limit."""
        self._session = lt.session(
            {
                "listen_interfaces": "127.0.0.1:0",
                "outgoing_interfaces": "127.0.0.1",
                "enable_dht": False,
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
                "enable_outgoing_utp": False,  # TCP is several times faster on loopback
                "allow_multiple_connections_per_ip": True,
                "upload_rate_limit": upload_limit_bytes_s,
                "min_reconnect_time": 1,
                "max_failcount": 1000,
                "stop_tracker_timeout": 1,
                "alert_mask": 0,
            }
        )
        # libtorrent exempts local networks from its limits unless every address is given the class they apply to.
        limited = lt.ip_filter()
        limited.add_rule("127.0.0.0", "127.255.255.255", 1 << self._session.global_peer_class_id)
        self._session.set_peer_class_filter(limited)
        self._handles: dict[str, lt.torrent_handle] = {}
        self._seeds: dict[Path, Seed] = {}
        self._is_closing = threading.Event()
        self._dialers: dict[int, threading.Thread] = {}
        for path in paths:
            self.seed(path)

    @property
    def port(self) -> int:
        return self._session.listen_port()

    def seed(
        self,
        path: Path,
        *,
        is_private: bool = False,
        trackers: Sequence[str] = (),
        piece_size_bytes: int = 0,
    ) -> Seed:
        """Make a version 1 torrent of `path` and seed it; a piece size of 0 leaves the choice to libtorrent."""
        torrent = make_torrent(path, is_private=is_private, trackers=trackers, piece_size_bytes=piece_size_bytes)
        params = lt.load_torrent_buffer(torrent)
        params.save_path = str(path.parent)
        params.flags = lt.torrent_flags.seed_mode
        handle = self._session.add_torrent(params)
        infohash = str(handle.info_hashes().v1)
        self._handles[infohash] = handle
        self._seeds[path] = Seed(
            path=path,
            infohash=infohash,
            torrent=torrent,
            magnet=f"{lt.make_magnet_uri(handle)}&x.pe=127.0.0.1:{self.port}",
            size_bytes=handle.status().total,
        )
        return self._seeds[path]

    def limit_rate(self, bytes_s: int) -> None:
        """Send all peers together no more than this from now on; 0 means no limit."""
        self._session.apply_settings({"upload_rate_limit": bytes_s})

    def forget(self, path: Path) -> None:
        """Stop seeding it; its torrent stays known, as one whose last seeder left."""
        self._session.remove_torrent(self._handles.pop(self._seeds[path].infohash))

    def torrent(self, path: Path) -> bytes:
        """The torrent file of a path that is seeded."""
        return self._seeds[path].torrent

    def magnet(self, path: Path) -> str:
        return self._seeds[path].magnet

    def dial(self, infohash: str, port: int, *, host: str = "127.0.0.1", timeout_s: float = 10.0) -> None:
        """Connect to a leecher of this torrent. TimeoutError if it does not let us in.

        One that takes what it needs and hangs up between two looks was connected too.
        """
        handle = self._handles[infohash]
        before_bytes = handle.status().total_payload_upload
        give_up_at = time.monotonic() + timeout_s
        while not handle.get_peer_info() and handle.status().total_payload_upload == before_bytes:
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"no connection with {host}:{port} in {timeout_s} s")
            handle.connect_peer((host, port))
            self._is_closing.wait(DIAL_EVERY_S)

    def keep_dialing(self, port: int, *, host: str = "127.0.0.1") -> None:
        """From now on, in a thread of its own, connect whatever is seeded to the leecher there whenever it is not."""
        dialer = threading.Thread(target=self._dial_for_ever, args=(host, port), name=f"dial {port}", daemon=True)
        self._dialers[port] = dialer
        dialer.start()

    def stop_dialing(self, port: int) -> None:
        """The leecher there is gone for good."""
        self._dialers.pop(port).join()

    def close(self) -> None:
        self._is_closing.set()
        for port in list(self._dialers):
            self.stop_dialing(port)
        self._handles.clear()
        self._session.pause()

    def __enter__(self) -> "Seeder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _dial_for_ever(self, host: str, port: int) -> None:
        while port in self._dialers and not self._is_closing.wait(DIAL_EVERY_S):
            for handle in list(self._handles.values()):
                if not handle.get_peer_info():
                    handle.connect_peer((host, port))


def make_torrent(
    path: Path, *, is_private: bool = False, trackers: Sequence[str] = (), piece_size_bytes: int = 0
) -> bytes:
    """The version 1 torrent file of a file or folder, equal bytes for equal contents."""
    maker = lt.create_torrent(lt.list_files(os.fspath(path)), piece_size_bytes, lt.create_torrent.v1_only)
    for tier, tracker in enumerate(trackers):
        maker.add_tracker(tracker, tier)
    maker.set_priv(is_private)
    maker.set_creation_date(0)
    lt.set_piece_hashes(maker, os.fspath(path.parent))
    return lt.bencode(maker.generate())  # generate_buf of libtorrent 2.1.1 raises UnicodeDecodeError
