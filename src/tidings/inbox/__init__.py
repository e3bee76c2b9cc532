"""Inbox Service: what each person finds in their feed, and what they made of it."""
