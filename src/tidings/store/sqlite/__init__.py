"""The store on SQLite: one file, one process, one writer thread."""

from tidings.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
