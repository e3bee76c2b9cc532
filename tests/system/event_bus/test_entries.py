"""What other programs put on a bus channel, well-formed or not."""

import asyncio
import json
import subprocess
from typing import Any

import pytest
from redis.asyncio import Redis

from tidings.core.errors import ConfigurationError
from tidings.core.models import DEAD_LETTER_CHANNEL, USER_CHANNEL
from tidings.core.ports import Received
from tidings.event_bus import RedisEventBus
from tidings.testing.bus_contract import (
    an_event,
    handle,
    hear,
    hears_nothing,
    ids,
)


def test_redis_cli_can_publish(redis_url: str, bus: RedisEventBus) -> None:
    envelope = {
        "specversion": "1.0",
        "id": "order-1",
        "source": "https://shop.example/orders",
        "type": "ORDER_SHIPPED",
        "subject": "u7",
        "data": {"carrier": "Zażółć"},
    }
    address = (
        ["-s", redis_url.removeprefix("unix://")] if "unix:" in redis_url else ["-u", redis_url]
    )
    command = ["redis-cli", *address, "XADD", USER_CHANNEL, "*", "event", json.dumps(envelope)]
    subprocess.run(command, check=True, capture_output=True, timeout=10)

    async def heard() -> Received:
        async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
            [received] = await handle(subscription)
        await bus.aclose()
        return received

    event = asyncio.run(heard()).event
    assert (event.id, event.type, event.user_id) == ("order-1", "ORDER_SHIPPED", "u7")
    assert event.data == {"carrier": "Zażółć"}


MALFORMED = {
    "no field": {"other": "x"},
    "not JSON": {"event": "{"},
    "not an object": {"event": "[]"},
    "no id": {"event": '{"specversion":"1.0","source":"s","type":"t"}'},
    "broken UTF-8": {"event": b'{"specversion":"1.0","id":"\xff"}'},
    "raw null": {"event": "\x00"},
    "a time before time": {
        "event": '{"specversion":"1.0","id":"1","source":"s","type":"t",'
        '"time":"0001-01-01T00:00:00+14:00"}'
    },
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_entry_is_buried_and_the_worker_goes_on(
    bus: RedisEventBus, redis: Redis, fields: dict[Any, Any]
) -> None:
    async with (
        bus.subscribe(USER_CHANNEL, group="group") as subscription,
        bus.subscribe(DEAD_LETTER_CHANNEL, group="undertaker") as undertaker,
    ):
        entry_id = await redis.xadd(USER_CHANNEL, fields)
        await bus.publish(USER_CHANNEL, an_event(1))

        assert ids(await handle(subscription)) == ["event-1"]
        [letter] = await handle(undertaker)

    assert entry_id == letter.event.data["entry_id"].encode()
    assert letter.event.data["reason"]
    assert isinstance(letter.event.data["entry"], str)
    assert (await redis.xpending(USER_CHANNEL, "group"))["pending"] == 0


async def test_an_event_nested_too_deeply_for_a_letter_is_buried_as_text(
    bus: RedisEventBus, redis: Redis
) -> None:
    deep = '{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"x":%s}}'
    async with bus.subscribe(USER_CHANNEL, group="group") as subscription:
        await redis.xadd(USER_CHANNEL, {"event": deep % ("[" * 252 + "]" * 252)})
        [received] = await hear(subscription)
        await subscription.bury(received, "too deep")

    async with bus.subscribe(DEAD_LETTER_CHANNEL, group="undertaker") as undertaker:
        [letter] = await handle(undertaker)
    assert isinstance(letter.event.data["entry"], str)


async def test_a_malformed_dead_letter_is_only_put_away(bus: RedisEventBus, redis: Redis) -> None:
    async with bus.subscribe(DEAD_LETTER_CHANNEL, group="undertaker") as undertaker:
        await redis.xadd(DEAD_LETTER_CHANNEL, {"event": "{"})
        await bus.publish(DEAD_LETTER_CHANNEL, an_event(1))

        assert ids(await handle(undertaker)) == ["event-1"]
        assert await hears_nothing(undertaker, 0.5)


async def test_a_key_that_is_no_stream_is_named_as_the_fault(
    bus: RedisEventBus, redis: Redis
) -> None:
    await redis.set(USER_CHANNEL, "something else")

    with pytest.raises(ConfigurationError, match="something else than a stream"):
        await bus.publish(USER_CHANNEL, an_event())
