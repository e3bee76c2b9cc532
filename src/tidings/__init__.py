"""A self-hosted notification system: who to tell, on which channel, when, and why."""

__version__ = "0.1.0"
