"""The clients with keys, and the keys by the clients."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tidings import AsyncClient
from tidings.client.answers import NewKey
from tidings.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthorized


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    with Fleet(tmp_path, {"TIDINGS_EMAIL_PROVIDER": "console"}) as fleet:
        fleet.start_api("tidings.notification_system")
        yield fleet


async def first_key(fleet: Fleet) -> NewKey:
    async with AsyncClient(fleet.url) as client:
        return await client.keys.create("admin", ["admin"])


async def test_keys_are_made_listed_used_and_revoked(fleet: Fleet) -> None:
    admin = await first_key(fleet)
    async with AsyncClient(fleet.url, api_key=admin["key"]) as client:
        end = datetime.now(UTC) + timedelta(days=1)
        made = await client.keys.create("shop", ["trigger"], expires_at=end)
        await client.users.put("ann", email="ann@example.com")

        async with AsyncClient(fleet.url, api_key=made["key"]) as shop:
            assert await shop.trigger("ORDERED", "ann")
            with pytest.raises(Forbidden, match="read"):
                await shop.users.get("ann")

            revoked = await client.keys.revoke(made["id"])

            with pytest.raises(Unauthorized):
                await shop.trigger("ORDERED", "ann")
        listed = await client.keys.list()

    assert [one["name"] for one in listed] == ["admin", "shop"]
    assert made["scopes"] == ["trigger"]
    assert listed[1]["revoked_at"] == revoked["revoked_at"] is not None
    assert datetime.fromisoformat(made["expires_at"] or "") == end
    assert all("key" not in one for one in listed)


async def test_refusals_about_keys_are_errors_of_our_tree(fleet: Fleet) -> None:
    admin = await first_key(fleet)

    async with AsyncClient(fleet.url) as nobody:
        with pytest.raises(Unauthorized, match="Bearer"):
            await nobody.trigger("ORDERED", "ann")
        assert await nobody.register("ben@example.com")
    async with AsyncClient(fleet.url, api_key=admin["key"]) as client:
        await client.keys.create("admin", ["admin"])
        with pytest.raises(Conflict, match="revoke the old one"):
            await client.keys.create("admin", ["admin"])
        with pytest.raises(InvalidInput) as past:
            await client.keys.create("late", ["read"], expires_at=datetime(2020, 1, 1, tzinfo=UTC))
        with pytest.raises(NotFound):
            await client.keys.revoke("aaaaaaaa")

    assert past.value.field == "expires_at"


async def test_the_command_line_sends_the_key_of_its_setting(fleet: Fleet) -> None:
    admin = await first_key(fleet)

    refused = send(fleet)
    sent = send(fleet, TIDINGS_API_KEY=admin["key"])

    assert refused.returncode == 1
    assert "needs a key" in refused.stderr
    assert sent.returncode == 0
    assert admin["key"] not in sent.stdout + sent.stderr


def send(fleet: Fleet, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tidings", "send", "ann@example.com", "hi", "--url", fleet.url]
    environment = {name: value for name, value in os.environ.items() if name != "TIDINGS_API_KEY"}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=fleet.folder,
        env=environment | settings,
        check=False,
    )
