"""Every checker is shown to fail: each planted bug is noticed by an ordinary test and by a seed.

`python -m tests.simulation.bugs.table` makes the published table of them anew.
"""

import re
import subprocess
import sys

import pytest

from tests.simulation.bugs.all import BUGS
from tests.simulation.bugs.bug import Bug
from tests.simulation.bugs.seeds import is_noticed

SEEN = [bug for bug in BUGS if not bug.unseen]


@pytest.mark.parametrize("bug", [pytest.param(bug, id=bug.name) for bug in SEEN])
def test_a_seed_notices_the_planted_bug(bug: Bug) -> None:
    assert is_noticed(bug)


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
    assert len({bug.test for bug in BUGS}) == len(BUGS) == len({bug.name for bug in BUGS})


def test_a_bug_that_no_seed_notices_says_why() -> None:
    assert all((bug.seed is None) == bool(bug.unseen) for bug in BUGS)
