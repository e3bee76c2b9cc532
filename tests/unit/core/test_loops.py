import asyncio

from tidings.core.loops import BackOff


async def seconds_of(back_off: BackOff, *, stopping: asyncio.Event | None = None) -> float:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await back_off.pause(stopping)
    return loop.time() - started


async def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_reset() -> None:
    back_off = BackOff(first=0.02, longest=0.08)

    pauses = [await seconds_of(back_off) for _ in range(4)]
    back_off.reset()
    pauses.append(await seconds_of(back_off))

    assert all(
        at_least <= pause + 0.002
        for at_least, pause in zip((0.02, 0.04, 0.08, 0.08, 0.02), pauses, strict=True)
    )
    assert pauses[4] < pauses[2]


async def test_a_pause_ends_at_once_when_all_is_to_stop() -> None:
    stopping = asyncio.Event()
    stopping.set()

    assert await seconds_of(BackOff(first=60.0), stopping=stopping) < 5
