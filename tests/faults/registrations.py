"""Many registrations over HTTP, and what must be true of them afterwards."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import aiohttp

from tests.faults.smtp_sink import Mail

CONNECTIONS = 50
PATIENCE = 30.0
"""Seconds a client asks again while the API is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the ledger says of the registrations that were accepted."""

    lost: frozenset[str]
    unexpected: frozenset[str]
    #: message ids taken more than once, with the number of surplus mails
    repeated: Counter[str]


def addresses(number: int) -> list[str]:
    """That many addresses, all different."""
    return [f"person-{index}@example.com" for index in range(number)]


async def register_all(url: str, people: Sequence[str]) -> list[str]:
    """Register everybody, each until it is accepted; the accepted addresses."""
    waiting = iter(people)
    accepted: list[str] = []
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(
            *(_register_some(session, url, waiting, accepted) for _ in range(CONNECTIONS))
        )
    return accepted


def judge(accepted: Iterable[str], ledger: Sequence[Mail]) -> Verdict:
    """Compare what was accepted with what arrived."""
    asked, reached = set(accepted), {mail.address for mail in ledger}
    counts = Counter(mail.message_id for mail in ledger)
    surplus = Counter({one: count - 1 for one, count in counts.items() if count > 1})
    surplus.update(_second_messages(ledger))
    return Verdict(
        lost=frozenset(asked - reached), unexpected=frozenset(reached - asked), repeated=surplus
    )


def _second_messages(ledger: Sequence[Mail]) -> Counter[str]:
    """Messages to an address that another message had reached already."""
    first: dict[str, str] = {}
    second: Counter[str] = Counter()
    for mail in ledger:
        if first.setdefault(mail.address, mail.message_id) != mail.message_id:
            second[mail.message_id] += 1
    return second


async def _register_some(
    session: aiohttp.ClientSession, url: str, waiting: Iterable[str], accepted: list[str]
) -> None:
    for address in waiting:
        await _register(session, url, address)
        accepted.append(address)


async def _register(session: aiohttp.ClientSession, url: str, address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            async with session.post(f"{url}/register", json={"email": address}) as answer:
                if answer.status == 202:
                    return
                assert answer.status == 503, await answer.text()
        except aiohttp.ClientError:
            pass
        assert time.monotonic() < deadline, "the API stayed away"
        await asyncio.sleep(0.05)
