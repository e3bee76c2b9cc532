"""Access to the pages: signing in with a key, and out again."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tidings.api.keyring import Keyring
from tidings.api.sessions import COOKIE, LASTING, Sessions
from tidings.core.clock import Clock
from tidings.core.errors import Forbidden, Unauthorized
from tidings.core.keys import ApiKey, Scope
from tidings.web.engine import Engine
from tidings.web.forms import read_form, require_own_page
from tidings.web.routes import page_route
from tidings.web.security import page_response

_HOME = "/dashboard"


def login_router(
    *,
    engine: Engine,
    keyring: Keyring,
    sessions: Sessions,
    clock: Clock,
    allow_unauthenticated: bool,
) -> APIRouter:
    """`/login`: who is signed in, and the forms that change it."""
    router = APIRouter(include_in_schema=False, route_class=page_route(engine))
    door = _Door(keyring, sessions, clock)

    @router.get("/login")
    async def show_login(request: Request) -> Response:
        html = engine.render(
            "login.html",
            configured=await keyring.is_configured(),
            open=allow_unauthenticated,
            key=await door.signed_in(request),
            next=_own(request.query_params.get("next", "")),
            error="",
        )
        return page_response(html)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        require_own_page(request)
        fields = await read_form(request)
        goal = _own(fields.get("next", ""))
        try:
            return await door.open(request, fields.get("key", "").strip(), goal)
        except (Unauthorized, Forbidden) as error:
            html = engine.render(
                "login.html", configured=True, key=None, next=goal, error=str(error)
            )
            return page_response(html, status=HTTPStatus.UNAUTHORIZED)

    @router.post("/login/end")
    async def log_out(request: Request) -> Response:
        require_own_page(request)
        answer = RedirectResponse("/login", status_code=HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return answer

    return router


class _Door:
    def __init__(self, keyring: Keyring, sessions: Sessions, clock: Clock) -> None:
        self._keyring = keyring
        self._sessions = sessions
        self._clock = clock

    async def signed_in(self, request: Request) -> ApiKey | None:
        """The key of the session, if there is one."""
        key_id = self._sessions.key_id(request.cookies.get(COOKIE, ""), self._clock.now())
        try:
            return await self._keyring.by_id(key_id) if key_id else None
        except Unauthorized:
            return None

    async def open(self, request: Request, token: str, goal: str) -> Response:
        """Begin a session and go on. Raises Unauthorized, and Forbidden without `read`."""
        key = await self._keyring.by_token(token)
        if not key.allows(Scope.READ):
            raise Forbidden(f"this key lacks the scope {Scope.READ}: take another one")
        answer = RedirectResponse(goal, status_code=HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            COOKIE,
            self._sessions.begin(key.id, self._clock.now()),
            max_age=int(LASTING.total_seconds()),
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="lax",
        )
        return answer


def _own(goal: str) -> str:
    """The page to go on to: one of ours, whatever was asked for."""
    is_ours = goal.startswith("/") and not goal.startswith(("//", "/\\"))
    return goal if is_ours and goal.isprintable() else _HOME
