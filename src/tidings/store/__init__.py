"""The rows that are the queue: one schema, SQLite and PostgreSQL, group commit."""
