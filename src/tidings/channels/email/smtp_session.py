"""One connection to an SMTP server: a mail at a time, and no doubt about how far each got."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from tidings.channels.email.smtp_options import SmtpOptions
from tidings.channels.email.smtp_replies import Stage, error_for
from tidings.channels.words import without_addresses
from tidings.core.errors import DeliveryError, OutcomeUnknown, PermanentError, TransientError

#: seconds between looks at whether a large mail has left our buffer
_FLUSH_LOOK = 0.005
_LINE_START_DOT = re.compile(rb"(?m)^\.")
_LOST = (aiosmtplib.SMTPException, OSError, EOFError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A mail with who sends it and who gets it; `utf8` asks for SMTPUTF8 (RFC 6531)."""

    sender: str
    recipient: str
    mail: bytes
    utf8: bool


class Stale(Exception):
    """A pooled connection turned out to be closed before it was given anything."""


class SmtpSession:
    """A connection that sends mails one after the other."""

    def __init__(self, client: aiosmtplib.SMTP, *, now: float) -> None:
        self._client = client
        self._unfinished = False
        self.sent = 0
        self.idle_since = now

    @classmethod
    async def open(
        cls, options: SmtpOptions, *, context: ssl.SSLContext, deadline: float
    ) -> "SmtpSession":
        """Connect, secure and log in. Raises TransientError that names what to mend."""
        client = aiosmtplib.SMTP(
            hostname=options.host,
            port=options.effective_port,
            username=options.username,
            password=options.password,
            use_tls=options.tls == "tls",
            start_tls=options.tls == "starttls",
            tls_context=None if options.tls == "off" else context,
            timeout=None,  # the deadline counts for the whole
        )
        try:
            async with asyncio.timeout_at(deadline):
                await client.connect()
                await _greet(client)
        except (*_LOST, ValueError) as error:
            client.close()
            raise TransientError(_connect_failure(options, error)) from error
        except BaseException:
            client.close()
            raise
        return cls(client, now=asyncio.get_running_loop().time())

    @property
    def usable(self) -> bool:
        """Whether another mail can be sent."""
        return self._client.is_connected and not self._unfinished and not self._ahead()

    async def begin(self, envelope: Envelope, deadline: float) -> None:
        """Start a mail. Raises Stale if nobody listens any more, DeliveryError on a refusal."""
        options = self._mail_options(envelope)
        self._unfinished = True
        try:
            async with asyncio.timeout_at(deadline):
                code, text = await self._command(
                    b"MAIL", b"FROM:<" + envelope.sender.encode() + b">", *options
                )
        except TimeoutError as error:
            raise TransientError("the mail server did not answer MAIL in time") from error
        except _LOST as error:
            raise Stale from error
        if code == 421:  # said by servers that close an idle connection
            raise Stale
        await self._check(Stage.MAIL, code, text, deadline)

    async def finish(self, envelope: Envelope, deadline: float) -> str:
        """Hand the mail over; what the server said when it took it. Raises DeliveryError."""
        async with _losing_means(TransientError, "before the mail was handed over", deadline):
            code, text = await self._command(b"RCPT", b"TO:<" + envelope.recipient.encode() + b">")
        await self._check(Stage.RCPT, code, text, deadline)
        async with _losing_means(TransientError, "before the mail was handed over", deadline):
            code, text = await self._command(b"DATA")
        await self._check(Stage.DATA, code, text, deadline, expected=3)
        return await self._transfer(envelope, deadline)

    async def _transfer(self, envelope: Envelope, deadline: float) -> str:
        protocol = self._protocol()
        async with _losing_means(TransientError, "before the mail was handed over", deadline):
            protocol.write(_LINE_START_DOT.sub(b"..", envelope.mail))
            await _flushed(protocol)
            self._keep_step()
            protocol.write(b".\r\n")
        async with _losing_means(OutcomeUnknown, "after the mail was handed over", deadline):
            code, text = await protocol.read_response()
        if code // 100 not in {2, 4, 5}:
            raise OutcomeUnknown("the mail was handed over, and the answer made no sense")
        await self._check(Stage.END, code, text, deadline)
        self._unfinished = False
        self.sent += 1
        return text

    def close(self) -> None:
        """Say QUIT without waiting for an answer, and hang up."""
        if self.usable:
            self._protocol().write(b"QUIT\r\n")
        self._client.close()

    def _mail_options(self, envelope: Envelope) -> list[bytes]:
        options = []
        if self._client.supports_extension("size"):
            options.append(b"SIZE=%d" % len(envelope.mail))
        if envelope.utf8:
            if not self._client.supports_extension("smtputf8"):
                raise PermanentError(
                    "the address is not ASCII and the mail server lacks SMTPUTF8 (RFC 6531): "
                    "use a server that has it"
                )
            options += [b"BODY=8BITMIME", b"SMTPUTF8"]
        return options

    async def _check(
        self, stage: Stage, code: int, text: str, deadline: float, *, expected: int = 2
    ) -> None:
        if code // 100 == expected:
            return
        await self._reset(deadline)
        raise error_for(stage, code, text)

    async def _reset(self, deadline: float) -> None:
        """After a refusal: ready for the next mail, or left unfinished and so never used again."""
        try:
            async with asyncio.timeout_at(deadline):
                code, _ = await self._command(b"RSET")
        except (*_LOST, TimeoutError, TransientError):
            return
        self._unfinished = code != 250

    async def _command(self, *words: bytes) -> aiosmtplib.SMTPResponse:
        self._keep_step()
        return await self._client.execute_command(*words)

    def _keep_step(self) -> None:
        """A reply that came unasked would be taken for the one to what is sent next."""
        if self._ahead():
            raise TransientError("the mail server sent a reply to nothing it was asked")

    def _ahead(self) -> bool:
        # no public name tells it; where aiosmtplib gives it another, every mail fails at once
        protocol = self._client.protocol
        return protocol is not None and bool(protocol._buffer)

    def _protocol(self) -> SMTPProtocol:
        if self._client.protocol is None:
            raise TransientError("the connection broke before the mail was handed over")
        return self._client.protocol


