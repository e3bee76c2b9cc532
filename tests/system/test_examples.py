"""Every example, and the quickstart, is run as its reader would run it."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2
import pytest

from tests.faults.fleet import Fleet
from tests.system.running_commands import answering
from tests.system.test_dead_letters import fail
from tests.unit.documents import commands, curl, curls

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
#: what a test below runs
RUN = {
    "client.py",
    "dead_letters.py",
    "embedded.py",
    "fastapi_app.py",
    "test_notifications.py",
    "order_shipped",
}


def environment() -> dict[str, str]:
    """This one without any setting: an example needs none."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}


def run(*arguments: str | Path, folder: Path, **settings: str) -> str:
    """What a Python program printed; its errors fail the test."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment() | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_example_is_run() -> None:
    there = {path.name for path in EXAMPLES.iterdir() if not path.name.startswith(("_", "."))}

    assert there == RUN


def test_the_embedded_program_sends_a_welcome_and_says_why(tmp_path: Path) -> None:
    printed = run(EXAMPLES / "embedded.py", folder=tmp_path)

    assert "welcome: send because Nothing was chosen for welcome by email" in printed
    assert "to ann@example.com: Welcome, Ann!" in printed
    assert list(tmp_path.iterdir()) == []


def test_the_tests_of_the_example_pass(tmp_path: Path) -> None:
    tests = EXAMPLES / "test_notifications.py"
    options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "-o", "asyncio_mode=auto"]

    printed = run("-m", "pytest", *options, tests, folder=tmp_path)

    assert "2 passed" in printed


async def test_the_fastapi_app_sends_what_its_route_triggers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in os.environ:
        if name.startswith("TIDINGS_"):
            monkeypatch.delenv(name)
    from examples.fastapi_app import app

    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as http:
            order = {"customer": "u1", "email": "ann@example.com"}
            answer = await http.post("/orders", params=order)
            mail = await until_sent(http, answer.json()["event_id"])

    assert answer.status_code == 201
    assert mail == ["sent"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Fleet]:
    """`tidings up` in a copy of the folder, with the settings its page names."""
    shutil.copytree(EXAMPLES / "order_shipped", tmp_path, dirs_exist_ok=True)
    settings = {
        "TIDINGS_WORKFLOWS": "notifications",
        "TIDINGS_TEMPLATES": "templates",
        "TIDINGS_EMAIL_PROVIDER": "console",
    }
    with Fleet(tmp_path, settings) as fleet:
        fleet.start_api("tidings.notification_system")
        yield fleet


async def test_the_curls_of_order_shipped_end_in_the_outbox(shop: Fleet) -> None:
    page = (EXAMPLES / "order_shipped/README.md").read_text(encoding="utf-8")

    async with httpx2.AsyncClient(base_url=shop.url) as http:
        statuses = [
            (
                await http.request(
                    call.method, call.path, headers=dict(call.headers), content=call.body.encode()
                )
            ).status_code
            for call in curls(page)
        ]
        async with asyncio.timeout(10):
            while "order 1042 is on its way" not in (await http.get("/outbox")).text:
                await asyncio.sleep(0.05)

    assert statuses == [201, 202]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Fleet]:
    """`tidings up` as it comes."""
    with Fleet(tmp_path, {"TIDINGS_EMAIL_PROVIDER": "console"}) as fleet:
        fleet.start_api("tidings.notification_system")
        yield fleet


def test_the_client_tells_one_and_many(system: Fleet) -> None:
    printed = run(EXAMPLES / "client.py", folder=system.folder, TIDINGS_URL=system.url)

    told, refused, accepted, also_refused = printed.splitlines()
    assert told == "welcome to ann@example.com: sent"
    assert accepted == "accepted"
    assert refused == also_refused
    assert refused.startswith("refused: there is no user nobody")


def test_the_dead_letters_are_found_and_replayed(tmp_path: Path) -> None:
    with answering("dead-letters", lambda system: fail(system, 3)) as letters:
        printed = run(EXAMPLES / "dead_letters.py", folder=tmp_path, TIDINGS_URL=letters.url)

        assert letters.told("list", "--kind", "delivery")["dead_letters"] == []

    assert printed.splitlines() == [
        "554 no spam please, after 1 call",
        "2 replayed, 0 left out, being in doubt",
    ]


def test_the_quickstart_works_line_by_line(system: Fleet) -> None:
    page = (ROOT / "docs/quickstart.md").read_text(encoding="utf-8")

    event_id = ""
    for words in commands(page):
        if words[0] == "curl":
            event_id = asked(system, words) or event_id
        else:
            told = said(system, [word.replace("<event_id>", event_id) for word in words[1:]])
            assert (
                "Accepted. To see what became of it: tidings explain" in told
                or f"REGISTERED_USER {event_id}" in told
            )

    last_event = told.partition("explain ")[2].split()[0]
    assert "order-shipped" in said(system, ["explain", last_event])


def asked(system: Fleet, words: Sequence[str]) -> str:
    """Do what a `curl` does; the id of the event, if it made one."""
    call = curl(words)
    answer = httpx2.request(
        call.method, system.url + call.path, headers=dict(call.headers), content=call.body.encode()
    )
    assert answer.is_success, answer.text
    return str(answer.json().get("event_id", ""))


def said(system: Fleet, words: Sequence[str]) -> str:
    """What `tidings …` prints when it talks to the system."""
    return run("-m", "tidings", *words, "--url", system.url, folder=system.folder)


async def until_sent(http: httpx2.AsyncClient, event_id: str) -> list[str]:
    async with asyncio.timeout(10):
        while True:
            states: list[str] = (await http.get(f"/orders/mail/{event_id}")).json()
            if states and not {"pending", "sending"} & set(states):
                return states
            await asyncio.sleep(0.05)
