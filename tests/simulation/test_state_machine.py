"""The real services against a model of a hundred lines, in orders that Hypothesis thinks up."""

import asyncio
from collections import Counter, deque
from collections.abc import Coroutine
from typing import Any, TypeVar

import hypothesis.strategies as st
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults.extent import FULL
from tests.simulation.model import ATTEMPTS, BASE, LEASE, Letter, Model
from tests.system.house import House, open_house
from tests.system.post_office import PostOffice
from tidings import Email, Retry, Workflow
from tidings.core.errors import DeliveryError, OutcomeUnknown, PermanentError, TransientError
from tidings.core.models import Message, Receipt
from tidings.core.ports import Store
from tidings.core.work import Claimed
from tidings.store import schema
from tidings.store.dead_letter_rows import Kind
from tidings.store.dead_letters import DeadLetters
from tidings.store.postgres import PostgresStore
from tidings.store.sqlite import SqliteStore
from tidings.testing.clock import MovableClock
from tidings.testing.store_contract.given import a_request
from tidings.testing.store_contract.settle import sent
from tidings.users.people import Preference

Result = TypeVar("Result")

MINUTE = 60
USERS = ("ada", "ben")
#: (critical, at most once) → the type of event that asks for it
TYPES = {(False, False): "PLAIN", (True, False): "URGENT", (False, True): "ONCE"}
ENDS: dict[str, DeliveryError] = {
    "transient": TransientError("greylisted", own=True),
    "permanent": PermanentError("never"),
    "unknown": OutcomeUnknown("no answer"),
}
THEN = st.sampled_from(["nothing", "plan", "plan", "work", "work"])
_TABLES = (schema.attempts, schema.deliveries, schema.notifications, schema.events)


class ScriptedVendor:
    """Ends each call as the letter's script has it."""

    concurrency = 100

    def __init__(self, scripts: dict[str, deque[str]]) -> None:
        self._scripts = scripts
        self.taken: Counter[str] = Counter()

    async def send(self, message: Message) -> Receipt:
        mark = message.content.text
        end = self._scripts[mark].popleft() if self._scripts[mark] else "sent"
        self.taken[mark] += end in ("sent", "unknown")
        if end != "sent":
            raise ENDS[end]
        return Receipt()

    async def aclose(self) -> None:
        """Nothing is held."""


class Engine(RuleBasedStateMachine):
    """Does to the real thing what it does to the model, and compares them."""

    marks = Bundle("marks")
    #: set before it is run
    runner: asyncio.Runner
    office: PostOffice

    def __init__(self) -> None:
        super().__init__()
        self._model = Model()
        self._events: dict[str, str] = {}
        self._scripts: dict[str, deque[str]] = {}
        #: what workers claimed who are gone, and may come back
        self._gone: list[Claimed] = []
        self._vendor = ScriptedVendor(self._scripts)
        self._run(forget(self.office.store))
        for user in USERS:
            self._run(self.office.house.users.set_preferences(user, []))

    @rule(
        target=marks,
        user=st.sampled_from(USERS),
        kind=st.sampled_from(sorted(TYPES)),
        script=st.lists(st.sampled_from(sorted(ENDS)), max_size=4),
        then=THEN,
    )
    def ask(self, user: str, kind: tuple[bool, bool], script: list[str], then: str) -> str:
        mark = f"m{len(self._events)}"
        critical, at_most_once = kind
        self._scripts[mark] = deque(script)
        self._model.letters[mark] = Letter(
            user=user, script=deque(script), critical=critical, at_most_once=at_most_once
        )
        trigger = self.office.house.intake.trigger
        accepted = self._run(trigger(TYPES[kind], user, {"mark": mark}, idempotency_key=None))
        self._events[mark] = accepted.event_id
        self._go_on(then)
        return mark

    @rule(then=THEN, minutes=st.integers(1, LEASE + 1))
    def wait(self, minutes: int, then: str) -> None:
        self._wait(minutes)
        self._go_on(then)

    @rule(then=THEN, limit=st.integers(1, 3), minutes=st.integers(0, LEASE + 1))
    def a_worker_takes_some_and_is_gone(self, limit: int, minutes: int, then: str) -> None:
        self._go_on("plan")
        due = {id(letter) for letter in self._model.due()}
        epochs = self._run(self._claim(limit))
        assert {id(self._model.letters[mark]) for mark in epochs} <= due
        assert epochs or not due
        self._model.take_and_go(epochs)
        self._wait(minutes)
        self._run(self.office.store.sweep("email", limit=100))
        self._model.sweep()
        self._go_on(then)

    @precondition(lambda self: self._gone)
    @rule(then=THEN, data=st.data())
    def one_that_was_gone_was_told_yes(self, data: st.DataObject, then: str) -> None:
        claimed = self._gone.pop(data.draw(st.integers(0, len(self._gone) - 1)))
        self._run(self._say_yes(claimed))
        mark = mark_of(claimed)
        self._vendor.taken[mark] += 1
        self._model.come_back(mark, claimed.epoch)
        self._go_on(then)

    @rule(then=THEN, user=st.sampled_from(USERS), wanted=st.booleans())
    def choose(self, user: str, wanted: bool, then: str) -> None:
        wish = [Preference(workflow="*", channel="*", enabled=wanted)]
        self._run(self.office.house.users.set_preferences(user, wish))
        (self._model.opted_out.discard if wanted else self._model.opted_out.add)(user)
        self._go_on(then)

    @rule(then=THEN, mark=marks)
    def call_off(self, mark: str, then: str) -> None:
        self._run(self.office.house.notifications.cancel(event_id=self._events[mark]))
        self._model.call_off(mark)
        self._go_on(then)

    @rule(then=THEN, in_doubt=st.booleans())
    def replay(self, in_doubt: bool, then: str) -> None:
        letters = DeadLetters(self.office.store, clock=self.office.clock)
        ids = [row["id"] for row in self._run(self.office.rows(schema.deliveries))]
        self._run(letters.replay(Kind.DELIVERY, ids, by="test", in_doubt=in_doubt))
        self._model.replay(in_doubt=in_doubt)
        self._go_on(then)

    @invariant()
    def they_agree(self) -> None:
        states = self._run(states_by_mark(self.office.store))
        letters = self._model.letters
        assert states == {mark: letter.state for mark, letter in letters.items()}
        taken = {mark: letter.taken for mark, letter in letters.items() if letter.taken}
        assert +self._vendor.taken == Counter(taken)

    def _go_on(self, then: str) -> None:
        """What workers do before the next thing happens; Hypothesis likes to leave rules out."""
        if then in ("plan", "work"):
            self._run(self.office.house.plan())
            self._model.plan()
        if then == "work":
            while self._run(self.office.service(provider=self._vendor).work()):
                pass
            self._model.work()

    def _wait(self, minutes: int) -> None:
        self.office.clock.advance(minutes=minutes)
        self._model.now += minutes

    async def _claim(self, limit: int) -> dict[str, int]:
        """The marks and epochs of what a claim touched, what it brought to an end included."""
        result = await self.office.store.claim(
            a_request(providers=("test",), limit=limit, lease=LEASE * MINUTE)
        )
        self._gone += result.taken
        touched = [*result.taken, *(outcome.claimed for outcome in result.ended)]
        return {mark_of(claimed): claimed.epoch for claimed in touched}

    async def _say_yes(self, claimed: Claimed) -> None:
        await self.office.store.settle([await sent(self.office.store, claimed)])

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)


