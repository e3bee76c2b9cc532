import pytest

from tidings.core.errors import ConfigurationError, Overloaded
from tidings.notifications.rate import RateLimit


async def test_each_client_has_its_own_count() -> None:
    limit = RateLimit("2/hour")

    for client in ("one", "one", "other"):
        await limit.take(client)

    with pytest.raises(Overloaded) as refused:
        await limit.take("one")
    assert 1 <= refused.value.retry_after <= 3600


async def test_off_means_no_limit() -> None:
    limit = RateLimit("off")

    for _ in range(1_000):
        await limit.take("one")


def test_a_rate_of_another_form_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="TIDINGS_REGISTER_RATE=often"):
        RateLimit("often")
