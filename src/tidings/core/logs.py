"""Logs a person can follow: a line for what was heard, decided and done, addresses masked."""

import logging
import re
import sys
import unicodedata
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import orjson
import structlog

LogFormat = Literal["auto", "console", "json"]

#: keys whose values are people's addresses, masked wherever they appear
ADDRESS_KEYS = frozenset({"address", "email", "phone", "to"})
#: libraries whose everyday lines say nothing to the reader of our log
QUIET_LIBRARIES = ("alembic", "uvicorn")

#: what could steer a terminal: control and format characters, save line breaks and tabs
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ADDRESS = re.compile(r"[^\s/@<>\"'(),:;]+(?:@|%40)[^\s/@<>\"'(),:;]+")


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one part, named after it."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name, part=name)
    return logger


def configure_logs(*, form: LogFormat = "auto", level: str = "info") -> None:
    """Set up logging for the process: console form on a terminal, JSON lines otherwise."""
    shared = _shared_processors()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
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
    for name in QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def join_host_logs() -> None:
    """Inside somebody's program: hand lines to its standard logging, unless it set up structlog."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def mask_address(address: str) -> str:
    """An address as logs may show it: `t***@example.com`, `+48***00`."""
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}***@{domain}"
    return f"{address[:3]}***{address[-2:]}" if len(address) > 6 else "***"


def mask_addresses(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Mask what holds addresses by its key, and what looks like an e-mail address anywhere."""
    for key, value in entry.items():
        if isinstance(value, str):
            entry[key] = mask_address(value) if key in ADDRESS_KEYS else mask_text(value)
    return entry


def drop_nothings(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Leave out what is None: it says nothing."""
    return {key: value for key, value in entry.items() if value is not None}


def mask_text(text: str) -> str:
    """A text with every e-mail address in it masked."""
    if "@" not in text and "%40" not in text:
        return text
    return _ADDRESS.sub(lambda found: mask_address(found[0].replace("%40", "@")), text)


def _shared_processors() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        mask_addresses,
        drop_nothings,
    ]


def _renderers(form: LogFormat) -> list[structlog.typing.Processor]:
    if form == "console" or (form == "auto" and sys.stderr.isatty()):
        return [_for_eyes, structlog.dev.ConsoleRenderer(sort_keys=False)]
    return [structlog.processors.JSONRenderer(_json)]


def _json(entry: Mapping[str, Any], **_options: object) -> str:
    return orjson.dumps(entry, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


def _for_eyes(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The time of day is enough on a terminal, and who speaks stands beside what is said."""
    for key, value in entry.items():
        if isinstance(value, str) and not value.isprintable():
            entry[key] = "".join(_harmless(character) for character in value)
    entry["timestamp"] = f"{str(entry['timestamp'])[11:19]}Z"
    entry["logger"] = entry.pop("part", entry.get("logger", ""))
    return entry


def _harmless(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _STEERING:
        return character
    return character.encode("unicode_escape", "backslashreplace").decode()
