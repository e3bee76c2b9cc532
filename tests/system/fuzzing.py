"""Lets schemathesis loose on an app, in process, and says what it found."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.python import asgi
from starlette.types import ASGIApp, Receive, Scope, Send

from tidings.core import keys
from tidings.core.dead_letters import dead_letter
from tidings.core.models import IN_APP, REGISTERED_USER, USER_CHANNEL, Content, Event, Message
from tidings.main import create_app
from tidings.system import System
from tidings.testing.fake_system import FakeSystem

#: what is sent in place of the system's key, so that the key need not be known beforehand
STAND_IN = "Bearer stand-in"

#: an item in a feed, and its user, as the document's examples name them
ITEM = Message(
    id="c193b675-bfe4-8224-ba2c-ddafd9ba86e3",
    channel=IN_APP,
    address="u1",
    content=Content(text="Order A-7 waits for you at the shop."),
    workflow="order-arrived",
)

#: the id of a key in the document's example: it stands for that of a true key, drawn at random
KEY_ID = "k7pmv2xq"

#: an event of that user, whose notification the document's examples name
EVENT_ID = "019aaf3e-6a00-7000-8000-000000000001"

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _buried(entry_id: str, entry: Event | str) -> Event:
    return dead_letter(
        bus_channel=USER_CHANNEL,
        group="notification",
        entry_id=entry_id,
        reason="nobody took it",
        entry=entry,
        at=_NOON,
    )


#: entries of the bus whose letters the document's examples name: one to replay, one to stay
LETTERS = (
    _buried("1-0", Event(id="7", type="ORDERED", source="shop", time=_NOON, user_id="u1")),
    _buried("2-0", "{broken"),
)

#: the answers that refuse a request; schemathesis alone does not count 413 among them
REFUSALS = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429]

Excuse = Callable[[str], bool]


@dataclass(slots=True, kw_only=True)
class Report:
    """What was sent, and what came of it."""

    operations: frozenset[str]
    cases: int = 0
    failures: list[str] = field(default_factory=list)
    succeeded: set[str] = field(default_factory=set)


class WholeApi:
    """The API of a `FakeSystem`, opened by ASGI's lifespan, asked from this machine with a key."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None
        self._key: keys.NewKey | None = None
        self._other: keys.NewKey | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:
            await self._app(self._from_here(scope), receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with FakeSystem(register_rate="off") as system:
            self._app = create_app(system.services)
            self._key = await system.services.keys.create("fuzz", [keys.Scope.ADMIN], by="tests")
            self._other = await system.services.keys.create("old", [keys.Scope.READ], by="tests")
            await _furnish(system.services)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _from_here(self, scope: Scope) -> Scope:
        """The request with its true key, which no request may revoke, and that of the example."""
        assert self._key is not None
        assert self._other is not None
        token, path = f"Bearer {self._key.token}", str(scope["path"])
        headers = [
            (name, token.encode() if value == STAND_IN.encode() else value)
            for name, value in scope["headers"]
        ]
        spared = path.replace(self._key.key.id, "aaaaaaaa")
        meant = spared.replace(KEY_ID, self._other.key.id)
        return {**scope, "client": ("127.0.0.1", 1), "headers": headers, "path": meant}


async def _furnish(services: System) -> None:
    """What no request can make: an item of a feed, a notification, and dead letters."""
    await services.users.put(ITEM.address)
    await services.inbox.add(ITEM)
    await services.intake.trigger(REGISTERED_USER, ITEM.address, event_id=EVENT_ID)
    await services.notifications.plan_due()
    for letter in LETTERS:
        await services.dead_letters.keep(letter)


def fuzz(
    app: Any, *, examples: int, random: bool = False, excused: Excuse = lambda _detail: False
) -> Report:
    """Every operation, by every phase and all default checks of schemathesis.

    `excused` says of the `detail` of a refusal whether no schema could have told of it.
    """

    def filter_failure(_context: Any, failure: Failure, _case: Any, response: Any) -> bool:
        refused = isinstance(failure, RejectedPositiveData)
        return not (refused and excused(response.json()["detail"]))

    with _opened(app, examples=examples, random=random) as schema:
        schema.hook(filter_failure)
        report = Report(
            operations=frozenset(operation.ok().label for operation in schema.get_all_operations())
        )
        for event in from_schema(schema).execute():
            _note(report, event)
    return report


@contextmanager
def _opened(app: Any, *, examples: int, random: bool) -> Iterator[Any]:
    config = SchemathesisConfig.from_dict(
        {
            "base-url": "http://localhost",
            "headers": {"Authorization": STAND_IN},
            "continue-on-failure": True,
            "cache": {"enabled": False},
            "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
            "generation": {
                "max-examples": examples,
                "deterministic": not random,
                "database": "none",
                "with-security-parameters": False,
            },
        }
    )
    headers = {"Authorization": STAND_IN, "Host": "localhost"}
    try:
        yield schemathesis.openapi.from_asgi("/openapi.json", app, config=config, headers=headers)
    finally:
        asgi.shutdown_lifespans()


def _note(report: Report, event: events.EngineEvent) -> None:
    if isinstance(event, events.NonFatalError | events.FatalError):
        report.failures.append(str(event))
    if isinstance(event, events.ScenarioFinished):
        report.cases += len(event.recorder.cases)
        report.failures += _failures(event)
        answers = [one.response for one in event.recorder.interactions.values()]
        if any(answer and 200 <= answer.status_code < 300 for answer in answers):
            report.succeeded.add(str(event.label))


def _failures(event: events.ScenarioFinished) -> Sequence[str]:
    return [
        f"{event.label}: {check.failure_info.failure} {check.failure_info.code_sample}"
        for checks in event.recorder.checks.values()
        for check in checks
        if check.failure_info
    ]
