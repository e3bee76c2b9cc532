"""Real Redis and PostgreSQL servers, private to one test session and gone with it."""
