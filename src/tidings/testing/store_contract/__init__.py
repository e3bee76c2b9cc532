"""What every store must do, as tests: inherit `StoreContract` and offer its database.

    class TestMyStore(StoreContract):
        implementation = MyStore            # has open(location, *, clock)

        @pytest.fixture
        def location(self): ...             # where a fresh, empty database is

        @pytest.fixture
        def other_store(self, store): ...   # only where one process is all: give `store`

Needs pytest with pytest-asyncio in its automatic mode.
"""

import pytest

_TOPICS = (
    "accept",
    "called_off",
    "cancelling",
    "claim",
    "confirming",
    "dead_letters",
    "durability",
    "expire",
    "failing_plans",
    "give_back",
    "idempotency",
    "late_yes",
    "long_retention",
    "migrations",
    "once",
    "outbox",
    "parallel",
    "pauses",
    "plan",
    "reread",
    "resume",
    "retention",
    "route",
    "run",
    "settle",
    "suppressing",
    "take_back",
)
# Before they are imported, so that a failed comparison shows both sides.
pytest.register_assert_rewrite(*[f"{__name__}.{topic}" for topic in _TOPICS])

from tidings.testing.store_contract.contract import StoreContract  # noqa: E402  # see above

__all__ = ["StoreContract"]
