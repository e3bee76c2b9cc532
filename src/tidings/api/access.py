"""Who may ask: whoever has a key; without any key only this machine, unless said in plain sight."""

import ipaddress
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidings.api.audit import AuditLog
from tidings.api.keyring import Keyring
from tidings.api.problems import answer_error
from tidings.api.scopes import asked_path, is_audited, needed_scope, takes_session
from tidings.api.sessions import COOKIE, Sessions
from tidings.core import keys
from tidings.core.clock import Clock
from tidings.core.errors import Forbidden, TidingsError, Unauthorized
from tidings.core.keys import ApiKey
from tidings.core.logs import get_logger

#: where the gate leaves who asks, for routes that write it down
ACTOR = "tidings.actor"
#: and whether that one may do everything, for pages that offer it
MAY_ALL = "tidings.may_all"
SOMEBODY = "somebody (no key is configured)"

_LONGEST_PATH = 500
#: the code of a WebSocket that is closed for who asks (RFC 6455, 7.4.1)
_POLICY = 1008
#: what tells that somebody else asks through a proxy
_FORWARDED = (b"x-forwarded-for", b"forwarded", b"via")

_log = get_logger("access")


class Gate:
    """Admits requests by key and scope, or by where they come from, and audits admin actions.

    Without keys, the check of the Host header stops DNS rebinding: a page in a browser here that
    gives its own name this machine's address.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keyring: Keyring,
        audit: AuditLog,
        sessions: Sessions,
        clock: Clock,
        allow_unauthenticated: bool,
    ) -> None:
        self._app = app
        self._keyring = keyring
        self._audit = audit
        self._sessions = sessions
        self._clock = clock
        self._allow_unauthenticated = allow_unauthenticated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may be asked, and refuse all else."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        method, path = scope.get("method", "GET"), asked_path(scope)
        needed = needed_scope(method, path)
        try:
            scope[ACTOR] = await self._admit(scope, needed)
            if is_audited(method, path, needed):
                send = await self._audited(scope, send)
        except TidingsError as error:
            await _refuse(scope, receive, send, error)
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, needed: keys.Scope | None) -> str:
        """Who asks, in words. Raises Unauthorized and Forbidden."""
        if needed is None and not _is_cross_site(scope):
            return SOMEBODY
        if not await self._keyring.is_configured():
            if not self._allow_unauthenticated and not _is_local(scope):
                raise Forbidden(
                    "without keys this API answers only to the machine it runs on: make a key "
                    "there by `tidings keys create`, or set TIDINGS_ALLOW_UNAUTHENTICATED=1 where "
                    "the network is yours alone"
                )
            scope[MAY_ALL] = True
            return SOMEBODY
        if needed is None:
            return SOMEBODY
        key = await self._key(scope, needed)
        scope[MAY_ALL] = key.allows(keys.Scope.ADMIN)
        if not key.allows(needed):
            raise Forbidden(f"this needs a key with the scope {needed}")
        return f"key {key.id} ({key.name})"

    async def _key(self, scope: Scope, needed: keys.Scope) -> ApiKey:
        kind, _, token = _header(scope, b"authorization").partition(" ")
        if kind.lower() == "bearer":
            return await self._keyring.by_token(token.strip())
        if takes_session(needed, asked_path(scope)) and not _is_cross_site(scope):
            key_id = self._sessions.key_id(
                HTTPConnection(scope).cookies.get(COOKIE, ""), self._clock.now()
            )
            if key_id is not None:
                return await self._keyring.by_id(key_id)
        raise Unauthorized("this needs a key: send it as Authorization: Bearer tdg_…")

    async def _audited(self, scope: Scope, send: Send) -> Send:
        """Write down what is about to be done; the status follows with the answer."""
        action = f"{scope['method']} {scope['path'][:_LONGEST_PATH]}"
        entry = await self._audit.begin(scope[ACTOR], action)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._note(entry, message["status"])
            await send(message)

        return send_and_note

    async def _note(self, entry: str, status: int) -> None:
        try:
            await self._audit.end(entry, status)
        except Exception as error:  # it is done, and the entry says that it was asked for
            _log.warning("an audited answer could not be noted", error=type(error).__name__)


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


async def _refuse(scope: Scope, receive: Receive, send: Send, error: TidingsError) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY, "reason": str(error)})
    else:
        await _refusal(scope, error)(scope, receive, send)


def _refusal(scope: Scope, error: TidingsError) -> Response:
    """A page's reader is led to the door; all others hear what is missing."""
    reads_pages = "text/html" in _header(scope, b"accept") and scope["method"] == "GET"
    if isinstance(error, Unauthorized) and reads_pages:
        return RedirectResponse(f"/login?next={quote(scope['path'])}", status_code=303)
    return answer_error(error)


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    from_here = client is None or is_loopback(client[0])
    if any(_header(scope, name) for name in _FORWARDED):
        return False
    return from_here and is_loopback(_host_name(scope)) and not _is_cross_site(scope)


def _is_cross_site(scope: Scope) -> bool:
    """Whether a page of somebody else's makes a browser ask."""
    return _header(scope, b"sec-fetch-site") == "cross-site"


def _host_name(scope: Scope) -> str:
    host = _header(scope, b"host")
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _header(scope: Scope, name: bytes) -> str:
    headers = dict(reversed(scope["headers"]))
    return str(headers.get(name, b"").decode("latin-1"))
