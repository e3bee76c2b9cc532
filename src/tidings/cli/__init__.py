"""`tidings`: start the system or one of its services, and talk to a running one."""

from tidings.cli import asking, health, keys, running
from tidings.cli.root import app, main

__all__ = ["app", "asking", "health", "keys", "main", "running"]
