"""Logs: lines for people on a terminal, JSON elsewhere; what came from outside cannot forge a line or move a cursor."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from station.security.text import printable


def set_up(level: int = logging.INFO) -> None:
    """Once per process, before anything is logged. Standard error only: standard output belongs to the answer."""
    renderer: Any = structlog.dev.ConsoleRenderer(colors=False) if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            neutral,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def neutral(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Every text value as one printable line; a traceback keeps its lines."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = printable(value)
    return event
