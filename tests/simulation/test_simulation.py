"""The whole engine under every fault at once, in virtual time, from thousands of seeds.

`TIDINGS_TEST_SEEDS` sets how many, `TIDINGS_TEST_FIRST_SEED` where they begin, `TIDINGS_TEST_SEED`
runs a single one and prints its trace.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.faults.extent import extent
from tests.simulation.run import simulate

SEEDS = int(os.environ.get("TIDINGS_TEST_SEEDS", extent(2_000, 20_000)))
FIRST = int(os.environ.get("TIDINGS_TEST_FIRST_SEED", "0"))
ONE = int(os.environ.get("TIDINGS_TEST_SEED", "1"))
CHUNKS = 8


@pytest.mark.slow
@pytest.mark.timeout(max(120, SEEDS))
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_seed_keeps_every_promise(chunk: int) -> None:
    for seed in range(FIRST + chunk, FIRST + SEEDS, CHUNKS):
        report = simulate(seed)

        assert not report.broken, report.in_words()


def test_one_seed_keeps_every_promise() -> None:
    report = simulate(ONE)

    print(*report.trace, sep="\n")  # noqa: T201 (the trace is what it is run for)
    assert not report.broken, report.in_words()


def test_the_same_seed_gives_the_same_trace_in_another_process_too() -> None:
    program = (
        "import json, sys; from tests.simulation.run import simulate; "
        f"json.dump(simulate({ONE}).trace, sys.stderr)"
    )

    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert simulate(ONE).trace == simulate(ONE).trace == json.loads(other.stderr)


def test_a_run_leaves_nothing_behind_for_the_next() -> None:
    alone = simulate(ONE).trace

    for seed in range(ONE + 1, ONE + 4):
        simulate(seed)

    assert simulate(ONE).trace == alone


def test_another_seed_gives_another_trace() -> None:
    assert simulate(ONE).trace != simulate(ONE + 1).trace
