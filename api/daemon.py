"""The HTTP process's end of the control channel: questions to the daemon, each with a deadline."""

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any

from metrics.control_channel import LENGTH, MAX_FRAME_BYTES, frame

DEADLINE_S = 0.5


class NoAnswer(Exception):
    """The daemon did not answer in time."""


class Refused(NoAnswer):
    """The daemon has no answer to this question; the text says why."""


class Daemon:
    """Asks over the channel. `closed` is set when the daemon is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.closed = asyncio.Event()
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())  # kept, for the loop holds tasks by weak references only

    async def ask(self, what: str, **facts: Any) -> Any:
        """The daemon's answer to `what`. Raises NoAnswer after half a second, or Refused."""
        number = next(self._numbers)
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(frame({"id": number, "ask": what, **facts}))
            message = await asyncio.wait_for(answer, DEADLINE_S)
        except TimeoutError:
            raise NoAnswer(f"the daemon did not answer {what} within {DEADLINE_S} s") from None
        finally:
            self._waiting.pop(number, None)
        if "error" in message:
            raise Refused(str(message["error"]))
        return message["answer"]

    async def _read(self) -> None:
        try:
            while True:
                message = await read_frame(self._reader)
                answer = self._waiting.get(message.get("id", 0))
                if answer is not None and not answer.done():
                    answer.set_result(message)
        except (asyncio.IncompleteReadError, OSError, ValueError):
            self.closed.set()


async def read_frame(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next message. ValueError for what is no frame, IncompleteReadError at the end."""
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} bytes")
    message = json.loads(await reader.readexactly(length))
    if not isinstance(message, dict):
        raise ValueError("a frame that is no object")
    return message
