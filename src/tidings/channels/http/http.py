"""The `http` provider: each message as one JSON POST to an endpoint of your own, for any channel.

What becomes of a message, by how its call ended:

    no connection, no DNS, TLS refused          TransientError, which names the setting to mend
    2xx, whatever becomes of the body           sent
    3xx, 401, 403, 404, 405, 407, 421           TransientError, which names the setting to mend
    402, 408, 425, 429, 5xx                     TransientError, not before its Retry-After
    409                                         OutcomeUnknown, `own`: an earlier call is at work
    410 with a `reason`                         AddressRejected; without one: check the URL
    any other 4xx (400, 413, 422, …)            PermanentError
    502, 504, a code that is none               OutcomeUnknown: a gateway heard nothing either
    lost or silent after the request left us    OutcomeUnknown

The table of codes is in `answers.py`. Time and bytes of every answer are bounded.
"""

import ssl
from collections.abc import Mapping
from urllib.parse import quote

import orjson

from tidings.channels.email.addresses import recipient
from tidings.channels.http.answers import error_for, id_in, object_in
from tidings.channels.http.options import PREFIX, HttpOptions
from tidings.channels.naming import Named, naming
from tidings.channels.options import read_options
from tidings.channels.registry import ProviderPorts
from tidings.channels.tls import context
from tidings.core.clock import Clock
from tidings.core.errors import InvalidInput, PermanentError, TransientError, Unavailable
from tidings.core.models import Message, Receipt
from tidings.core.quiet_log import QuietLog
from tidings.egress.http import Answer, HttpClient
from tidings.egress.retry_after import retry_after

#: bytes of an answer that are read: an id or a reason has its room
_ANSWER_LIMIT = 64 * 1024


class HttpProvider:
    """Posts messages over kept connections, each under its id as the `Idempotency-Key`."""

    def __init__(self, options: HttpOptions, *, clock: Clock, named: Named = str) -> None:
        self._options = options
        self._clock = clock
        self._named = named
        self._http = HttpClient(
            timeout=options.timeout,
            connections=options.connections,
            answer_limit=_ANSWER_LIMIT,
            tls=trusted(options),
        )
        self._headers = {"Content-Type": "application/json", **_authorization(options.token)}
        self._quiet_log = QuietLog("http")

    @property
    def concurrency(self) -> int:
        """As many sends as there may be connections."""
        return self._options.connections

    async def send(self, message: Message) -> Receipt:
        """Post one message. Raises DeliveryError as drawn above."""
        try:
            with naming(self._named):
                return await self._posted(message)
        except TransientError as error:  # not for each message: its own line repeats the reason
            self._quiet_log.warning("the HTTP endpoint does not take messages", reason=str(error))
            raise

    async def aclose(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def _posted(self, message: Message) -> Receipt:
        headers = {**self._headers, "Idempotency-Key": message.id}
        answer = await self._call("POST", self._options.url, "URL", headers, _json(message))
        if not 200 <= answer.status < 300:
            hidden = message.address, self._options.token
            raise error_for(answer, now=self._clock.now(), hidden=hidden)
        return Receipt(provider_id=id_in(object_in(answer)))

    async def _call(
        self, method: str, url: str, option: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        try:
            return await self._http.request(method, url, body=body, headers=headers)
        except Unavailable as error:
            raise TransientError(
                f"{error}: check {PREFIX}{option}, and {PREFIX}CA_FILE if its certificate is "
                "your own"
            ) from error
        except InvalidInput as error:
            raise PermanentError(str(error)) from error


class CheckingHttpProvider(HttpProvider):
    """One whose endpoint can be asked what became of a message."""

    def __init__(
        self, options: HttpOptions, *, check_url: str, clock: Clock, named: Named = str
    ) -> None:
        super().__init__(options, clock=clock, named=named)
        self._check_url = f"{check_url}{'&' if '?' in check_url else '?'}id="

    async def find(self, message: Message) -> Receipt | None:
        """The receipt of a message the endpoint took, None where it surely did not.

        Only JSON is believed, so that no page of a wrong address makes a message seem taken.
        Raises DeliveryError when it can't tell.
        """
        with naming(self._named):
            return await self._found(message)

    async def _found(self, message: Message) -> Receipt | None:
        url = self._check_url + quote(message.id, safe="")
        answer = await self._call("GET", url, "CHECK_URL", self._headers)
        content = object_in(answer)
        if answer.status == 200 and content is not None:
            return Receipt(provider_id=id_in(content))
        if answer.status == 404 and content is not None:
            return None
        raise TransientError(
            f"asked for a message, the endpoint answered {answer.status}, not 200 or 404 with a "
            f"JSON object: check {PREFIX}CHECK_URL and {PREFIX}TOKEN",
            retry_after=retry_after(answer.headers, now=self._clock.now()),
        )


def build(options: Mapping[str, str], ports: ProviderPorts) -> HttpProvider:
    """The entry point. Raises ConfigurationError naming the variable and the fix."""
    chosen = read_options(HttpOptions, options, prefix=PREFIX)
    if chosen.check_url is None:
        return HttpProvider(chosen, clock=ports.clock, named=ports.named)
    return CheckingHttpProvider(
        chosen, check_url=chosen.check_url, clock=ports.clock, named=ports.named
    )


def trusted(options: HttpOptions) -> ssl.SSLContext | None:
    """Whom to trust in place of the system's. Raises ConfigurationError naming the variable."""
    if options.ca_file is None:
        return None
    return context(options.ca_file, setting=f"{PREFIX}CA_FILE")


def _authorization(token: str | None) -> Mapping[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _json(message: Message) -> bytes:
    if message.channel == "email":
        recipient(message.address)
    content = message.content
    try:
        return orjson.dumps(
            {
                "id": message.id,
                "channel": message.channel,
                "to": message.address,
                "recipient_name": message.recipient_name,
                "locale": message.locale,
                "workflow": message.workflow,
                "subject": content.subject,
                "text": content.text,
                "html": content.html,
            }
        )
    except orjson.JSONEncodeError as error:
        raise PermanentError(
            "the message holds half a surrogate pair, which no JSON can carry: mend its template "
            "or its data"
        ) from error
