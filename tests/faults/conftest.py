"""Which fault a test tries, whether it is tried in this run, and what the runs measured."""

import pytest

from tests.faults.extent import FULL

FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> list[str]:
    """Lines for the end of the run."""
    return pytestconfig.stash.setdefault(FIGURES, [])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A fault's number is a word for `-k` (`F1_` is not F10); what is long runs in full runs."""
    long = [] if FULL else [item for item in items if item.get_closest_marker("full")]
    for item in items:
        for marker in item.iter_markers("fault"):
            item.extra_keyword_matches.update(f"{number}_" for number in marker.args)
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in terminalreporter.config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)
