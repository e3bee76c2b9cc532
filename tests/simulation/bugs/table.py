"""Prints the planted bugs as a table in Markdown: which test and which seeds notice each."""

import logging
from concurrent.futures import ProcessPoolExecutor

import structlog

from tests.simulation.bugs.all import BUGS
from tests.simulation.bugs.seeds import SEEDS, notices


def main() -> None:
    """Run every bug under the first seeds, which takes minutes."""
    print(f"| Planted bug | Noticed by the test | First seed | Seeds of {SEEDS} |")  # noqa: T201
    print("|---|---|--:|--:|")  # noqa: T201
    with ProcessPoolExecutor() as pool:
        for row in pool.map(_row, range(len(BUGS))):
            print(row, flush=True)  # noqa: T201


def _row(number: int) -> str:
    bug = BUGS[number]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    seeds = [seed for seed in range(SEEDS) if notices(bug, seed)]
    test = bug.test.rsplit("::", 1)[-1].removeprefix("test_").replace("_", " ")
    return f"| {bug.name} | {test} | {min(seeds, default='–')} | {len(seeds)} |"


if __name__ == "__main__":
    main()
