"""Mail servers for tests: an obliging one in a thread of its own, and one that follows a script."""

import asyncio
import email
import email.policy
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers.ports import free_port

#: made for these tests: `localhost` and 127.0.0.1, valid for a century
CERTIFICATE = Path(__file__).with_name("localhost-certificate.pem")
CERTIFICATE_AND_KEY = Path(__file__).with_name("localhost.pem")

HANG_UP = "hang up"
SAY_NOTHING = "say nothing"
STOP_READING = "354 go on, nobody reads"


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE_AND_KEY)
    return context


class SmtpSink:
    """aiosmtpd: takes every mail and parses it. `options` go to its SMTP class."""

    def __init__(self, *, tls: bool = False, login: tuple[str, str] | None = None, **options: Any):
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.clients: Counter[object] = Counter()
        self.port = free_port()
        options.setdefault("enable_SMTPUTF8", False)
        if login is not None:
            options["authenticator"] = _only(login)
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=server_context() if tls else None,
            ready_timeout=20,
            **options,
        )

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._controller.stop()

    async def handle_DATA(  # noqa: N802, aiosmtpd's own name
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        raw = cast(bytes, envelope.content)
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        self.mails.append(parsed)
        self.envelopes.append(envelope)
        self.clients[session.peer] += 1
        return f"250 2.0.0 Ok: queued as Q{len(self.mails)}"


def _only(login: tuple[str, str]) -> Any:
    def authenticate(
        _server: object, _session: object, _envelope: object, _mechanism: str, data: object
    ) -> AuthResult:
        given = data if isinstance(data, LoginPassword) else LoginPassword(b"", b"")
        expected = tuple(word.encode() for word in login)
        return AuthResult(success=(given.login, given.password) == expected, handled=False)

    return authenticate


class ScriptedServer:
    """Speaks SMTP badly on purpose: `script` has a reply for a command, or what it does instead.

    The commands are GREETING, EHLO, MAIL, RCPT, DATA, END (after the final dot), RSET. A list is
    used up call by call; what has no entry is answered well.
    """

    _GOOD: Mapping[str, str] = {
        "GREETING": "220 script",
        "EHLO": "250-script\r\n250 SIZE 1000000",
        "DATA": "354 go on",
        "END": "250 2.0.0 Ok: queued as S1",
    }

    def __init__(self, script: Mapping[str, str | list[str]]) -> None:
        self._script = {name: _listed(reply) for name, reply in script.items()}
        self.heard: list[str] = []
        self.connections = 0
        self._conversations: list[asyncio.Task[None]] = []
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for conversation in self._conversations:
                conversation.cancel()
            await asyncio.gather(*self._conversations, return_exceptions=True)

    def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._conversations.append(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._answer(writer, "GREETING")
            while line := await reader.readline():
                command = line.decode().split()[0].upper()
                self.heard.append(line.decode().strip())
                answered = await self._answer(writer, command)
                if answered == STOP_READING:
                    await asyncio.Event().wait()
                if command == "DATA" and answered.startswith("354"):
                    await reader.readuntil(b"\r\n.\r\n")
                    self.heard.append("END")
                    await self._answer(writer, "END")
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, command: str) -> str:
        reply = self._next(command)
        if reply == HANG_UP:
            raise ConnectionResetError
        if reply != SAY_NOTHING:
            writer.write(reply.encode() + b"\r\n")
            await writer.drain()
        return reply

    def _next(self, command: str) -> str:
        replies = self._script.get(command)
        if not replies:
            return self._GOOD.get(command, "250 ok")
        return replies.pop(0)


def _listed(reply: str | list[str]) -> list[str]:
    return [reply] * 1000 if isinstance(reply, str) else list(reply)
