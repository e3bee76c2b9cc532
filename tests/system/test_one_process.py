"""`tidings up`: one process, told in its log, ended in good order."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults.fleet import Fleet, is_ready, wait_until

SYSTEM = "tidings.notification_system"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """The whole system in one process, with the console provider."""
    settings = {
        "TIDINGS_DATABASE_URL": f"sqlite:///{tmp_path}/tidings.db",
        "TIDINGS_EMAIL_PROVIDER": "console",
        "TIDINGS_LOG_LEVEL": "info",
        "TIDINGS_LOG_FORMAT": "json",
    }
    with Fleet(tmp_path, settings) as fleet:
        yield fleet


def told(fleet: Fleet) -> list[dict[str, str]]:
    """The log's lines so far."""
    lines = [line for line in fleet.log("api").splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines]


async def test_a_registration_is_followed_from_the_curl_to_the_outbox_in_the_log(
    fleet: Fleet,
) -> None:
    fleet.start_program("api", [sys.executable, "-m", "tidings", "up"])  # as a user does
    await asyncio.to_thread(wait_until, lambda: is_ready(fleet.url), "it is ready", fleet.log)

    async with aiohttp.ClientSession(fleet.url) as http:
        answer = await http.post("/register", params={"email": "test@example.com"})
        event_id = (await answer.json())["event_id"]
        explanation = await until_sent(http, event_id)
        await asyncio.to_thread(
            wait_until, lambda: "welcome e-mail sent" in fleet.log("api"), "it is told", fleet.log
        )
        outbox = await (await http.get("/outbox")).text()
        dashboard = await (await http.get("/dashboard")).text()

    assert answer.status == 202
    assert explanation["notifications"][0]["deliveries"][0]["state"] == "sent"
    assert "test@example.com" in outbox
    assert "REGISTERED_<wbr>USER" in dashboard
    assert {line["part"] for line in told(fleet) if event_id in json.dumps(line)} >= {
        "notification-worker",
        "delivery",
    }


async def test_the_log_never_shows_an_address(fleet: Fleet) -> None:
    fleet.start_api(SYSTEM)

    async with aiohttp.ClientSession(fleet.url) as http:
        answer = await http.post("/register", params={"email": "secretly@example.com"})
        await until_sent(http, (await answer.json())["event_id"])
        named = await http.put("/v1/users/secretly@example.com", json={"name": "secretly@b.com"})
        await named.read()
        told = {"to": "ann@example.com", "text": "hi", "subject": "to secretly@example.com"}
        sent = await http.post("/v1/messages", json=told)
        await until_sent(http, (await sent.json())["event_id"])
        refused = await http.post("/register", params={"email": "secretly@no@example.com"})
        await refused.read()

    assert fleet.terminate("api") <= 10
    assert "secretly" not in fleet.log("api")


async def test_the_greeting_names_the_pages_and_the_curl_to_try(fleet: Fleet) -> None:
    fleet.start_api(SYSTEM)

    greeting = fleet.log("api")

    for path in ("/docs", "/outbox", "/dashboard", "/register?email=test@example.com"):
        assert f"http://localhost:{fleet.port}{path}" in greeting


async def test_a_second_process_on_the_same_file_is_refused_with_what_to_do(fleet: Fleet) -> None:
    fleet.start_api(SYSTEM)

    fleet.start("second", SYSTEM, TIDINGS_PORT="0")

    await asyncio.to_thread(
        wait_until, lambda: "tidings:" in fleet.log("second"), "it is refused", fleet.log
    )
    sentence = fleet.log("second")
    assert "Traceback" not in sentence
    assert "PostgreSQL" in sentence
    assert re.search(r"process \d+|pid \d+", sentence)


async def test_sigterm_ends_the_process_within_ten_seconds_though_streams_are_open(
    fleet: Fleet,
) -> None:
    fleet.start_api(SYSTEM)

    async with aiohttp.ClientSession(fleet.url) as http:
        streams = [await http.get("/dashboard/stream") for _ in range(5)]
        seconds = await asyncio.to_thread(fleet.terminate, "api")
        for stream in streams:
            stream.close()

    assert [stream.status for stream in streams] == [200] * 5
    assert seconds <= 10


async def test_sigterm_ends_the_process_within_ten_seconds_though_the_mail_server_hangs(
    fleet: Fleet,
) -> None:
    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await gone.wait()
        writer.close()

    connected, gone = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    await asyncio.to_thread(
        fleet.start_api, SYSTEM, TIDINGS_EMAIL_PROVIDER="smtp", TIDINGS_SMTP_PORT=port
    )
    async with aiohttp.ClientSession(fleet.url) as http:
        answer = await http.post("/register", params={"email": "test@example.com"})
        await answer.read()
        await asyncio.wait_for(connected.wait(), 10)
        seconds = await asyncio.to_thread(fleet.terminate, "api")

    assert seconds <= 10
    gone.set()
    server.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIDINGS_DATABASE_URL", "mysql://nowhere"),
        ("TIDINGS_WORKFLOWS", "no.such.module"),
        ("TIDINGS_EMAIL_PROVIDER", "pigeon"),
        ("TIDINGS_HOST", "203.0.113.9"),
        ("TIDINGS_HOST", "nowhere.invalid"),
        ("TIDINGS_EMAIL_FROM", "nonsense"),
        ("TIDINGS_BEAT_SECONDS", "60"),
        ("TIDINGS_REGISTER_RATE", "0/minute"),
        ("TIDINGS_PROT", "8000"),
    ],
)
async def test_a_wrong_setting_stops_the_start_with_one_sentence(
    tmp_path: Path, name: str, value: str
) -> None:
    database = {"TIDINGS_DATABASE_URL": f"sqlite:///{tmp_path}/tidings.db"}
    with Fleet(tmp_path, database | {"TIDINGS_EMAIL_PROVIDER": "console"} | {name: value}) as fleet:
        fleet.start("api", SYSTEM)

        await asyncio.to_thread(
            wait_until, lambda: "tidings:" in fleet.log("api"), "it is refused", fleet.log
        )

        assert name in fleet.log("api")
        assert "Traceback" not in fleet.log("api")


async def until_sent(http: aiohttp.ClientSession, event_id: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            explanation: dict[str, Any] = await (await http.get(f"/v1/events/{event_id}")).json()
            deliveries = [
                one for each in explanation["notifications"] for one in each["deliveries"]
            ]
            if [one["state"] for one in deliveries] == ["sent"]:
                return explanation
            await asyncio.sleep(0.02)
