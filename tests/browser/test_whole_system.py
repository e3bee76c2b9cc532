"""The pages of the real system, started as a user starts it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Page, expect

from tests.faults.fleet import Fleet


@pytest_asyncio.fixture(loop_scope="session")
async def system(tmp_path: Path) -> AsyncIterator[Fleet]:
    settings = {
        "TIDINGS_DATABASE_URL": f"sqlite:///{tmp_path}/tidings.db",
        "TIDINGS_EMAIL_PROVIDER": "console",
    }
    with Fleet(tmp_path, settings) as fleet:
        await asyncio.to_thread(fleet.start_api, "tidings.notification_system")
        yield fleet


async def test_a_registration_shows_on_both_pages_while_they_are_open(
    system: Fleet, page: Page
) -> None:
    outbox = await page.context.new_page()
    await page.goto(f"{system.url}/dashboard")
    await outbox.goto(f"{system.url}/outbox")

    await page.request.post(f"{system.url}/register?email=test@example.com")

    await expect(outbox.get_by_text("test@example.com").first).to_be_visible()
    await expect(page.get_by_text("REGISTERED_USER").first).to_be_visible()
    await expect(page.get_by_text("sent", exact=False).first).to_be_visible()


async def test_the_api_docs_come_from_our_own_files_alone(system: Fleet, page: Page) -> None:
    asked: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: refused.append(line.text) if line.type == "error" else None)

    await page.goto(f"{system.url}/docs")

    await expect(page.get_by_text("/v1/events/bulk", exact=True)).to_be_visible()
    assert [url for url in asked if not url.startswith((system.url, "data:"))] == []
    assert refused == []
