"""Asks the daemon of a data folder over its unix socket, which needs no key."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage.data_folder import DataFolder


class NotRunning(Exception):
    """No daemon listens in the data folder."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, also where its path is longer than a socket address may be."""

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


def ask_daemon(data_dir: Path, method: str, path: str, *, body: Any = None, timeout_s: float = 10.0) -> tuple[int, Any]:
    """(status, JSON); `body` is sent as JSON. Raises NotRunning."""
    connection = UnixConnection(DataFolder(data_dir).api_socket, timeout_s=timeout_s)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotRunning(f"no daemon answers in {data_dir}: {error}") from None
    finally:
        connection.close()


def follow_events(data_dir: Path, *, last_id: str | None = None, timeout_s: float = 30.0) -> Iterator[dict[str, Any]]:
    """The event stream, each event as {"event", "id", "data"}; ends when the daemon does. Raises NotRunning."""
    connection = UnixConnection(DataFolder(data_dir).api_socket, timeout_s=timeout_s)
    try:
        connection.request("GET", "/api/events", headers={"Last-Event-ID": last_id} if last_id else {})
        response = connection.getresponse()
        if response.status != 200:
            raise NotRunning(f"the event stream answers {response.status}")
        event: dict[str, Any] = {}
        while line := response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name in ("event", "id"):
                event[name] = value
            elif name == "data":
                event["data"] = json.loads(value)
            elif not name and "data" in event:
                yield {"event": "message", "id": None, **event}
                event = {}
    except (OSError, http.client.HTTPException) as error:
        raise NotRunning(f"no daemon answers in {data_dir}: {error}") from None
    finally:
        connection.close()
