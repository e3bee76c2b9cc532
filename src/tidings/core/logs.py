"""Logs a person can follow: a line for what was heard, decided and done, addresses masked."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

LogFormat = Literal["auto", "console", "json"]

#: keys whose values are people's addresses, masked wherever they appear
ADDRESS_KEYS = frozenset({"address", "email", "phone", "to"})


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one part, named after it."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name, part=name)
    return logger


def configure_logs(*, form: LogFormat = "auto", level: str = "info") -> None:
    """Set up logging for the process: console form on a terminal, JSON lines otherwise."""
    shared = _shared_processors()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(form),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())


def mask_address(address: str) -> str:
    """An address as logs may show it: `t***@example.com`, `+48***00`."""
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}***@{domain}"
    return f"{address[:3]}***{address[-2:]}" if len(address) > 6 else "***"


def mask_addresses(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Mask the values of the keys that hold addresses."""
    for key in ADDRESS_KEYS & entry.keys():
        if isinstance(entry[key], str):
            entry[key] = mask_address(entry[key])
    return entry


def _shared_processors() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        mask_addresses,
        structlog.processors.StackInfoRenderer(),
    ]


def _renderers(form: LogFormat) -> list[structlog.typing.Processor]:
    if form == "console" or (form == "auto" and sys.stderr.isatty()):
        return [structlog.dev.ConsoleRenderer()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
