"""What a fault proxy does to the bytes of one direction, and how one connection suffers it."""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_PIECE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where a connection ends: after so many bytes, or at the piece that holds the pattern."""

    at: int | bytes
    #: how many connections end so; those after them live
    times: int = 1
    #: the piece with the pattern still passes; else the other side never sees it
    passing: bool = True
    #: the connection ends with what comes back, which is lost: it was acted upon
    answered: bool = False
    #: by RST; else in good order
    reset: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What becomes of the bytes of one direction; times in seconds."""

    #: how long each piece is held, and how much longer by chance
    latency: float = 0.0
    jitter: float = 0.0
    #: nothing passes; what comes is kept until this is lifted
    stalled: bool = False
    #: what comes is gone
    swallowing: bool = False
    #: bytes a piece has at most
    slices: int = _PIECE
    #: bytes a second
    bandwidth: float = float("inf")
    #: how long an end takes to be passed on
    closing: float = 0.0
    cut: Cut | None = None


OPEN = Way()


class Direction:
    """One direction of all connections: how it is now, and how many are still to be cut."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._changed = asyncio.Event()
        self._to_cut = 0
        self.way = OPEN
        #: connections it cut
        self.cuts = 0

    def change(self, way: Way) -> None:
        """From now on, for what is being held too."""
        self.way = way
        self._to_cut = way.cut.times if way.cut else 0
        self._changed.set()
        self._changed = asyncio.Event()

    async def hold(self, size: int) -> None:
        """Wait as long as a piece of that size has to."""
        way = self.way
        seconds = way.latency + way.jitter * self._chance.random() + size / way.bandwidth
        if seconds:
            await asyncio.sleep(seconds)
        while self.way.stalled:
            await self._changed.wait()

    def due_cut(self, found: Callable[[Cut], bool]) -> Cut | None:
        """The cut to be made where it is found, counted as made."""
        cut = self.way.cut
        if cut is None or not self._to_cut or not found(cut):
            return None
        self._to_cut -= 1
        self.cuts += 1
        return cut


class Pump:
    """Carries the bytes of one direction of one connection."""

    def __init__(
        self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._direction = direction
        self._reader = reader
        self._writer = writer
        self._passed = 0
        self._tail = b""
        self._last: Cut | None = None
        self._opposite = self

    def face(self, opposite: "Pump") -> None:
        """Know the pump of the other direction."""
        self._opposite, opposite._opposite = opposite, self

    async def run(self) -> Cut | None:
        """Until the end, which is passed on, or until a cut, which is told."""
        while data := await self._reader.read(_PIECE):
            for piece in _pieces(data, self._direction.way.slices):
                cut = await self._pass(piece)
                if cut is not None:
                    return cut
        await self._end()
        return None

    async def _pass(self, piece: bytes) -> Cut | None:
        await self._direction.hold(len(piece))
        if self._last is not None:
            return self._last
        cut = self._direction.due_cut(lambda cut: self._falls_in(cut, piece))
        if cut is not None:
            piece = self._before(cut, piece)
        if not self._direction.way.swallowing:
            self._writer.write(piece)
            await self._writer.drain()
        self._passed += len(piece)
        if cut is None or not cut.answered:
            return cut
        self._opposite._last = cut
        return None

    def _falls_in(self, cut: Cut, piece: bytes) -> bool:
        if isinstance(cut.at, int):
            return self._passed + len(piece) >= cut.at
        seen, self._tail = self._tail + piece, (self._tail + piece)[-len(cut.at) :]
        return cut.at in seen

    def _before(self, cut: Cut, piece: bytes) -> bytes:
        """What of the piece still passes."""
        if isinstance(cut.at, int):
            return piece[: max(0, cut.at - self._passed)]
        return piece if cut.passing else b""

    async def _end(self) -> None:
        await asyncio.sleep(self._direction.way.closing)
        if self._writer.can_write_eof():
            self._writer.write_eof()


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))
