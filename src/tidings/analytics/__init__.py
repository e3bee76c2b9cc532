"""Analytics Service: counts what happened, for the dashboard and whoever asks."""
