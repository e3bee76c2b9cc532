"""Who may ask, as long as no key is configured: only this machine, unless said in plain sight."""

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

from tidings.api.problems import problem_response

#: paths that are public by nature
PUBLIC_PATHS = frozenset({"/register", "/healthz", "/readyz"})

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
        if scope["type"] != "http" or _is_public(scope) or _is_local(scope):
            await self._app(scope, receive, send)
        else:
            await problem_response(_REFUSAL)(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_public(scope: Scope) -> bool:
    """Public, save what a page of somebody else's makes a browser on this machine ask."""
    return scope["path"] in PUBLIC_PATHS and _header(scope, b"sec-fetch-site") != "cross-site"


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    from_here = client is None or is_loopback(client[0])
    named_here = is_loopback(_host_name(scope))
    return from_here and named_here and _header(scope, b"sec-fetch-site") != "cross-site"


def _host_name(scope: Scope) -> str:
    host = _header(scope, b"host")
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _header(scope: Scope, name: bytes) -> str:
    headers = dict(reversed(scope["headers"]))
    return str(headers.get(name, b"").decode("latin-1"))
