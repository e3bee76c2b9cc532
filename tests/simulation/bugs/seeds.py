"""Which seeds notice a planted bug."""

import pytest

from tests.simulation.bugs.bug import Bug
from tests.simulation.run import simulate
from tests.simulation.store import fresh_database


def notices(bug: Bug, seed: int) -> bool:
    """Whether a run of the seed breaks a promise under the bug."""
    fresh_database()  # before there is a bug that it could be made with
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)
        return bool(simulate(seed).broken)


def first_seed(bug: Bug, within: int) -> int | None:
    """The first seed that notices it, if one of so many does."""
    return next((seed for seed in range(within) if notices(bug, seed)), None)
