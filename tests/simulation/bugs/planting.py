"""A plug-in for pytest: runs each test under the planted bug that it must notice.

`pytest -p tests.simulation.bugs.planting TEST…`: a test that is named by no bug runs as it is.
"""

from collections.abc import Iterator

import pytest

from tests.simulation.bugs.all import BUGS
from tests.system import post_office

#: seconds a test waits for what the bug keeps from happening
_PATIENCE = 2.0

_BY_TEST = {bug.test: bug for bug in BUGS}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Plant the bug before the fixtures, and pull it out after them."""
    bug = _BY_TEST.get(item.nodeid)
    with pytest.MonkeyPatch.context() as patch:
        if bug is not None:
            bug.plant(patch)
            patch.setattr(post_office, "PATIENCE", _PATIENCE)
        return (yield)
