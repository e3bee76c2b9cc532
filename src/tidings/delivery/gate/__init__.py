"""Whether an integration may be called now, and which of a channel's is called next."""
