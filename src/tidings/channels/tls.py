"""Whom a provider trusts when it speaks TLS."""

import ssl
from pathlib import Path

from tidings.core.errors import ConfigurationError


def context(ca_file: Path | None, *, setting: str) -> ssl.SSLContext:
    """Trust the file's certificates, or the system's. Raises ConfigurationError."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{setting} can't be read ({error}): name a file of PEM certificates."
        ) from error
