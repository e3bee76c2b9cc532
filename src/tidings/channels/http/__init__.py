"""The `http` provider: messages as JSON to an endpoint of your own, for any channel."""
