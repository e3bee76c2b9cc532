"""Every checker is shown to fail: each planted bug is noticed by an ordinary test and by a seed.

`python -m tests.simulation.bugs.table` makes the published table of them anew.
"""

import re
import subprocess
import sys

import pytest

from tests.simulation.bugs.all import BUGS
from tests.simulation.bugs.bug import Bug
from tests.simulation.bugs.seeds import first_seed

NAMES = [bug.name for bug in BUGS]


@pytest.mark.parametrize("bug", BUGS, ids=NAMES)
def test_a_seed_notices_the_planted_bug(bug: Bug) -> None:
    assert first_seed(bug, bug.within) is not None


@pytest.mark.slow
def test_an_ordinary_test_notices_each_planted_bug() -> None:
    wanted = {bug.test for bug in BUGS}

    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.simulation.bugs.planting"),
            *("-n", "0", "-q", "-rfE", "--tb=no", "-o", "timeout=20", *sorted(wanted)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    noticed = set(re.findall(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.MULTILINE))
    assert noticed == wanted, run.stdout[-3000:]


def test_no_two_bugs_share_a_test_or_a_name() -> None:
    assert len({bug.test for bug in BUGS}) == len(BUGS) == len(set(NAMES))
