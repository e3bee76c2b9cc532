"""A running Tidings over HTTP, with the names of `NotificationSystem`."""

from tidings.client.async_client import AsyncClient
from tidings.client.sync_client import Client
from tidings.client.transport import DEFAULT_URL

__all__ = ["DEFAULT_URL", "AsyncClient", "Client"]
