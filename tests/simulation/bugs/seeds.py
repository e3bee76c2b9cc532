"""Which seeds notice a planted bug."""

import pytest

from tests.simulation.bugs.bug import Bug
from tests.simulation.run import simulate
from tests.simulation.store import fresh_database

#: seeds among which one must notice each bug, and which the published table counts
SEEDS = 200


def notices(bug: Bug, seed: int) -> bool:
    """Whether a run of the seed breaks a promise under the bug."""
    fresh_database()  # before there is a bug that it could be made with
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)
        return bool(simulate(seed).broken)


def is_noticed(bug: Bug) -> bool:
    """Whether one of the seeds notices it: the one known to, or else, in a changed engine, any."""
    known = [] if bug.seed is None else [bug.seed]
    return any(notices(bug, seed) for seed in (*known, *range(SEEDS)))
