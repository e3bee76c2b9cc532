"""What every shared state must do, as tests: inherit `SharedStateContract` and offer its fixtures.

    class TestMyState(SharedStateContract):
        @pytest.fixture
        async def state(self, clock): ...
        @pytest.fixture
        async def other_state(self, clock): ...   # another process's, on the same server

Where one process is all there is, `other_state` may be `state` itself.
"""

import asyncio

import pytest

from tidings.core.errors import Unavailable
from tidings.core.ports import Change, SharedState
from tidings.testing.clock import MovableClock


def counted(_now: float, old: bytes | None) -> tuple[bytes, int]:
    """A change: one more than there was, and how many there are."""
    count = int(old or b"0") + 1
    return str(count).encode(), count


def put(value: bytes) -> Change[None]:
    """A change that puts a value there, whatever was."""
    return lambda _now, _old: (value, None)


def shown(_now: float, old: bytes | None) -> tuple[bytes, bytes]:
    """A change that changes nothing, and tells what is there."""
    return old or b"", old or b""


def timed(now: float, _old: bytes | None) -> tuple[bytes, float]:
    """A change that only tells the time."""
    return b"timed", now


class SharedStateContract:
    """The contract of `core.ports.SharedState`."""

    @pytest.fixture
    def clock(self) -> MovableClock:
        """The clock of the state under test."""
        return MovableClock()

    async def test_a_change_is_made_of_what_was_there(self, state: SharedState) -> None:
        """Nothing at first, then what the last change left."""
        assert [await state.change("key", counted) for _ in range(3)] == [1, 2, 3]

    async def test_every_process_sees_the_same(
        self, state: SharedState, other_state: SharedState
    ) -> None:
        """What one changed, the other goes on with."""
        await state.change("key", counted)

        assert await other_state.change("key", counted) == 2

    async def test_it_is_read_without_a_change(
        self, state: SharedState, other_state: SharedState
    ) -> None:
        """Nothing where nothing was put, else what was put last, with the time of a change."""
        nothing = await state.read("key")
        now = await other_state.change("key", timed)
        found = await state.read("key")

        assert (nothing[1], found[1]) == (None, b"timed")
        assert nothing[0] <= now <= found[0]

    async def test_keys_are_apart(self, state: SharedState) -> None:
        """Each has a value of its own."""
        await state.change("one", counted)

        assert await state.change("other", counted) == 1

    async def test_any_bytes_are_kept(self, state: SharedState) -> None:
        """Empty ones too, and those that are no text."""
        for value in (b"\x00\xff\r\n", b"", b"x" * 10_000):
            await state.change("key", put(value))

            assert await state.change("key", shown) == value

    async def test_changes_at_once_are_made_one_after_the_other(
        self, state: SharedState, other_state: SharedState
    ) -> None:
        """Of many tasks in two processes none undoes another's."""

        async def count(its: SharedState) -> None:
            for _ in range(25):
                await its.change("key", counted)

        await asyncio.gather(*(count(its) for its in (state, other_state) for _ in range(8)))

        assert await state.change("key", counted) == 401

    async def test_a_change_that_fails_changes_nothing(self, state: SharedState) -> None:
        """Its error is the caller's, and the next change finds what was there."""

        def broken(_now: float, _old: bytes | None) -> tuple[bytes, None]:
            raise ZeroDivisionError

        await state.change("key", counted)
        with pytest.raises(ZeroDivisionError):
            await state.change("key", broken)

        assert await state.change("key", counted) == 2

    async def test_time_goes_on_and_is_moved_with_the_clock(
        self, state: SharedState, other_state: SharedState, clock: MovableClock
    ) -> None:
        """One clock for all, shifted by ours."""
        before = await state.change("key", timed)
        between = await other_state.change("key", timed)
        clock.advance(hours=1)
        after = await state.change("key", timed)

        assert before <= between
        assert 3600 <= after - between < 3660

    async def test_a_closed_one_takes_no_change(self, state: SharedState) -> None:
        """Unavailable, as when it can't be reached."""
        await state.aclose()

        with pytest.raises(Unavailable):
            await state.change("key", counted)
        with pytest.raises(Unavailable):
            await state.read("key")
