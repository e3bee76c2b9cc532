"""The Notification Service's routes on a house, asked over HTTP without a server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
from fastapi import FastAPI

from tests.system.house import House, open_house
from tidings.api.problems import install_problems
from tidings.core.clock import SystemClock
from tidings.notifications.api import notifications_router
from tidings.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    house: House
    http: httpx2.AsyncClient

    async def problem(self, answer: httpx2.Response) -> tuple[int, str]:
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json().get("field", "")


def make_app(house: House, *, rate: str = "off") -> FastAPI:
    app = FastAPI()
    install_problems(app)
    app.include_router(
        notifications_router(
            intake=house.intake,
            notifications=house.notifications,
            workflows=house.workflows,
            register_rate=rate,
            metrics=house.metrics,
        )
    )
    return app


def client(app: FastAPI) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


@asynccontextmanager
async def open_api() -> AsyncIterator[Api]:
    store = await SqliteStore.open(None, clock=SystemClock())
    async with open_house(store) as house, client(make_app(house)) as http:
        await house.users.put("ann", email="ann@example.com", name="Ann", locale=None)
        yield Api(house=house, http=http)
    await store.aclose()
