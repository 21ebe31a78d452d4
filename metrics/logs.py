"""Log lines: a constant event text and facts as fields, on standard error, for people or as JSON."""

import contextvars
import logging
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import FilteringBoundLogger

CORRELATION: contextvars.ContextVar[str] = contextvars.ContextVar("correlation_id", default="")
"""What this thread's work belongs to, such as one acquisition of a movie; "" for nothing in particular."""


def configure(*, level: str, style: Literal["console", "json"], stream: TextIO | None = None) -> None:
    """Once per process. The thread's CORRELATION, if it has one, appears in every line."""
    stream = stream or sys.stderr
    renderer: Any = structlog.processors.JSONRenderer()
    if style == "console":
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            _correlate,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if style == "json" else _keep,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("pykka").setLevel(logging.CRITICAL)  # crashes are reported by the supervisor, once
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # an outage is reported by its breaker, once


def logger(actor: str) -> FilteringBoundLogger:
    """A logger whose lines carry `actor`."""
    bound: FilteringBoundLogger = structlog.get_logger(actor=actor)
    return bound


def _correlate(_logger: Any, _name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """The line's own id, or that of the work in hand, or none at all."""
    if correlation_id := event.pop("correlation_id", "") or CORRELATION.get():
        event["correlation_id"] = correlation_id
    return event


def _keep(_logger: Any, _name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return event
