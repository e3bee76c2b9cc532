"""Migrations, applied by the program itself at start."""

from tidings.store.migrations.migrate import REVISIONS, migrate

__all__ = ["REVISIONS", "migrate"]
