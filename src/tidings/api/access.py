"""Who may ask, as long as no key is configured: only this machine, unless said in plain sight."""

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

from tidings.api.problems import problem_response

#: paths that are public by nature
PUBLIC_PATHS = frozenset({"/register", "/healthz", "/readyz"})

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "testserver"})

_REFUSAL = {
    "type": "urn:tidings:problem:forbidden",
    "title": "Forbidden",
    "status": 403,
    "detail": (
        "Without keys this API answers only to the machine it runs on. "
        "Set TIDINGS_ALLOW_UNAUTHENTICATED=1 where the network is yours alone."
    ),
}


class LoopbackOnly:
    """Refuses clients of other machines, and names of this one that a web page made up.

    The check of the Host header stops DNS rebinding: a page in a browser here that gives its own
    name this machine's address.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes from here, or is public."""
        if scope["type"] != "http" or scope["path"] in PUBLIC_PATHS or _is_local(scope):
            await self._app(scope, receive, send)
        else:
            await problem_response(_REFUSAL)(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    return (client is None or is_loopback(client[0])) and _host_name(scope) in _LOCAL_HOSTS


def _host_name(scope: Scope) -> str:
    headers = dict(reversed(scope["headers"]))
    host = str(headers.get(b"host", b"").decode("latin-1"))
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
