"""Bugs of integrations, their limits, breakers and wishes for silence; and of calling off."""

import pytest

from tests.simulation.bugs.bug import STORE, Bug, replaced, reworded
from tidings.delivery.gate import breaker as breakers
from tidings.delivery.gate.breaker import Breaker, Phase
from tidings.delivery.gate.gate import Gate
from tidings.store.sqlite import claim, reread, settle

GATE = "tests/unit/delivery/gate/test_gate.py::"
_allowed, _ask = breakers.allowed, Gate._ask


def _never_tried_again(breaker: Breaker, now: float) -> int | None:
    return 0 if breaker.phase is Phase.OPEN else _allowed(breaker, now)


async def _ask_oneself(self: Gate, wanted: int, *, reserved: bool = False) -> int:
    key = self._key
    self._key = f"{key}:{self._worker}"
    try:
        return await _ask(self, wanted, reserved=reserved)
    finally:
        self._key = key


def _not_heard(_self: Gate, _seconds: float) -> None:
    return


def _plant_forgotten_call_off(patch: pytest.MonkeyPatch) -> None:
    for module, name, old, new in (
        (claim, "ABANDONED", "due.cancelled_at IS NOT NULL AS cancelled", "false AS cancelled"),
        (claim, "WAITING", "due.cancelled_at IS NOT NULL AS cancelled", "false AS cancelled"),
        (settle, "_CALLED_OFF", "cancelled_at IS NOT NULL", "false"),
        (reread, "_REREAD", "cancelled_at IS NOT NULL AS cancelled", "false AS cancelled"),
    ):
        reworded(module, name, old, new)(patch)


BUGS = (
    Bug(
        name="a worker shares a limit with nobody",
        seed=54,
        plant=replaced(Gate, "_ask", _ask_oneself),
        test=f"{GATE}test_a_rate_is_one_for_all_workers",
    ),
    Bug(
        name="a breaker never tries the integration again",
        seed=18,
        plant=replaced(breakers, "allowed", _never_tried_again),
        test=f"{GATE}test_one_worker_tries_it_and_then_all_call_it_again",
    ),
    Bug(
        name="an integration's wish for silence is not heard",
        seed=2,
        plant=replaced(Gate, "pause", _not_heard),
        test=f"{GATE}test_silence_that_one_was_asked_for_holds_for_all",
    ),
    Bug(
        name="what is called off during a call is tried again",
        seed=56,
        plant=_plant_forgotten_call_off,
        test=f"{STORE}test_it_gets_no_other_try",
    ),
)
