import asyncio

from tidings.core.bell import Bell


async def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()

    bell.ring()
    bell.ring()

    assert await bell.wait(5)
    assert not await bell.wait(0)


async def test_a_ring_wakes_who_waits() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.wait(5))
    await asyncio.sleep(0)

    bell.ring()

    assert await waiting


async def test_without_a_ring_the_wait_is_over_in_its_time() -> None:
    async with asyncio.timeout(1):
        assert not await Bell().wait(0.01)
