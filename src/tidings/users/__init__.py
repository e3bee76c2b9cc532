"""User Service: people, where they are reached, and what they chose to be told."""
