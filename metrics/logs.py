"""Log lines: a constant event text and facts as fields, on standard error, for people or as JSON."""

import logging
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import FilteringBoundLogger


def configure(*, level: str, style: Literal["console", "json"], stream: TextIO | None = None) -> None:
    """Once per process. Fields bound with `bind_correlation` appear in every line of that thread."""
    stream = stream or sys.stderr
    renderer: Any = structlog.processors.JSONRenderer()
    if style == "console":
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
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


def bind_correlation(correlation_id: str) -> None:
    """From here on, this thread's lines carry the correlation id of the work in hand; "" for none."""
    structlog.contextvars.clear_contextvars()
    if correlation_id:
        structlog.contextvars.bind_contextvars(correlation_id=correlation_id)


def _keep(_logger: Any, _name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return event
