"""The check of the `smtp` provider: it connects, secures and logs in, and sends nothing."""

import asyncio
from collections.abc import Mapping, Sequence

from tidings.channels.email.smtp_options import PREFIX, SmtpOptions
from tidings.channels.email.smtp_session import SmtpSession
from tidings.channels.options import read_options
from tidings.channels.tls import context
from tidings.core.checkup import Finding, failure, ok
from tidings.core.errors import TransientError

#: seconds the whole conversation may take
PATIENCE = 10.0
_CHECK = "mail server"


async def check_up(options: Mapping[str, str]) -> Sequence[Finding]:
    """Whether the mail server takes us. Raises ConfigurationError for wrong options."""
    chosen = read_options(SmtpOptions, options, prefix=PREFIX)
    deadline = asyncio.get_running_loop().time() + PATIENCE
    try:
        trusted = context(chosen.ca_file, setting=f"{PREFIX}CA_FILE")
        session = await SmtpSession.open(chosen, context=trusted, deadline=deadline)
    except TransientError as error:
        found, _, remedy = str(error).rpartition(": ")
        return [failure(_CHECK, found, remedy)]
    session.close()
    login = f", as {chosen.username}" if chosen.username else ", without a login"
    return [ok(_CHECK, f"{chosen.host}:{chosen.effective_port} by {_way(chosen)}{login}")]


def _way(options: SmtpOptions) -> str:
    return "plain text" if options.tls == "off" else options.tls.upper()
