import pytest

from tidings.core.errors import ConfigurationError, Overloaded
from tidings.core.metrics import Metrics
from tidings.notifications.rate import RateLimit


async def test_each_client_has_its_own_count() -> None:
    limit = RateLimit("2/hour", Metrics())

    for client in ("one", "one", "other"):
        await limit.take(client)

    with pytest.raises(Overloaded) as refused:
        await limit.take("one")
    assert 1 <= refused.value.retry_after <= 3600


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
async def test_a_client_with_many_ipv6_addresses_is_one_client(
    one: str, other: str, alike: bool
) -> None:
    limit = RateLimit("1/hour", Metrics())
    await limit.take(one)

    if not alike:
        await limit.take(other)
        return
    with pytest.raises(Overloaded):
        await limit.take(other)


async def test_off_means_no_limit() -> None:
    limit = RateLimit("off", Metrics())

    for _ in range(1_000):
        await limit.take("one")


def test_a_rate_of_another_form_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="TIDINGS_REGISTER_RATE=often"):
        RateLimit("often", Metrics())
