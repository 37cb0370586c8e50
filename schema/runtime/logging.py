"""Logs: one event a line, JSON unless somebody watches at a terminal."""

import logging
import sys
from typing import cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from schema.runtime.settings import Settings

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module; `name` tells its lines apart."""
    return cast("FilteringBoundLogger", structlog.stdlib.get_logger(name))


def configure(settings: Settings) -> None:
    """Send the log of this process, and of the libraries in it, to stdout."""
    as_text = settings.log_format == "text" or (
        settings.log_format == "auto" and sys.stdout.isatty()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter(as_text=as_text))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for chatty in ("sqlalchemy", "asyncio", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of every tick that a chore is still busy at.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _formatter(*, as_text: bool) -> logging.Formatter:
    renderer: list[Processor]
    if as_text:
        renderer = [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]
    else:
        renderer = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ]
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
    )


def _to_json(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=str).decode()