async def _greet(client: aiosmtplib.SMTP) -> None:
    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError:
            await client.helo()


async def _flushed(protocol: SMTPProtocol) -> None:
    """Until all was given to the system: only then may the final dot follow."""
    while protocol.transport is not None:
        # uvloop's transports are none by their class, only by what they can do
        transport = cast(asyncio.WriteTransport, protocol.transport)
        if transport.get_write_buffer_size() == 0:
            return
        await asyncio.sleep(_FLUSH_LOOK)


@asynccontextmanager
async def _losing_means(
    kind: type[DeliveryError], when: str, deadline: float
) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise kind(f"the mail server did not answer in time, {when}") from error
    except _LOST as error:
        raise kind(f"the connection broke {when}") from error


def _connect_failure(options: SmtpOptions, error: Exception) -> str:
    server = f"{options.host}:{options.effective_port}"
    why = without_addresses(str(error))
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        return (
            f"TLS with {server} failed ({without_addresses(str(cause))}): check TIDINGS_SMTP_TLS, "
            "and TIDINGS_SMTP_CA_FILE if its certificate is your own"
        )
    if isinstance(error, aiosmtplib.SMTPAuthenticationError) or "AUTH" in why:
        return (
            f"{server} refused the login ({why}): "
            "check TIDINGS_SMTP_USERNAME and TIDINGS_SMTP_PASSWORD"
        )
    if "STARTTLS" in why:
        return (
            f"{server} offers no STARTTLS: set TIDINGS_SMTP_TLS=tls if it speaks TLS from the "
            "start, or off where the way to it is private"
        )
    if isinstance(error, TimeoutError):
        why = "no answer in time"
    return f"can't reach {server} ({why}): check TIDINGS_SMTP_HOST, _PORT and _TLS"
