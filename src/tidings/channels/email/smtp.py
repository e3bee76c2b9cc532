"""The `smtp` provider: any mail server, by STARTTLS, TLS or (on a private network) neither.

What becomes of a mail, by how far it got:

    connecting, TLS, login fail           TransientError, which names the setting to mend
    a reply 4yz                           TransientError, `own` where it is the recipient's alone
    a reply 5yz to the account or sender  TransientError, which names what to mend
    a reply 5yz to the recipient          AddressRejected where it is said to be dead, like one to
                                          the account where that is what is minded
    any other 5yz                         PermanentError
    lost, silent or a reply too many
    before the final dot                  TransientError
    lost, silent or neither 2yz, 4yz nor
    5yz after it                          OutcomeUnknown

The table of replies is in `smtp_replies.py`.
"""

import asyncio
import ssl
from collections.abc import Mapping

from tidings.channels.email.addresses import Mailbox, recipient, sender
from tidings.channels.email.mime import build_mail
from tidings.channels.email.smtp_options import PREFIX, SmtpOptions
from tidings.channels.email.smtp_pool import SmtpPool
from tidings.channels.email.smtp_replies import queue_id
from tidings.channels.email.smtp_session import Envelope, SmtpSession
from tidings.channels.naming import Named, naming
from tidings.channels.options import read_options
from tidings.channels.registry import ProviderPorts
from tidings.channels.tls import context
from tidings.core.clock import Clock
from tidings.core.errors import TransientError
from tidings.core.logs import get_logger
from tidings.core.models import Message, Receipt

_log = get_logger("smtp")


class SmtpProvider:
    """Sends mails over a pool of connections."""

    def __init__(
        self,
        options: SmtpOptions,
        *,
        sender: Mailbox,
        context: ssl.SSLContext,
        clock: Clock,
        named: Named = str,
    ) -> None:
        self._options = options
        self._sender = sender
        self._context = context
        self._clock = clock
        self._named = named
        self._pool = SmtpPool(self._open, size=options.connections)
        self._complained = False

    @property
    def concurrency(self) -> int:
        """As many sends as there may be connections."""
        return self._options.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one mail to the server. Raises DeliveryError as drawn above."""
        envelope = self._envelope(message)
        async with self._pool.slot():
            deadline = asyncio.get_running_loop().time() + self._options.timeout
            async with self._pool.begun(envelope, deadline) as session:
                reply = await session.finish(envelope, deadline)
        return Receipt(provider_id=queue_id(reply))

    async def aclose(self) -> None:
        """Hang up."""
        self._pool.close()

    def _envelope(self, message: Message) -> Envelope:
        to = recipient(message.address, message.recipient_name)
        return Envelope(
            sender=self._sender.address,
            recipient=to.address,
            mail=build_mail(message, sender=self._sender, to=to, date=self._clock.now()),
            utf8=to.needs_utf8 or self._sender.needs_utf8,
        )

    async def _open(self, deadline: float) -> SmtpSession:
        try:
            with naming(self._named):
                session = await SmtpSession.open(
                    self._options, context=self._context, deadline=deadline
                )
        except TransientError as error:
            self._complain(error)
            raise
        self._complained = False
        return session

    def _complain(self, error: TransientError) -> None:
        """Once for each outage: every mail's own line repeats the reason anyway."""
        if not self._complained:
            self._complained = True
            _log.error("the mail server can't be used", reason=str(error))


def build(options: Mapping[str, str], ports: ProviderPorts) -> SmtpProvider:
    """The entry point. Raises ConfigurationError naming the variable and the fix."""
    chosen = read_options(SmtpOptions, options, prefix=PREFIX)
    return SmtpProvider(
        chosen,
        sender=sender(ports.email_from),
        context=context(chosen.ca_file, setting=f"{PREFIX}CA_FILE"),
        clock=ports.clock,
        named=ports.named,
    )
