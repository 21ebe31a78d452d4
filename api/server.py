"""The HTTP process: `python -m api.server --channel FD --listen FD ...`, started by the daemon on its own sockets.

It ends when its channel to the daemon closes, on SIGTERM within two seconds, and with its parent.
"""

import argparse
import asyncio
import ctypes
import faulthandler
import logging
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from api.answer import BadRequest
from api.daemon import Daemon, NoAnswer, read_frame
from api.endpoints import Endpoints, bad_request, database_unavailable, http_error
from api.event_stream import Alarm
from api.guards import Guards
from api.judging import Running
from api.request_deadline import HEADER_LIMIT_S, REQUEST_LIMIT_S, RequestDeadline
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.listener import Listener

PREPARE_EVERY_S = 0.1
TICK_S = 1.0
PR_SET_PDEATHSIG = 1


class Server(uvicorn.Server):
    """Calls `on_exit` when it is told to stop: it then waits for open responses, and those of streams have no end."""

    def __init__(self, config: uvicorn.Config, *, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._on_exit()
        self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Look once a second, and at once when told to stop; uvicorn's own loop wakes ten times a second."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), TICK_S)


async def serve(channel: socket.socket, listening: list[socket.socket]) -> None:
    reader, writer = await asyncio.open_connection(sock=channel)
    settings = await read_frame(reader)
    daemon = Daemon(reader, writer)
    beating = asyncio.create_task(beat(daemon, every_s=settings["heartbeat_every_s"]))
    database = Database(
        settings["dsn"], application="understudy-api", max_connections=4, call_limit_s=settings["call_limit_s"]
    )
    database.open()
    alarm = Alarm(asyncio.get_running_loop())
    registry = CollectorRegistry()
    ProcessCollector(namespace="understudy_api", registry=registry)
    GCCollector(registry=registry)
    running = Running(Path(settings.get("config", "")), digest=settings.get("config_digest", ""))
    endpoints = Endpoints(database=database, daemon=daemon, alarm=alarm, registry=registry, running=running)
    app = Starlette(
        routes=endpoints.routes(),
        middleware=[Middleware(Guards, api_key=settings["api_key"])],
        exception_handlers={
            DatabaseUnavailable: database_unavailable,
            BadRequest: bad_request,
            HTTPException: http_error,
        },
    )
    server = Server(
        uvicorn.Config(
            app,
            http=connection_class(settings),
            ws="none",
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=15,
            server_header=False,
        ),
        on_exit=alarm.end,
    )
    listener = Listener(database, "events", "progress", on_notify=lambda name: alarm.ring())
    preparing = asyncio.create_task(prepare(database, listener))
    ending = asyncio.create_task(end_with_daemon(daemon, server))
    try:
        await server.serve(sockets=listening)
    finally:
        for task in (beating, preparing, ending):
            task.cancel()
        listener.stop()
        database.close()


async def prepare(database: Database, listener: Listener) -> None:
    """Wait for the daemon to bring the schema up to date; then listen."""
    while not database.is_prepared:
        with suppress(DatabaseUnavailable):
            await asyncio.to_thread(database.check_schema)
            break
        await asyncio.sleep(PREPARE_EVERY_S)
    listener.start()


async def beat(daemon: Daemon, *, every_s: float) -> None:
    """Keep asking, so that the daemon sees this event loop turn."""
    while not daemon.closed.is_set():
        with suppress(NoAnswer):
            await daemon.ask("heartbeat")
        await asyncio.sleep(every_s)


def connection_class(settings: Mapping[str, Any]) -> type[RequestDeadline]:
    class Connection(RequestDeadline):
        header_limit_s = settings.get("header_limit_s", HEADER_LIMIT_S)
        request_limit_s = settings.get("request_limit_s", REQUEST_LIMIT_S)

    return Connection


async def end_with_daemon(daemon: Daemon, server: Server) -> None:
    await daemon.closed.wait()
    server.handle_exit(signal.SIGTERM, None)


def main() -> None:
    parser = argparse.ArgumentParser(prog="api.server", description=__doc__)
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the channel to the daemon")
    parser.add_argument("--listen", type=int, action="append", default=[], help="descriptor of a listening socket")
    options = parser.parse_args()
    faulthandler.register(signal.SIGUSR1)  # as the daemon, it says what its threads do
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # an outage is seen in every answer
    listening = [socket.socket(fileno=fd) for fd in options.listen]
    asyncio.run(serve(socket.socket(fileno=options.channel), listening))


if __name__ == "__main__":
    main()
