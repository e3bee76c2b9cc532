"""Tidings inside your own FastAPI app: `uvicorn examples.fastapi_app:app --port 8080`.

The app's lifespan opens the system; a route says what happened. The mail is in the outbox.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

from tidings import Email, NotificationSystem, Workflow

GREETING = Workflow(key="order-placed", on="ORDER_PLACED", steps=[Email("welcome")])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with NotificationSystem(database_url="sqlite://", workflows=[GREETING]) as system:
        app.state.tidings = system
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def place_order(request: Request, customer: str, email: str) -> dict[str, str]:
    tidings: NotificationSystem = request.app.state.tidings
    await tidings.users.put(customer, email=email)
    event_id = await tidings.trigger("ORDER_PLACED", customer, {"order": "A-7"})
    return {"event_id": event_id}


@app.get("/orders/mail/{event_id}")
async def mail(request: Request, event_id: str) -> list[str]:
    """What became of the mail about an order."""
    explanation = await request.app.state.tidings.explain(event_id)
    return [
        delivery.state
        for notification in explanation.notifications
        for delivery in notification.deliveries
    ]
