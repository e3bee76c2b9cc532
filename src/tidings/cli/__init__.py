"""`tidings`: start the system or one of its services, and talk to a running one."""

from tidings.cli import asking, dead_letters, doctor, health, keys, running, suppressions
from tidings.cli.root import app, main

__all__ = [
    "app",
    "asking",
    "dead_letters",
    "doctor",
    "health",
    "keys",
    "main",
    "running",
    "suppressions",
]
