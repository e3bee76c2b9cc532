"""A self-hosted notification system: who to tell, on which channel, when, and why."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidings.client import AsyncClient, Client
    from tidings.notification_system import NotificationSystem
    from tidings.notifications.workflow import ChannelStep, Delay, Email, InApp, Retry, Workflow
    from tidings.users.people import Preference

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "ChannelStep",
    "Client",
    "Delay",
    "Email",
    "InApp",
    "NotificationSystem",
    "Preference",
    "Retry",
    "Workflow",
]

_HOMES = {
    "AsyncClient": "tidings.client",
    "Client": "tidings.client",
    "NotificationSystem": "tidings.notification_system",
    "ChannelStep": "tidings.notifications.workflow",
    "Delay": "tidings.notifications.workflow",
    "Email": "tidings.notifications.workflow",
    "InApp": "tidings.notifications.workflow",
    "Preference": "tidings.users.people",
    "Retry": "tidings.notifications.workflow",
    "Workflow": "tidings.notifications.workflow",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
