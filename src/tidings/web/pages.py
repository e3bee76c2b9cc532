"""All pages under one router."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tidings.api.keyring import Keyring
from tidings.api.sessions import Sessions
from tidings.core.clock import Clock
from tidings.core.errors import NotFound
from tidings.core.ports import EventBus
from tidings.web.assets import Assets
from tidings.web.dashboard_pages import dashboard_router
from tidings.web.dead_letter_pages import dead_letters_router
from tidings.web.engine import Engine
from tidings.web.login_pages import login_router
from tidings.web.outbox_pages import outbox_router
from tidings.web.ports import Analytics, DeadLetters, Notifications, Outbox
from tidings.web.routes import page_route
from tidings.web.security import docs_response


def pages_router(
    *,
    analytics: Analytics,
    notifications: Notifications,
    outbox: Outbox,
    dead_letters: DeadLetters,
    bus: EventBus,
    clock: Clock,
    stopping: asyncio.Event,
    keyring: Keyring,
    sessions: Sessions,
    allow_unauthenticated: bool = False,
    title: str = "Tidings",
    sender: str = "Tidings <tidings@localhost>",
    origin: str = "http://localhost:8000",
) -> APIRouter:
    """`/dashboard`, `/outbox`, `/dead-letters`, `/docs`, `/login`, and `/` leading to the first.

    `sender` is who mails come from, `origin` the address that the command to try on an empty page
    goes to.
    """
    assets = Assets()
    engine = Engine(assets, clock=clock, title=title, origin=origin, sender=sender)
    login = login_router(
        engine=engine,
        keyring=keyring,
        sessions=sessions,
        clock=clock,
        allow_unauthenticated=allow_unauthenticated,
    )
    dashboard = dashboard_router(
        engine=engine,
        analytics=analytics,
        notifications=notifications,
        dead_letters=dead_letters,
        bus=bus,
        clock=clock,
        stopping=stopping,
    )
    outbox_pages = outbox_router(engine=engine, outbox=outbox, bus=bus, stopping=stopping)
    letters = dead_letters_router(engine=engine, dead_letters=dead_letters)
    return _joined(_entrance(engine, assets), login, outbox_pages, dashboard, letters)


def _joined(*routers: APIRouter) -> APIRouter:
    all_of_them = APIRouter()
    for router in routers:
        all_of_them.include_router(router)
    return all_of_them


def _entrance(engine: Engine, assets: Assets) -> APIRouter:
    router = APIRouter(include_in_schema=False, route_class=page_route(engine))

    @router.get("/")
    async def enter() -> Response:
        return RedirectResponse("/dashboard")

    @router.get("/docs")
    async def show_docs() -> Response:
        return docs_response(engine.render("docs.html"))

    @router.get("/static/{path:path}")
    async def show_asset(request: Request) -> Response:
        answer = assets.response(request.url.path)
        if answer is None:
            raise NotFound("There is no such file.")
        return answer

    return router
