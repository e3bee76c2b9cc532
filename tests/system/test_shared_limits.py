"""Several workers on one Redis: together they keep to an integration's limits, come what may."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from tests.servers.redis import RedisServer
from tests.system.post_office import PostOffice, running, until
from tests.system.vendors import Vendor, most_in_a_second
from tests.unit.delivery.gate.workers import Workers
from tidings.core.integrations import Limits
from tidings.event_bus.shared_state import RedisSharedState

WORKERS = 4
RATE = 100.0
#: the most in a second as the vendor sees it: 1.2 times the rate may begin, and what waited for a
#: core between its leave and its call may come in the next one's second
MOST = 1.5 * RATE


async def send_all(
    office: PostOffice,
    redis_url: str,
    limits: Limits,
    count: int,
    meanwhile: Callable[[Vendor], Awaitable[None]],
) -> Vendor:
    """Let several workers send so many mails by one vendor of such limits; the vendor."""
    vendor = Vendor()
    await office.plan_welcomes(count)
    async with AsyncExitStack() as stack:
        for _ in range(WORKERS):
            shared = RedisSharedState(redis_url, clock=office.clock)
            stack.push_async_callback(shared.aclose)
            integration = vendor.named("only", limits=limits)
            service = office.service(integrations=[integration], shared=shared, poll_seconds=0.2)
            await stack.enter_async_context(running(service))
        await meanwhile(vendor)
        async with asyncio.timeout(40):
            await until(lambda: len(vendor.messages) == count)
    return vendor


async def nothing(_vendor: Vendor) -> None:
    return


async def test_workers_share_one_rate(office: PostOffice, redis_url: str) -> None:
    vendor = await send_all(office, redis_url, Limits(rate=RATE), 350, nothing)

    took = vendor.calls[-1] - vendor.calls[0]
    assert most_in_a_second(vendor.calls) <= MOST
    assert 350 / took >= 0.7 * RATE


async def test_without_redis_they_stay_within_the_limit_and_take_it_up_again(
    office: PostOffice, redis_url: str, redis_server: RedisServer
) -> None:
    async def lose_redis(vendor: Vendor) -> None:
        await until(lambda: len(vendor.calls) > 100)
        redis_server.kill()
        before = len(vendor.calls)
        await until(lambda: len(vendor.calls) > before + 150)
        redis_server.start()

    vendor = await send_all(office, redis_url, Limits(rate=RATE), 500, lose_redis)

    assert most_in_a_second(vendor.calls) <= MOST
    assert await office.states() == ["sent"] * 500


async def test_a_redis_that_forgets_all_gives_nobody_more(
    office: PostOffice, redis_url: str, redis_server: RedisServer
) -> None:
    async def flush(vendor: Vendor) -> None:
        while len(vendor.calls) < 300:
            before = len(vendor.calls)
            redis_server.flush()
            await until(partial(_has_gone_on, vendor, before + 30))

    vendor = await send_all(office, redis_url, Limits(rate=RATE), 350, flush)

    assert most_in_a_second(vendor.calls) <= MOST


async def test_what_a_worker_learned_alone_it_tells_when_redis_is_back(
    redis_url: str, redis_server: RedisServer
) -> None:
    workers = Workers()
    async with AsyncExitStack() as stack:
        states = [RedisSharedState(redis_url, clock=workers.clock) for _ in range(2)]
        for state in states:
            stack.push_async_callback(state.aclose)
        one, other = workers.gate("one", states[0]), workers.gate("other", states[1])
        redis_server.kill()
        one.pause(60)
        await one.tell()
        redis_server.start()

        async with asyncio.timeout(10):
            while not other.wait():
                await one.tell()
                await other.take(0)
                await other.tell()
                other.ended(other.term, failed=False)

    assert 50 < other.wait() <= 60


def _has_gone_on(vendor: Vendor, count: int) -> bool:
    return len(vendor.calls) >= count
