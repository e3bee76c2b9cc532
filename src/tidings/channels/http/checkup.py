"""The check of the `http` provider: whether the endpoint is within reach; it posts nothing."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from tidings.channels.http.http import trusted
from tidings.channels.http.options import PREFIX, HttpOptions
from tidings.channels.options import read_options
from tidings.core.checkup import Finding, failure, ok
from tidings.core.errors import OutcomeUnknown, Unavailable
from tidings.egress.http import HttpClient

#: seconds the whole call may take
PATIENCE = 10.0
_CHECK = "HTTP endpoint"


async def check_up(options: Mapping[str, str]) -> Sequence[Finding]:
    """Whether somebody speaks HTTP there. Raises ConfigurationError for wrong options."""
    chosen = read_options(HttpOptions, options, prefix=PREFIX)
    async with HttpClient(timeout=PATIENCE, answer_limit=0, tls=trusted(chosen)) as http:
        try:
            answer = await http.request("OPTIONS", chosen.url)  # by RFC 9110 it changes nothing
        except (Unavailable, OutcomeUnknown) as error:
            remedy = f"check {PREFIX}URL, and {PREFIX}CA_FILE if its certificate is your own"
            return [failure(_CHECK, str(error), remedy)]
    host = urlsplit(chosen.url).netloc
    return [ok(_CHECK, f"{host} answers, by status {answer.status} to OPTIONS")]
