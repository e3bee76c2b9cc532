"""The tests of Tidings."""
