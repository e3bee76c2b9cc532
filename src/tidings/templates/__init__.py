"""Template Service: what is said, per channel and language, in versions that never change."""
