"""The one channel between the daemon and its HTTP process: length-prefixed JSON on a socket pair.

The HTTP process asks (`{"id", "ask", ...}`), the daemon answers (`{"id", "answer"}` or `{"id", "error"}`). Either end
closing it ends the HTTP process.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

MAX_FRAME_BYTES = 16 * 2**20
LENGTH = struct.Struct("!I")

Answer = Callable[[Mapping[str, Any]], Any]


class ChannelClosed(Exception):
    """The other end is gone, or said something that is no frame."""


def frame(message: Mapping[str, Any]) -> bytes:
    data = json.dumps(message, default=str).encode()
    return LENGTH.pack(len(data)) + data


def send(channel: socket.socket, message: Mapping[str, Any]) -> None:
    try:
        channel.sendall(frame(message))
    except OSError as error:
        raise ChannelClosed(str(error)) from error


def receive(channel: socket.socket) -> dict[str, Any]:
    """The next message. Raises ChannelClosed."""
    (length,) = LENGTH.unpack(_exactly(channel, LENGTH.size))
    if length > MAX_FRAME_BYTES:
        raise ChannelClosed(f"a frame of {length} bytes")
    try:
        message = json.loads(_exactly(channel, length))
    except ValueError as error:
        raise ChannelClosed("a frame that is no JSON") from error
    if not isinstance(message, dict):
        raise ChannelClosed("a frame that is no object")
    return message


def serve(
    channel: socket.socket,
    answers: Mapping[str, Answer],
    *,
    on_question: Callable[[], None] = lambda: None,
    on_closed: Callable[[], None],
) -> None:
    """Answer in a thread of its own until the channel closes; `answers` must be quick and thread-safe.

    `on_question` hears of every question, before it is answered.
    What an answer raises, but for LookupError, ends the thread: `on_closed` hears of that too.
    """

    def run() -> None:
        try:
            with suppress(ChannelClosed):
                while True:
                    question = receive(channel)
                    on_question()
                    send(channel, {"id": question.get("id")} | _answer(answers, question))
        finally:
            on_closed()

    threading.Thread(target=run, name="control-channel", daemon=True).start()


def _answer(answers: Mapping[str, Answer], question: Mapping[str, Any]) -> dict[str, Any]:
    answer = answers.get(str(question.get("ask")))
    if answer is None:
        return {"error": f"nobody answers {question.get('ask')!r}"}
    try:
        return {"answer": answer(question)}
    except LookupError as error:
        return {"error": str(error)}


def _exactly(channel: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        try:
            part = channel.recv(count - len(data))
        except OSError as error:
            raise ChannelClosed(str(error)) from error
        if not part:
            raise ChannelClosed("closed")
        data += part
    return data
