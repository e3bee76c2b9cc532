"""A process that accepts until it is killed, and prints each id only once it is durable.

`python -m tidings.testing.store_contract.acceptor module:Class path|url location`
"""

import asyncio
import importlib
import sys
from pathlib import Path

from tidings.core.clock import SystemClock
from tidings.testing.store_contract.given import accept, an_event


async def accept_for_ever(implementation: str, kind: str, location: str) -> None:
    """Accept event after event, a few at a time."""
    module, _, name = implementation.partition(":")
    store_class = getattr(importlib.import_module(module), name)
    place = Path(location) if kind == "path" else location
    store = await store_class.open(place, clock=SystemClock())
    while True:
        events = [an_event(store) for _ in range(5)]
        await asyncio.gather(*[accept(store, event) for event in events])
        sys.stdout.write("".join(f"{event.id}\n" for event in events))
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(accept_for_ever(*sys.argv[1:4]))
