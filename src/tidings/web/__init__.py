"""The pages a person opens: the dashboard and the dev outbox."""
