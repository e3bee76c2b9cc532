"""The verdict on a finished run: the ledger held against what the database says."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.simulation.entries import Call, Request
from tests.simulation.ledger import Ledger
from tests.simulation.settings import LEASE
from tests.simulation.store import address_of
from tests.simulation.workflows import PROMISES, Promise
from tidings.core.models import DeliveryState
from tidings.store.schema.types import from_microseconds, to_microseconds

_UNFINISHED = """
SELECT (SELECT count(*) FROM events WHERE state = 'due')
     + (SELECT count(*) FROM notifications WHERE state = 'waiting')
     + (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending'))
"""
_MARK = "coalesce(data->>'mark', data->>'text', data->>'email') AS mark"
_ANSWERS = "SELECT delivery_id, outcome, started_at FROM attempts WHERE finished_at IS NOT NULL"
_ENDS = frozenset({"sent", "failed", "suppressed", "expired", "held", "cancelled"})
Row = dict[str, Any]


def unfinished(ledger: Ledger, connection: sqlite3.Connection) -> bool:
    """Whether something is still to be done, to be stored, or to be put on record."""
    (count,) = connection.execute(_UNFINISHED).fetchone()
    stored = {row[0] for row in connection.execute(f"SELECT {_MARK} FROM events")}
    return (
        bool(count)
        or any(each.accepted and each.mark not in stored for each in ledger.requests.values())
        or bool(forgotten(ledger, connection))
    )


def forgotten(ledger: Ledger, connection: sqlite3.Connection) -> list[Call]:
    """Calls whose answer came, to somebody who lived on, and is not on record."""
    recorded: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
    for row in connection.execute(_ANSWERS):
        recorded[row[0], row[1]].append(from_microseconds(row[2]))
    return [
        call
        for call in ledger.calls
        if call.answer
        and not call.process.lost
        and not any(map(call.is_attempt_of, recorded[call.delivery, call.answer]))
    ]


class Verdict:
    """Judges one run; `broken` names every promise that was not kept."""

    def __init__(self, ledger: Ledger, connection: sqlite3.Connection) -> None:
        self._ledger = ledger
        self._connection = connection
        self._events = self._read(f"SELECT *, {_MARK} FROM events")
        self._deliveries = {
            row["id"]: row
            for row in self._read(
                f"SELECT deliveries.*, {_MARK} FROM deliveries JOIN events ON events.id = event_id"
            )
        }
        self._attempts: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self._read("SELECT * FROM attempts"):
            self._attempts[row["delivery_id"]].append(row)
        self._calls: defaultdict[str, list[Call]] = defaultdict(list)
        for call in ledger.calls:
            self._calls[call.delivery].append(call)

    def broken(self) -> list[str]:
        """All that is wrong, in sentences."""
        return [
            *self._ledger.violations,
            *self._of_events(),
            *self._of_deliveries(),
            *self._of_calls(),
            *self._of_figures(),
        ]

    def _of_events(self) -> Iterator[str]:
        """Accepted is stored once; what is stored was asked for, and is planned."""
        stored = Counter(row["mark"] for row in self._events)
        for mark, request in self._ledger.requests.items():
            if request.accepted and not stored[mark]:
                yield f"lost: {mark} was accepted and is not there"
            if stored[mark] > 1:
                yield f"stored twice: {mark}"
        for row in self._events:
            if row["mark"] not in self._ledger.requests:
                yield f"unexpected event: {row['mark']}"
            called_off = row["state"] == "cancelled" and row["mark"] in self._ledger.called_off
            if row["state"] != "planned" and not called_off:
                yield f"not planned: {row['mark']} is {row['state']} ({row['reason']})"
            yield from self._of_what_it_led_to(self._ledger.requests[row["mark"]])

    def _of_what_it_led_to(self, request: Request) -> Iterator[str]:
        """One delivery for each template; fewer only where the user changed something."""
        found = Counter(
            row["template"] for row in self._deliveries.values() if row["mark"] == request.mark
        )
        for template in PROMISES[request.type].templates:
            if found[template] > 1:
                yield f"planned twice: {template} of {request.mark}"
            late = PROMISES[request.type].expires is not None
            if not found[template] and not late and not self._is_touched(request):
                yield f"lost: {template} of {request.mark} was never planned"

    def _of_deliveries(self) -> Iterator[str]:
        """Each ended, visibly, for a reason that really was."""
        for delivery, row in self._deliveries.items():
            calls, attempts = self._calls[delivery], self._attempts[delivery]
            taken = sum(call.taken for call in calls)
            if row["state"] not in _ENDS:
                yield f"unfinished: {row['mark']} is {row['state']}"
            if row["state"] == "sent" and not taken:
                yield f"false success: {row['mark']} is sent, and the vendor has it not"
            if row["state"] != "sent" and not self._has_cause(row, calls):
                yield f"{row['state']} without a cause: {row['mark']} ({row['reason']})"
            if taken > 1 and self._promise(row).once:
                yield f"taken {taken} times, though at most once was asked for: {row['mark']}"
            yield from self._of_record(row, attempts, taken)

    def _of_record(self, row: Row, attempts: list[Row], taken: int) -> Iterator[str]:
        """Each call is on record once, and counts as what it was."""
        tries = sum(_counts(attempt) for attempt in attempts)
        if row["tries"] != tries:
            yield f"miscounted: {row['mark']} has {tries} tries and counts {row['tries']}"
        told = Counter(attempt["started_at"] for attempt in attempts if _is_answer(attempt))
        if any(times > 1 for times in told.values()):
            yield f"one call on record as several: {row['mark']}"
        unknown = sum(self._explains_a_repeat(row["id"], attempt) for attempt in attempts)
        if taken > 1 + unknown:
            yield f"repeated {taken} times, {unknown} explained: {row['mark']}"

    def _explains_a_repeat(self, delivery: str, attempt: Row) -> bool:
        """Whether nobody knew that call's answer when another was claimed."""
        if attempt["outcome"] == "unknown":
            return True
        is_fenced = bool(attempt["fenced"])
        return is_fenced and self._ledger.was_late(delivery, attempt["started_at"])

    def _of_calls(self) -> Iterator[str]:
        """Every call was asked for, and every answer that came is on record."""
        ids: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
        for call in self._ledger.calls:
            if call.delivery not in self._deliveries:
                yield f"unexpected: the vendor was called for {call.mark} by no delivery"
            ids[call.mark, call.template, call.address].add(call.delivery)
            yield from self._of_consent(call)
            expires_at = self._deliveries.get(call.delivery, {}).get("expires_at")
            if expires_at and to_microseconds(call.started_at) >= expires_at:
                yield f"called when it was of no use any more: {call.mark}"
        for call in forgotten(self._ledger, self._connection):
            yield f"forgotten: {call.process} was told {call.answer} for {call.mark}"
        for (mark, template, _), found in ids.items():
            if len(found) > 1:
                yield f"one message under {len(found)} ids: {template} of {mark}"

    def _of_consent(self, call: Call) -> Iterator[str]:
        """What is no more wanted is called only if it was claimed before, and then soon."""
        request = self._ledger.requests.get(call.mark)
        since = self._ledger.unwanted_since(request) if request else None
        if since is None:
            return
        if call.claimed_at > since:
            yield f"called though it was not wanted any more: {call.mark}"
        if call.began_at > since + LEASE:
            yield f"called {call.began_at - since:.1f} s after it was not wanted: {call.mark}"

    def _of_figures(self) -> Iterator[str]:
        """The dashboard counts what happened: an end that a late yes overturned counts as well."""
        figures = dict(
            self._connection.execute(
                "SELECT outcome, sum(count) FROM figure_deltas WHERE channel <> '' GROUP BY outcome"
            ).fetchall()
        )
        states = Counter(row["state"] for row in self._deliveries.values())
        for state in _ENDS:
            if (
                figures.get(state, 0)
                != states[state] + self._ledger.late_yeses[DeliveryState(state)]
            ):
                yield f"miscounted: {states[state]} are {state}, the figures say {figures}"

    def _is_touched(self, request: Request) -> bool:
        rejected = any(
            attempt["outcome"] == "rejected"
            for delivery, attempts in self._attempts.items()
            for attempt in attempts
            if self._deliveries[delivery]["address"] == self._address(request)
        )
        off = request.mark in self._ledger.called_off
        return rejected or off or request.user in self._ledger.touched

    def _address(self, request: Request) -> str:
        return request.user if "@" in request.user else address_of(request.user)

    def _has_cause(self, row: Row, calls: list[Call]) -> bool:
        """Whether it may have ended so, by what really happened."""
        promise = self._promise(row)
        match row["state"]:
            case "failed":
                refused = any(call.answer in ("permanent", "rejected") for call in calls)
                return refused or row["tries"] >= promise.attempts or row["lapses"] >= 3
            case "cancelled":
                return row["mark"] in self._ledger.called_off
            case "suppressed":
                return self._is_touched(self._request(row))
            case "held":
                return promise.may_be_held and bool(row["doubt"])
            case "expired":
                return promise.expires is not None
        return False

    def _promise(self, row: Row) -> Promise:
        return PROMISES[self._request(row).type]

    def _request(self, row: Row) -> Request:
        return self._ledger.requests[row["mark"]]

    def _read(self, statement: str) -> list[Row]:
        cursor = self._connection.execute(statement)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _counts(attempt: Row) -> bool:
    """Whether an attempt was a call that ended in a failure worth another try."""
    return _is_answer(attempt) and attempt["outcome"] in ("transient", "unknown")


def _is_answer(attempt: Row) -> bool:
    """Whether it is how a call ended, and counted."""
    return attempt["finished_at"] is not None and not attempt["fenced"]
