"""How much of a fault is tried: a taste in every run of the tests, all of it in `make faults`."""

import os
from typing import TypeVar

FULL = os.environ.get("TIDINGS_TEST_FAULTS") == "full"
Figure = TypeVar("Figure", int, float)


def extent(short: Figure, full: Figure) -> Figure:
    """The figure of this run."""
    return full if FULL else short
