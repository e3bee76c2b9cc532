"""Print the OpenAPI document of the whole API, as docs/reference/openapi.json has it."""

import asyncio
import json

from tidings.main import create_app
from tidings.testing.fake_system import FakeSystem


async def document() -> str:
    """The document, in an order that makes differences easy to read."""
    async with FakeSystem() as system:
        return json.dumps(create_app(system.services).openapi(), indent=2, sort_keys=True)


if __name__ == "__main__":
    print(asyncio.run(document()))
