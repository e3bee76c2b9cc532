"""The delivery engine: claim, re-check, render, send, settle."""
