"""A small pool of SMTP connections: each sends many mails and is replaced now and then."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tidings.channels.email.smtp_session import Envelope, SmtpSession, Stale
from tidings.core.errors import TransientError

Open = Callable[[float], Awaitable[SmtpSession]]
"""Opens a connection before a deadline of the loop's clock."""


class SmtpPool:
    """At most `size` connections; the one used last goes first, so that surplus ones go idle."""

    def __init__(
        self, open_session: Open, *, size: int, mails: int = 100, idle_seconds: float = 30.0
    ) -> None:
        self._open = open_session
        self._mails = mails
        self._idle_seconds = idle_seconds
        self._free = asyncio.Semaphore(size)
        self._idle: deque[SmtpSession] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Leave to use one of the connections, waited for without end."""
        return self._free

    @asynccontextmanager
    async def begun(self, envelope: Envelope, deadline: float) -> AsyncIterator[SmtpSession]:
        """A connection on which the mail is begun, to be used within a slot.

        A stale one is replaced once. Raises TransientError when none can be opened in time.
        """
        session: SmtpSession | None = None
        try:
            session = self._newest()
            if session is not None and not await _began(session, envelope, deadline):
                session.close()
                session = None
            if session is None:
                session = await self._open(deadline)
                if not await _began(session, envelope, deadline):
                    raise TransientError("the mail server closed a new connection at MAIL")
            yield session
        finally:
            if session is not None:
                self._keep(session)

    def close(self) -> None:
        """Hang up on every idle connection; those at work follow when they are done."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        while self._idle:
            self._idle.pop().close()

    def _newest(self) -> SmtpSession | None:
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            session.close()
        return None

    def _keep(self, session: SmtpSession) -> None:
        if self._closed or not session.usable or session.sent >= self._mails:
            session.close()
            return
        session.idle_since = asyncio.get_running_loop().time()
        self._idle.append(session)
        self._sweep_later()

    def _sweep_later(self) -> None:
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(self._idle_seconds, self._hang_up_on_idle)

    def _hang_up_on_idle(self) -> None:
        self._sweep = None
        since = asyncio.get_running_loop().time() - self._idle_seconds
        while self._idle and self._idle[0].idle_since <= since:
            self._idle.popleft().close()
        if self._idle:
            self._sweep_later()


async def _began(session: SmtpSession, envelope: Envelope, deadline: float) -> bool:
    try:
        await session.begin(envelope, deadline)
    except Stale:
        return False
    return True
