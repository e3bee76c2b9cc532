"""What was acknowledged survives `kill -9`."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from tidings.core.ports import Store
from tidings.store import schema
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.case import StoreCase
from tidings.testing.store_contract.given import rows

#: how many acknowledged events the process is let live for
_ENOUGH = 200
_PATIENCE = 60.0


class DurabilityContract(StoreCase):
    """What must be there after a crash."""

    async def test_a_killed_process_loses_nothing_it_acknowledged(
        self, location: Path | str, clock: MovableClock
    ) -> None:
        process = await self._start_accepting(location)
        acknowledged = await read_until(process, _ENOUGH)

        process.kill()
        acknowledged += await read_rest(process)

        store: Store = await self.implementation.open(location, clock=clock)
        stored = {each["id"] for each in await rows(store, schema.events)}
        await store.aclose()
        assert len(acknowledged) >= _ENOUGH
        assert set(acknowledged) - stored == set()

    async def _start_accepting(self, location: Path | str) -> Process:
        implementation = f"{self.implementation.__module__}:{self.implementation.__qualname__}"
        kind = "path" if isinstance(location, Path) else "url"
        module = "tidings.testing.store_contract.acceptor"
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, implementation, kind, str(location), stdout=PIPE
        )


async def read_until(process: Process, count: int) -> list[str]:
    """The first `count` ids the process acknowledged."""
    assert process.stdout is not None
    async with asyncio.timeout(_PATIENCE):
        return [(await process.stdout.readuntil()).decode().strip() for _ in range(count)]


async def read_rest(process: Process) -> list[str]:
    """What it acknowledged in whole lines before it died."""
    assert process.stdout is not None
    rest = await process.stdout.read()
    await process.wait()
    return rest[: rest.rfind(b"\n") + 1].decode().split()
