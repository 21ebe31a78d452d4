"""An HTTP client that leaves its server a pause between requests."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from clients.http import HttpClient, Response


class PacedHttpClient(HttpClient):
    """Starts no request sooner than `every_s` seconds after the last one; for one thread."""

    def __init__(
        self,
        *,
        every_s: float,
        pause: Callable[[float], None] = time.sleep,
        watch: Callable[[], float] = time.monotonic,
        **http: Any,
    ) -> None:
        super().__init__(**http)
        self._every_s, self._pause, self._watch = every_s, pause, watch
        self._next_at = float("-inf")

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        trusted_url: str | None = None,
    ) -> Response:
        wait_s = self._next_at - self._watch()
        if wait_s > 0:
            self._pause(wait_s)
        self._next_at = self._watch() + self._every_s
        return super().get(url, params, headers, trusted_url=trusted_url)
