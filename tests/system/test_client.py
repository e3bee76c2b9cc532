"""`AsyncClient` and the command line against a running system."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tests.servers.ports import free_port
from tidings import AsyncClient
from tidings.core.errors import InvalidInput, NotFound, PayloadTooLarge, Unavailable


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("client")
    settings = {
        "TIDINGS_DATABASE_URL": f"sqlite:///{folder}/tidings.db",
        "TIDINGS_EMAIL_PROVIDER": "console",
    }
    with Fleet(folder, settings) as fleet:
        fleet.start_api("tidings.notification_system")
        yield fleet


def tidings(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tidings", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path("/"), check=False)


async def test_what_the_client_asks_for_is_accepted_and_explained(fleet: Fleet) -> None:
    async with AsyncClient(fleet.url) as client:
        registered = await client.register("ann@example.com", name="Ann")
        user_id = (await client.explain(registered))["user_id"] or ""
        first = await client.trigger("ORDERED", user_id, {"a": 1}, idempotency_key="k1")
        again = await client.trigger("ORDERED", user_id, {"a": 1}, idempotency_key="k1")

    assert first == again


async def test_the_client_hears_what_happened_to_one_notification(fleet: Fleet) -> None:
    async with AsyncClient(fleet.url) as client:
        event_id = await client.register("eve@example.com")
        (run,) = (await client.settled(event_id))["notifications"]

        told = await client.timeline(run["id"])

    assert (told["event_id"], told["notification"]["id"]) == (event_id, run["id"])
    kinds = [(entry["kind"], entry["result"]) for entry in told["timeline"]]
    assert kinds == [("decision", "send"), ("attempt", "sent"), ("end", "sent")]


async def test_what_was_asked_for_can_be_called_off(fleet: Fleet) -> None:
    nothing = {"events": 0, "notifications": 0, "deliveries": 0, "under_way": 0, "dead": 0}
    async with AsyncClient(fleet.url) as client:
        await client.users.put("gil", email="gil@example.com")
        event_id = await client.trigger("ORDERED", "gil", cancel_key="order-7")
        await client.settled(event_id)

        assert await client.cancel(cancel_key="order-7") == nothing
        assert await client.cancel(event_id=event_id) == nothing
        with pytest.raises(NotFound):
            await client.cancel(event_id="unheard-of")

    said = tidings("cancel", "--key", "order-7", "--url", fleet.url)
    assert said.stdout == "Called off: 0 events, 0 notifications, 0 deliveries.\n"
    assert tidings("cancel", "--event", "unheard-of", "--url", fleet.url).returncode == 1


async def test_what_a_vendor_delivered_is_confirmed(fleet: Fleet) -> None:
    async with AsyncClient(fleet.url) as client:
        registered = await client.register("ida@example.com")
        ((sent,),) = [
            each["deliveries"] for each in (await client.settled(registered))["notifications"]
        ]

        confirmed = await client.confirm("console", [sent["id"], "unheard-of"])

        assert confirmed == {"delivered": [sent["id"]], "unknown": ["unheard-of"]}
        ((delivered,),) = [
            each["deliveries"] for each in (await client.explain(registered))["notifications"]
        ]
        assert delivered["state"] == "delivered"
        with pytest.raises(InvalidInput):
            await client.confirm("console", [])


async def test_an_address_is_put_on_the_list_and_taken_off_again(fleet: Fleet) -> None:
    async with AsyncClient(fleet.url) as client:
        kept = await client.suppressions.put("email", "Hal@example.com", reason="complaint")
        saved = await client.users.put("hal", email="hal@example.com")

        assert saved["email_status"] == "suppressed"
        assert await client.suppressions.find("email", "hal@example.com") == kept
        assert await client.suppressions.get(kept["id"]) == kept
        assert kept in await client.suppressions.list()
        assert await client.suppressions.lift(kept["id"]) == kept
        assert (await client.users.get("hal"))["email_status"] == "active"


async def test_refusals_are_the_errors_of_the_system_in_process(fleet: Fleet) -> None:
    async with AsyncClient(fleet.url) as client:
        with pytest.raises(NotFound) as unknown:
            await client.trigger("ORDERED", "nobody")
        with pytest.raises(InvalidInput):
            await client.send("nobody", "hi")
        with pytest.raises(PayloadTooLarge):
            await client.trigger("ORDERED", "nobody", {"a": "x" * 300_000})
        with pytest.raises(NotFound):
            await client.explain("../users")
        with pytest.raises(NotFound):
            await client.timeline("68a28f9d-239d-8d74-96e1-80b88d664919")

    assert unknown.value.field == "user_id"


async def test_a_system_that_does_not_run_is_unavailable_with_what_to_do() -> None:
    async with AsyncClient(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(Unavailable, match="tidings up"):
            await client.explain("x")


def test_send_and_explain_on_the_command_line(fleet: Fleet) -> None:
    sent = tidings("send", "bob@example.com", "Dinner", "--url", fleet.url, "--json")
    event_id = json.loads(sent.stdout)["event_id"]

    story = tidings("explain", event_id, "--url", fleet.url)

    assert sent.returncode == story.returncode == 0
    assert f"DIRECT_MESSAGE {event_id}" in story.stdout


def test_a_failure_is_one_sentence_and_status_1(fleet: Fleet) -> None:
    unknown = tidings("trigger", "ORDERED", "nobody", "--url", fleet.url)
    no_json = tidings("trigger", "ORDERED", "nobody", "--data", "{", "--url", fleet.url)
    nowhere = tidings("explain", "x", "--url", f"http://127.0.0.1:{free_port()}")

    for failed in (unknown, no_json, nowhere):
        assert failed.returncode == 1
        assert failed.stderr.startswith("tidings: ")
        assert failed.stderr.count("\n") == 1


def test_help_shows_an_example_for_every_command() -> None:
    for command in (["up"], ["api"], ["send"], ["trigger"], ["explain"], ["worker", "channel"]):
        assert "Example: tidings" in tidings(*command, "--help").stdout


@pytest.mark.parametrize("words", [("keys", "list"), ("dead-letters", "list"), ("health",)])
def test_a_command_that_only_asks_loads_no_server_and_no_database(
    fleet: Fleet, words: tuple[str, ...]
) -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tidings", *words, "--url", fleet.url],
        capture_output=True,
        text=True,
        check=True,
    ).stderr

    loaded = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    assert "tidings.egress.http" in loaded
    assert not loaded & {"fastapi", "sqlalchemy", "uvicorn", "tidings.wiring"}
