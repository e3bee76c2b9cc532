"""An event loop on virtual time: many processes in one thread, in an order drawn from a seed.

Time jumps when nobody can go on. Which process goes next is chance; within a process the order is
asyncio's own, as it would be on a loop to itself. There are no threads and no sockets.
"""

import asyncio
import bisect
import contextvars
import heapq
import itertools
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVarTuple

#: where the virtual clock begins, in seconds: late enough for every "not since" to be over
START = 1_000.0
#: callbacks in a row after which a run is taken for one that goes round in circles
MOST_STEPS = 20_000

Arguments = TypeVarTuple("Arguments")
_Callback = tuple[asyncio.Handle, Callable[..., object], tuple[Any, ...], contextvars.Context]
_process: contextvars.ContextVar["Process"] = contextvars.ContextVar("process")


class Process:
    """What dies together and stands still together; everything it starts is a part of it."""

    def __init__(self, name: str) -> None:
        #: no two have the same
        self.name = name
        self.dead = False
        #: it ended without having put down what it had in hand
        self.lost = False
        #: it does nothing before this time, though the world goes on
        self.stands_until = 0.0
        self.ready: deque[_Callback] = deque()

    def __repr__(self) -> str:
        return self.name

    def die(self) -> None:
        """Nothing of it runs any more: no handler, no `finally`."""
        self.dead = self.lost = True
        self.ready.clear()


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs callbacks one by one until a time is reached; what a process leaves is never run."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._now = START
        self._timers: list[tuple[float, int, Process, _Callback]] = []
        self._numbers = itertools.count()
        self._tasks: list[asyncio.Task[Any]] = []
        #: processes with something to do, and those that would have if they did not stand still
        self._ready: list[Process] = []
        self._standing: list[Process] = []
        #: where what belongs to no process runs: the network, the database, the vendors
        self.world = Process("world")
        #: the context of the world's own callbacks
        self.nobody = contextvars.Context()
        self.failures: list[str] = []

    def time(self) -> float:
        """The virtual clock, in seconds."""
        return self._now

    def start(self, process: Process, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine, and whatever it starts, as part of a process."""
        context = contextvars.Context()
        context.run(_process.set, process)
        return self.create_task(coroutine, context=context)

    def call_soon(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Run a callback after what its process has to do already."""
        context = contextvars.copy_context() if context is None else context
        handle = asyncio.Handle(callback, args, self, context)
        self._add(context.get(_process, self.world), (handle, callback, args, context))
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback when the virtual clock says so."""
        context = contextvars.copy_context() if context is None else context
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        entry = (handle, callback, args, context)
        process = context.get(_process, self.world)
        heapq.heappush(self._timers, (when, next(self._numbers), process, entry))
        return handle

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """A task that stays, whoever forgets it: in a dead process nothing is cleaned up."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **options)
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What nobody caught is a failure of the run."""
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def run_to(self, end: float) -> None:
        """Go on until the virtual clock reaches `end`."""
        with self._running():
            for _ in range(MOST_STEPS):
                if not self._step(end):
                    return
        self.failures.append(f"{MOST_STEPS} steps did not bring the clock to {end - START:.1f} s")

    def close(self) -> None:
        """Forget everything; what never came to its end is thrown away without a word."""
        with self._running():
            for task in self._tasks:  # which grows, for what is thrown away starts tasks at times
                if not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined] # asyncio's own
                    _throw_away(task.get_coro())
        super().close()

    @contextmanager
    def _running(self) -> Iterator[None]:
        hooks = sys.get_asyncgen_hooks()
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(finalizer=_forget)
        try:
            yield
        finally:
            sys.set_asyncgen_hooks(*hooks)
            asyncio._set_running_loop(None)

    def _add(self, process: Process, entry: _Callback) -> None:
        if process.dead:
            return
        if not process.ready and process not in self._standing:
            self._put(process)
        process.ready.append(entry)

    def _put(self, process: Process) -> None:
        # In an order of their own: who rang whom first is up to addresses in memory.
        bisect.insort(self._ready, process, key=lambda each: each.name)

    def _step(self, end: float) -> bool:
        ready = self._ready
        if not ready:
            return self._jump(end)
        index = int(self._random.random() * len(ready)) if len(ready) > 1 else 0
        process = ready[index]
        if process.stands_until > self._now:
            self._standing.append(ready.pop(index))
        elif not process.ready:
            ready.pop(index)
        else:
            handle, callback, args, context = process.ready.popleft()
            if not process.ready:
                ready.pop(index)
            if not handle.cancelled():
                context.run(callback, *args)
        return True

    def _jump(self, end: float) -> bool:
        """Move the clock to the next thing that happens; False when that is not before `end`."""
        timers = self._timers
        while timers and (timers[0][3][0].cancelled() or timers[0][2].dead):
            heapq.heappop(timers)
        moment = timers[0][0] if timers else end
        if self._standing:
            moment = min(moment, *(process.stands_until for process in self._standing))
        self._now = max(self._now, min(moment, end))
        while timers and timers[0][0] <= self._now:
            _, _, process, entry = heapq.heappop(timers)
            self._add(process, entry)
        self._go_on()
        return moment < end

    def _go_on(self) -> None:
        """Those whose standstill is over take up what has come meanwhile."""
        for process in [each for each in self._standing if each.stands_until <= self._now]:
            self._standing.remove(process)
            self._put(process)


def _forget(_generator: object) -> None:
    """A generator nobody awaits any more ends without its `finally`."""


def _throw_away(coroutine: Any) -> None:
    """Close a coroutine, however often its `finally` waits for something."""
    for _ in range(20):
        try:
            coroutine.close()
            return
        except RuntimeError:
            continue
