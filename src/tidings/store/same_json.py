"""Whether two values say the same in JSON, whichever database one of them comes back from: pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def is_same(one: Any, other: Any) -> bool:
    """Whether they are equal as JSON: `true` is no 1, while 1 and 1.0 are one number.

    Objects are equal in any order of their keys.
    """
    match one, other:
        case (bool(), _) | (_, bool()):
            return one is other
        case (float(), int()) | (int(), float()):
            # PostgreSQL gives 1.1e18 back as an integer, which holds more digits than the float
            return float(one) == float(other)
        case Mapping(), Mapping():
            return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
        case str(), str():
            return one == other
        case Sequence(), Sequence():
            return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)
