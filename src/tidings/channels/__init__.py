"""Channel services' providers: each carries one message to one address."""
