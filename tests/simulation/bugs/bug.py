"""A planted bug: what is changed in the running code, and the ordinary test that must notice."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import pytest

STORE = "tests/contract/test_store.py::TestSqliteStore::"
OUTAGES = "tests/system/test_delivery_outages.py::"
LEASES = "tests/system/test_delivery_leases.py::"
UNKNOWN = "tests/system/test_unknown_outcomes.py::"
DELIVERY = "tests/system/test_delivery.py::"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A mistake one could make."""

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    #: an ordinary test that fails with it
    test: str
    #: a seed that fails with it; None where no seed gets there, for the reason given
    seed: int | None
    unseen: str = ""


def reworded(module: ModuleType, name: str, old: str, new: str) -> Callable[..., None]:
    """Plants a bug in a statement: `old` in the text of that name becomes `new`."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        text: str = getattr(module, name)
        assert old in text, f"{module.__name__}.{name} has no {old!r} any more: reword the bug"
        patch.setattr(module, name, text.replace(old, new))

    return plant


def replaced(owner: object, name: str, instead: object) -> Callable[..., None]:
    """Plants a bug in place of a function or method."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(owner, name, instead)

    return plant
