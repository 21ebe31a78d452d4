"""One HTTP connection, closed when its client is too slow in sending a request.

Once a request is whole, no deadline runs: event streams, and clients that read an answer slowly, are left alone.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_LIMIT_S = 15.0
REQUEST_LIMIT_S = 30.0


class RequestDeadline(H11Protocol):
    """A header must be whole within `header_limit_s`, and with its body within `request_limit_s`.

    Both count from when the request could begin: since the connection was made, or the request before was answered.
    """

    header_limit_s = HEADER_LIMIT_S
    request_limit_s = REQUEST_LIMIT_S

    _state: object = None  # h11's, of the client
    _began_at = 0.0  # by the loop's clock
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Set the deadline of what the client must send next, if anything."""
        state, previous = self.conn.their_state, self._state
        self._state = state
        is_same_request = state is previous or (previous is h11.IDLE and state is h11.SEND_BODY)
        if not is_same_request:
            self._began_at = self.loop.time()
        if state is h11.IDLE:
            self._set_deadline(self._began_at + self.header_limit_s)
        elif state is h11.SEND_BODY:
            self._set_deadline(self._began_at + self.request_limit_s)
        else:
            self._set_deadline(None)

    def _set_deadline(self, at: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_at(at, self.transport.close) if at is not None else None
