"""A real qbittorrent-nox on loopback, with a profile folder and a login of its own."""

import base64
import hashlib
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.embedded import free_port

USERNAME, PASSWORD = "understudy", "break a leg"
SALT = b"sixteen bytes of"

CONFIG = """\
[LegalNotice]
Accepted=true

[BitTorrent]
Session\\DHTEnabled=false
Session\\PeXEnabled=false
Session\\LSDEnabled=false
Session\\Interface=lo
Session\\InterfaceName=lo
Session\\Port={listen_port}
Session\\DefaultSavePath={downloads}
Session\\RefreshInterval=100
Session\\QueueingSystemEnabled=false

[Network]
PortForwardingEnabled=false

[Preferences]
Connection\\UPnP=false
WebUI\\Address=127.0.0.1
WebUI\\Port={web_port}
WebUI\\UseUPnP=false
WebUI\\LocalHostAuth=true
WebUI\\MaxAuthenticationFailCount=1000
WebUI\\Username={username}
WebUI\\Password_PBKDF2="@ByteArray({password})"
"""


@dataclass(frozen=True, kw_only=True)
class QBittorrentServer:
    url: str
    listen_port: int
    """For BitTorrent peers."""
    downloads: Path


@contextmanager
def qbittorrent_server(folder: Path, *, web_port: int = 0) -> Iterator[QBittorrentServer]:
    """Runs with its profile in `folder`; again in the same folder, it finds its torrents. `web_port` 0: a free one."""
    binary = shutil.which("qbittorrent-nox")
    if binary is None:
        pytest.skip("qbittorrent-nox is not installed")
    server = QBittorrentServer(
        url=f"http://127.0.0.1:{web_port or free_port()}", listen_port=free_port(), downloads=folder / "downloads"
    )
    _write_config(folder, server)
    process = subprocess.Popen(
        [binary, f"--profile={folder}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await_answer(server.url, process)
        yield server
    finally:
        process.kill()
        process.wait()


def _write_config(folder: Path, server: QBittorrentServer) -> None:
    digest = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), SALT, 100_000, dklen=64)
    file = folder / "qBittorrent" / "config" / "qBittorrent.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        CONFIG.format(
            listen_port=server.listen_port,
            web_port=server.url.rpartition(":")[2],
            downloads=server.downloads,
            username=USERNAME,
            password=":".join(base64.b64encode(part).decode() for part in (SALT, digest)),
        )
    )


def _await_answer(url: str, process: "subprocess.Popen[bytes]", *, timeout_s: float = 15.0) -> None:
    give_up_at = time.monotonic() + timeout_s
    while True:
        assert process.poll() is None, f"qbittorrent-nox ended with status {process.returncode}"
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < give_up_at, f"no answer from qbittorrent-nox within {timeout_s} s"
            time.sleep(0.02)
