"""Logs: one event a line, JSON unless somebody watches at a terminal."""

import logging
import re
import sys
from typing import cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from schema.runtime.settings import Settings

_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters but tab and newline, which structlog itself shows as text."""

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
    # The HTTP libraries log whole URLs, and at debug all headers: some are secret.
    for chatty in ("sqlalchemy", "asyncio", "alembic", "httpx2", "httpcore2", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of every tick that a chore is still busy at.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _formatter(*, as_text: bool) -> logging.Formatter:
    renderer: list[Processor]
    if as_text:
        renderer = [_harmless, structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]
    else:
        renderer = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ]
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
    )


def _harmless(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Let no text that somebody sent command the terminal."""
    return {
        name: _COMMANDS.sub(_escaped, value) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _to_json(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=str).decode()
