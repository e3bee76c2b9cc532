"""One run of a seed: everything from the first process to the verdict."""

import functools
import gc
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import structlog

from tests.simulation.clients import Clients
from tests.simulation.installation import Installation
from tests.simulation.nemesis import Nemesis
from tests.simulation.verdict import Verdict, unfinished
from tests.simulation.weather import CALM_SECONDS
from tests.simulation.world import World

#: virtual seconds between two looks at whether all is done
_LOOK_SECONDS = 0.5
#: lines of the trace that a failure shows
_LAST_STEPS = 80
RERUN = '  TIDINGS_TEST_SEED={seed} make test ARGS="-n 0 -s -k one_seed tests/simulation"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of one seed."""

    seed: int
    broken: list[str]
    trace: list[str]
    #: virtual seconds until all was done
    seconds: float

    def in_words(self) -> str:
        """What to print of a run that broke a promise."""
        return "\n".join(
            (
                f"seed {self.seed} broke {len(self.broken)} promises:",
                *(f"  - {each}" for each in self.broken),
                f"the last of {len(self.trace)} steps:",
                *self.trace[-_LAST_STEPS:],
                "run it again:",
                RERUN.format(seed=self.seed),
            )
        )


def simulate(seed: int) -> Report:
    """Run one seed to its end."""
    world = World(seed)
    installation = Installation(world)
    with _in_virtual_time(world):
        installation.start_all()
        clients = Clients(world, installation)
        clients.start()
        Nemesis(world, installation).start()
        end = world.calm_at + CALM_SECONDS
        while world.now < end and not _is_done(world, installation, clients):
            world.loop.run_to(world.now + _LOOK_SECONDS)
        broken = [*world.loop.failures, *Verdict(world.ledger, installation.connection).broken()]
        report = Report(seed=seed, broken=broken, trace=world.trace(), seconds=world.now)
        world.loop.close()
    return report


def _is_done(world: World, installation: Installation, clients: Clients) -> bool:
    if world.ledger.violations or world.loop.failures:
        return True
    quiet = world.calm and clients.done and world.all_awake
    return quiet and not unfinished(world.ledger, installation.connection)


@contextmanager
def _in_virtual_time(world: World) -> Iterator[None]:
    """What asks the machine for the time gets the loop's."""
    now = world.loop.time
    with (
        patch.object(time, "monotonic", now),
        patch.object(time, "perf_counter", now),
        _silence(),
    ):
        _keep_what_is_there()
        gc.disable()
        try:
            yield
        finally:
            gc.enable()
            gc.collect()


@functools.cache
def _keep_what_is_there() -> None:
    """Only what a run leaves behind is looked through after it: that is little, and all garbage."""
    gc.freeze()


@contextmanager
def _silence() -> Iterator[None]:
    """Logs cost more than a run, and the trace says more."""
    config = structlog.get_config() if structlog.is_configured() else None
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.reset_defaults()
        if config is not None:
            structlog.configure(**config)