def mark_of(claimed: Claimed) -> str:
    """Which letter it is."""
    return str(claimed.event.data["mark"])


async def forget(store: Store) -> None:
    """Nothing was ever asked for."""

    def work(connection: sa.Connection) -> None:
        for table in _TABLES:
            connection.execute(sa.delete(table))

    await store.run(work)


async def states_by_mark(store: Store) -> dict[str, str]:
    """How each event stands, or what became of it."""
    query = sa.select(
        schema.events.c.data, schema.events.c.state, schema.deliveries.c.state.label("delivery")
    ).select_from(
        schema.events.outerjoin(
            schema.deliveries, schema.deliveries.c.event_id == schema.events.c.id
        )
    )
    rows = await store.run(lambda connection: connection.execute(query).all())
    return {row.data["mark"]: row.delivery or _WORDS[row.state] for row in rows}


_WORDS = {"due": "asked", "planned": "skipped", "cancelled": "cancelled"}


async def furnished(house: House) -> None:
    """A workflow for each type, and two users."""
    await house.templates.put("note", "email", text="{{ data.mark }}", subject="note")
    retry = Retry(attempts=ATTEMPTS, base=BASE * MINUTE, cap=60 * MINUTE)
    for (critical, once), event_type in TYPES.items():
        await house.workflows.put(
            Workflow(
                key=event_type.lower(),
                on=event_type,
                steps=[Email("note")],
                critical=critical,
                on_unknown="hold" if once else "retry",
                retry=retry,
            )
        )
    for user in USERS:
        await house.users.put(user, email=f"{user}@example.com")


def check(store: Coroutine[Any, Any, Store], clock: MovableClock, *, examples: int) -> None:
    """Compare the engine on a store with the model, for so many stories."""
    with asyncio.Runner() as runner:
        opened = runner.run(store)
        house_of = open_house(opened, clock=clock)
        house = runner.run(house_of.__aenter__())
        runner.run(furnished(house))
        office = PostOffice(store=opened, house=house, clock=clock)
        try:
            run_state_machine_as_test(
                type("EngineHere", (Engine,), {"runner": runner, "office": office}),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=30,
                    deadline=None,
                    # the same stories in every run of the tests; others in `make faults`
                    derandomize=not FULL,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(house_of.__aexit__(None, None, None))
            runner.run(opened.aclose())


def test_the_engine_on_sqlite_does_as_the_model_does() -> None:
    clock = MovableClock()

    check(SqliteStore.open(None, clock=clock), clock, examples=60)


def test_the_engine_on_postgres_does_as_the_model_does(migrated_postgres_url: str) -> None:
    clock = MovableClock()

    check(PostgresStore.open(migrated_postgres_url, clock=clock), clock, examples=15)
